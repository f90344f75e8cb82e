import { hrefOf, listeningEmulator } from './console.ts';
import { ORDERS } from './results.ts';

export const USED = 'np_test_used';

/** An emulator at which clients and tests have done something of everything. */
export async function usedEmulator(flags: string[] = []) {
  const emulator = await listeningEmulator(flags);
  const { ask, order, post, act } = emulator;
  await post('/__admin/accounts', { key: USED, clock: 'frozen', credits: 500 }, null);
  const image = ORDERS['nano-banana-2'];
  await ask(`${image.path}/generate`, image.body, USED);
  const done = await order(USED, 'A golden retriever running on a beach at sunset');
  await order(USED, 'A wolf @emulator(fail)');
  await order(USED, '@emulator(hang) A sloth');
  await act('POST', USED, '/clock/advance', { ms: 3_600_000 });
  await ask('/api/sora-2/check-status', { taskId: done }, USED);
  await ask('/api/sora-2/check-status', { taskId: done }, USED);
  await ask('/api/sora-2/generate', { prompt: 'a cat', mode: 'textToVideo', seconds: 3 }, USED);
  await ask(`${ORDERS['sora-2-tvc'].path}/generate`, ORDERS['sora-2-tvc'].body, USED);
  await post('/api/veo-3/generate', { shots: [] }, USED);
  const rule = { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' }, times: 1 };
  await act('POST', USED, '/faults', rule);
  // So long that it has to be scrolled.
  const imageUrls = Array.from({ length: 60 }, (_, n) => `https://example.com/${n}.png`);
  await post('/api/sora-2/generate', { prompt: 'a cat', imageUrls }, USED);
  await act('POST', USED, '/faults', {
    at: 'task',
    effect: { durationMs: 9000 },
    match: { contains: 'slow' },
  });
  await post('/__admin/faults', { at: 'charge', effect: { delayMs: 1 }, probability: 0.5 }, null);
  await act('POST', USED, '/snapshots', { name: 'before-the-party' });
  await act('POST', USED, '/clock/advance', { ms: 100_000 });
  await post('/api/sora-2/generate', {}, 'a-key-that-nobody-has-made');
  const { requests } = await emulator.read(USED, '/requests?status=500');
  return {
    ...emulator,
    /** By the text that stands there when all of it is there. */
    views: {
      accounts: { hash: '#/', text: '7 accounts' },
      'faults for everybody': { hash: '#/faults', text: 'has not struck yet' },
      tasks: { hash: hrefOf(USED), text: /^\d+ tasks$/ },
      'a task': { hash: hrefOf(USED, 'tasks', done), text: 'Copy address' },
      ledger: { hash: hrefOf(USED, 'ledger'), text: /^\d+ entries$/ },
      requests: { hash: hrefOf(USED, 'requests'), text: /^\d+ requests$/ },
      'a request': { hash: hrefOf(USED, 'requests', requests[0].id), text: 'Copy as curl' },
      verdict: { hash: hrefOf(USED, 'verdict'), text: 'UNDOCUMENTED_FIELD' },
      faults: { hash: hrefOf(USED, 'faults'), text: 'used up' },
      states: { hash: hrefOf(USED, 'states'), text: 'before-the-party' },
      'an account that is not used': { hash: hrefOf('np_test_empty'), text: 'No requests yet' },
    },
  };
}
