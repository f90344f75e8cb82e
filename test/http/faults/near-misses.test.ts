import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../../support/emulator.ts';
import { completeTask } from '../../support/results.ts';

const GENERATE = '/api/sora-2/generate';
const VALID = { prompt: 'a "dog"', mode: 'textToVideo' };

async function createFaultyEmulator() {
  const emulator = await createTestEmulator();
  emulator.createAccount('np_faulty', { clock: { mode: 'frozen' } });
  const setRule = async (rule: object, path = '/__admin/accounts/np_faulty/faults') => {
    const body = { at: 'request', effect: { delayMs: 0 }, ...rule };
    const { id } = (await emulator.send('POST', path, { key: null, body })).body;
    const get = async () => (await emulator.get(`${path}/${id}`)).body;
    return { id, get, reasons: async () => (await get()).nearMisses.map(({ reason }: { reason: string }) => reason) };
  };
  const submit = () => emulator.post(GENERATE, VALID, 'np_faulty');
  return { ...emulator, setRule, submit };
}

describe('a fault rule', () => {
  it('lists the requests that came close to it, with their ids', async () => {
    const { setRule, submit, clock } = await createFaultyEmulator();
    const rule = { at: 'charge', match: { contains: 'kitten' }, effect: { errorCode: 'INTERNAL_ERROR' } };
    const { id, get } = await setRule(rule);
    expect(await get()).toEqual({ id, ...rule, fired: 0, nearMisses: [] });
    const { headers } = await submit();
    clock.advance(5000);
    expect(await get()).toEqual({
      ...{ id, ...rule, fired: 0 },
      nearMisses: [
        {
          requestId: headers['x-request-id'],
          at: '2026-01-15T12:00:00.000Z',
          path: GENERATE,
          reason: 'match.contains: the body does not contain "kitten"',
        },
      ],
    });
  });

  it.each<[title: string, rule: object, reasons: string[]]>([
    ['another family', { match: { family: 'veo-3' } }, ['match.family: the family is sora-2, not veo-3']],
    [
      'another path',
      { match: { endpoint: '/api/sora2/generate' } },
      [`match.endpoint: the path is ${GENERATE}, not /api/sora2/generate`],
    ],
    [
      'a text that is escaped in the body',
      { match: { contains: 'a "dog"' } },
      [String.raw`match.contains: the body does not contain "a \"dog\""`],
    ],
    [
      'another text of the task',
      { at: 'task', effect: { fail: true }, match: { contains: 'cat' } },
      ['match.contains: the input of the task does not contain "cat"'],
    ],
    ['its own times', { times: 1 }, ['times: the rule had already fired once']],
    [
      'the requests that pass first',
      { after: 3 },
      [
        'after: this was matching request 1, and the rule lets 3 pass',
        'after: this was matching request 2, and the rule lets 3 pass',
      ],
    ],
    ['chance', { probability: 0, times: 2 }, Array(2).fill('probability: the random number was not below 0')],
  ])('names %s as the reason', async (_title, rule, reasons) => {
    const { setRule, submit } = await createFaultyEmulator();
    const { reasons: actual } = await setRule(rule);
    await submit();
    if (reasons.length > 1 || 'times' in rule) await submit();
    expect(await actual()).toEqual(reasons);
  });

  it('for all accounts names the rule that fired first', async () => {
    const { setRule, submit } = await createFaultyEmulator();
    const { id } = await setRule({});
    const global = await setRule({}, '/__admin/faults');
    await submit();
    expect(await global.reasons()).toEqual([`rule ${id} fired first`]);
  });

  it('at media names the path of the file and the input of the task', async () => {
    const emulator = await createTestEmulator();
    const { videoUrl } = await completeTask(emulator as never, 'sora-2');
    const { pathname } = new URL(videoUrl);
    const rules = [{ contains: 'unicorn' }, { endpoint: '/media/sora/x.mp4' }].map((match) =>
      emulator.core.faults.add(null, { match, at: 'media', effect: { hang: true } }),
    );
    await emulator.get(`${pathname}?query`);
    const nearMisses = await Promise.all(
      rules.map(async ({ id }) => (await emulator.get(`/__admin/faults/${id}`)).body.nearMisses),
    );
    expect(nearMisses).toMatchObject([
      [{ path: pathname, reason: 'match.contains: the input of the task does not contain "unicorn"' }],
      [{ path: pathname, reason: `match.endpoint: the path is ${pathname}, not /media/sora/x.mp4` }],
    ]);
  });

  it('is not found under the id of another account, or after its removal', async () => {
    const { setRule, send, get } = await createFaultyEmulator();
    const { id } = await setRule({});
    const path = `/__admin/accounts/np_faulty/faults/${id}`;
    expect((await get(path)).status).toBe(200);
    for (const other of ['/__admin/accounts/np_test_default/faults', '/__admin/faults'])
      expect(await get(`${other}/${id}`)).toMatchObject({ status: 404, body: { code: 'FAULT_NOT_FOUND' } });
    await send('DELETE', path, { key: null });
    expect((await get(path)).status).toBe(404);
  });
});
