import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../../support/emulator.ts';
import { writeSeedFile } from '../../support/seed-file.ts';

const GENERATE = '/api/sora-2/generate';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const FROZEN = { clock: { mode: 'frozen' } } as const;

/** An emulator with an account on a frozen clock, all of whose tasks fail unless the rate is given. */
async function createFailingEmulator(failureRate = 1) {
  const emulator = await createTestEmulator();
  const { id } = emulator.createAccount('k', { ...FROZEN, failureRate });
  const finishTasks = () => {
    emulator.core.timeline.advance(id, 86_400_000);
    return emulator.core.tasks.list(id, 100);
  };
  const expectFullRefund = () => {
    expect(emulator.core.accounts.get(id).balance).toBe(1000);
    expect(emulator.core.ledger.entries(id, 10).map(({ kind }) => kind)).toEqual(['grant', 'hold', 'refund']);
    expect(emulator.core.ledger.verify(id)).toEqual([]);
  };
  return { ...emulator, id, finishTasks, expectFullRefund };
}

describe('failure rate', () => {
  it('comes from the account, else from the defaults of the seed file, else from --failure-rate', async () => {
    const ratesWith = async (defaults: object) => {
      const accounts = [{ key: 'np_test_own', failureRate: 0.5 }, { key: 'np_test_default' }];
      const seedFile = writeSeedFile({ defaults, accounts });
      const { post, send, get } = await createTestEmulator(['--failure-rate', '0.25', '--seed-file', seedFile]);
      await post(GENERATE, VALID, 'np_test_auto_created');
      await send('POST', '/__admin/accounts', { key: null, body: { key: 'created' } });
      await send('POST', '/__admin/accounts', { key: null, body: { key: 'reliable', failureRate: 0 } });
      const { accounts: all } = (await get('/__admin/accounts')).body;
      return Object.fromEntries(all.map(({ key, failureRate }: Record<string, unknown>) => [key, failureRate]));
    };
    const own = { np_test_own: 0.5, reliable: 0 };
    const byDefault = (rate: number) => ({ np_test_default: rate, np_test_auto_created: rate, created: rate, ...own });
    expect(await ratesWith({})).toEqual(byDefault(0.25));
    expect(await ratesWith({ failureRate: 0.75 })).toEqual(byDefault(0.75));
  });

  it.each([
    [GENERATE, VALID],
    ['/api/nano-banana-2/generate', { prompt: 'a dog', mode: 'generate' }],
  ])('makes the tasks of %s fail as the real ones do, with a refund', async (path, body) => {
    const { post, finishTasks, expectFullRefund } = await createFailingEmulator();
    const { status, body: accepted } = await post(path, body, 'k');
    expect(status).toBe(200);
    expect(finishTasks()).toMatchObject([{ status: 'failed', errorCode: 'GENERATION_FAILED' }]);
    const { taskId, generationId } = accepted;
    const check = path.replace('generate', 'check-status');
    expect((await post(check, generationId ? { generationId } : { taskId }, 'k')).body.status).toBe('failed');
    expectFullRefund();
  });

  it('applies to each shot on its own, and the shots after a failed one are generated', async () => {
    const { post, finishTasks, core, id } = await createFailingEmulator(0.3);
    const shots = Array.from({ length: 21 }, (_, n) => ({
      ...{ id: `shot ${n}`, prompt: 'a dog', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' },
    }));
    expect((await post('/api/veo-3/generate', { shots }, 'k')).status).toBe(200);
    const statuses = finishTasks().map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set(['completed', 'failed']));
    expect(statuses.lastIndexOf('completed')).toBeGreaterThan(statuses.indexOf('failed'));
    const completed = statuses.filter((status) => status === 'completed').length;
    expect(core.accounts.get(id).balance).toBe(1000 - 10 * completed);
  });

  it('makes a watermark removal respond with GENERATION_FAILED', async () => {
    const { post, finishTasks } = await createFailingEmulator();
    const body = { share_link: 'https://sora.chatgpt.com/p/s_1' };
    const response = await post('/api/sora/remove-watermark', body, 'k');
    expect(response).toMatchObject({ status: 500, body: { errorCode: 'GENERATION_FAILED' } });
    expect(finishTasks()).toMatchObject([{ status: 'failed', errorCode: 'GENERATION_FAILED' }]);
  });

  it('makes a text break off in the middle, with a refund', async () => {
    const { app, finishTasks, expectFullRefund } = await createFailingEmulator();
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const response = await fetch(`${url}/api/sora-2/generate-prompt`, {
      method: 'POST',
      headers: { authorization: 'Bearer k', 'content-type': 'application/json' },
      body: JSON.stringify({ topic: 'a lighthouse' }),
    });
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    expect(finishTasks()).toMatchObject([{ status: 'failed', errorCode: 'GENERATION_FAILED' }]);
    expectFullRefund();
  });

  it('yields to a directive, and to a rule at the stage task that fires', async () => {
    const { send, core, id, finishTasks } = await createFailingEmulator();
    const submit = (words?: string) =>
      send('POST', GENERATE, { key: 'k', body: VALID, headers: words ? { 'x-emulator-fault': words } : {} });
    await submit('hang');
    await submit('duration=1s');
    core.faults.add(id, { at: 'task', effect: { errorCode: 'AI_SERVICE_ERROR' }, match: {}, times: 1 });
    await submit();
    await submit();
    expect(finishTasks()).toMatchObject([
      { status: 'processing', errorCode: null },
      { status: 'failed', errorCode: 'GENERATION_FAILED', simulatedMs: 1000 },
      { status: 'failed', errorCode: 'AI_SERVICE_ERROR' },
      { status: 'failed', errorCode: 'GENERATION_FAILED' },
    ]);
  });

  it('does not count the requests that are refused', async () => {
    const outcomesWith = async (refused: object[]) => {
      const { post, finishTasks } = await createFailingEmulator(0.5);
      for (let n = 0; n < 30; n++) {
        for (const body of refused) expect((await post(GENERATE, body, 'k')).status).toBeGreaterThanOrEqual(400);
        expect((await post(GENERATE, VALID, 'k')).status).toBe(200);
      }
      return finishTasks().map(({ status }) => status);
    };
    const outcomes = await outcomesWith([]);
    expect(new Set(outcomes).size).toBe(2);
    expect(await outcomesWith([{}, { ...VALID, prompt: '@emulator(fail=INTERNAL_ERROR)' }])).toEqual(outcomes);
  });
});
