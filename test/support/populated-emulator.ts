import { accountHref, startListeningEmulator } from './console.ts';
import { ORDERS } from './results.ts';

export const POPULATED_KEY = 'np_test_used';

/** An emulator with accounts, tasks, faults and requests of every kind, for tests of the console. */
export async function createPopulatedEmulator(flags: string[] = []) {
  const emulator = await startListeningEmulator(flags);
  const { postOk: ask, order, post, callAdmin: act } = emulator;
  await post('/__admin/accounts', { key: POPULATED_KEY, clock: 'frozen', credits: 500 }, null);
  const image = ORDERS['nano-banana-2'];
  await ask(`${image.path}/generate`, image.body, POPULATED_KEY);
  const done = await order(POPULATED_KEY, 'A golden retriever running on a beach at sunset');
  await order(POPULATED_KEY, 'A wolf @emulator(fail)');
  await order(POPULATED_KEY, '@emulator(hang) A sloth');
  await act('POST', POPULATED_KEY, '/clock/advance', { ms: 3_600_000 });
  await ask('/api/sora-2/check-status', { taskId: done }, POPULATED_KEY);
  await ask('/api/sora-2/check-status', { taskId: done }, POPULATED_KEY);
  await ask('/api/sora-2/generate', { prompt: 'a cat', mode: 'textToVideo', seconds: 3 }, POPULATED_KEY);
  await ask(`${ORDERS['sora-2-tvc'].path}/generate`, ORDERS['sora-2-tvc'].body, POPULATED_KEY);
  await post('/api/veo-3/generate', { shots: [] }, POPULATED_KEY);
  const rule = { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' }, times: 1 };
  await act('POST', POPULATED_KEY, '/faults', rule);
  // Long enough to need scrolling.
  const imageUrls = Array.from({ length: 60 }, (_, n) => `https://example.com/${n}.png`);
  await post('/api/sora-2/generate', { prompt: 'a cat', imageUrls }, POPULATED_KEY);
  await act('POST', POPULATED_KEY, '/faults', {
    at: 'task',
    effect: { durationMs: 9000 },
    match: { contains: 'slow' },
  });
  await post('/__admin/faults', { at: 'charge', effect: { delayMs: 1 }, probability: 0.5 }, null);
  await act('POST', POPULATED_KEY, '/snapshots', { name: 'before-the-party' });
  await act('POST', POPULATED_KEY, '/clock/advance', { ms: 100_000 });
  await post('/api/sora-2/generate', {}, 'a-key-that-nobody-has-made');
  const { requests } = await emulator.read(POPULATED_KEY, '/requests?status=500');
  return {
    ...emulator,
    /** The console's views, each with a text that appears when it has loaded. */
    views: {
      accounts: { hash: '#/', text: '7 accounts' },
      'faults for all accounts': { hash: '#/faults', text: 'has not fired yet' },
      tasks: { hash: accountHref(POPULATED_KEY), text: /^\d+ tasks$/ },
      'a task': { hash: accountHref(POPULATED_KEY, 'tasks', done), text: 'Copy address' },
      timeline: { hash: accountHref(POPULATED_KEY, 'timeline'), text: 'Show all' },
      ledger: { hash: accountHref(POPULATED_KEY, 'ledger'), text: /^\d+ entries$/ },
      requests: { hash: accountHref(POPULATED_KEY, 'requests'), text: /^\d+ requests$/ },
      'a request': { hash: accountHref(POPULATED_KEY, 'requests', requests[0].id), text: 'Copy as curl' },
      verdict: { hash: accountHref(POPULATED_KEY, 'verdict'), text: 'UNDOCUMENTED_FIELD' },
      faults: { hash: accountHref(POPULATED_KEY, 'faults'), text: 'used up' },
      states: { hash: accountHref(POPULATED_KEY, 'states'), text: 'before-the-party' },
      'an account that is not used': { hash: accountHref('np_test_empty'), text: 'No requests yet' },
    },
  };
}
