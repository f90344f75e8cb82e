import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ControlError, connectEmulator, createControl, type Transport } from '../../src/client/client.ts';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

/** The control plane in methods over an emulator on a test clock, and one account on a frozen clock. */
async function controlled() {
  const emulator = await createTestEmulator();
  const calls: string[] = [];
  const control = createControl(async (method, path, body) => {
    calls.push(`${method} ${path}`);
    return emulator.send(method, path, { key: null, body });
  });
  emulator.createAccount('k', { clock: { mode: 'frozen' } });
  const order = async (): Promise<string> => (await emulator.post(GENERATE, VALID, 'k')).body.taskId;
  return { ...emulator, control, account: control.account('k'), calls, order };
}

describe('what a method says', () => {
  it('of a credit is its reason', async () => {
    const { account } = await controlled();
    await account.credit(5, 'a present');
    await account.credit(-5);
    const { entries } = await account.ledger();
    expect(entries.map(({ amount, reason }) => [amount, reason])).toEqual([
      [1000, 'initial credits'],
      [5, 'a present'],
      [-5, 'by the control plane'],
    ]);
  });

  it('of a clock is its mode, and the time if one is given', async () => {
    const { account } = await controlled();
    const now = '2030-01-01T00:00:00.000Z';
    expect(await account.clock.set('frozen', now)).toMatchObject({ mode: 'frozen', now });
    expect((await account.get()).clock).toEqual({ mode: 'frozen', now });
    expect(await account.clock.set('auto')).toMatchObject({ mode: 'auto', now });
  });

  it('of an advance is how far', async () => {
    const { account } = await controlled();
    await account.clock.set('frozen', '2030-01-01T00:00:00.000Z');
    expect((await account.clock.advance(1234)).now).toBe('2030-01-01T00:00:01.234Z');
  });

  it('of a failure is its code, and the usual one if none is given', async () => {
    const { account, order } = await controlled();
    expect((await account.tasks.fail(await order(), 'MINE')).result).toEqual({ errorCode: 'MINE' });
    expect((await account.tasks.fail(await order())).result).toEqual({ errorCode: 'GENERATION_FAILED' });
  });

  it('of a wait is the task, what to wait for, and how long', async () => {
    const { account, clock, core, order, calls } = await controlled();
    const [task, other] = [await order(), await order()];
    await account.tasks.complete(other);
    expect(await account.tasks.wait(task, { status: 'processing' })).toMatchObject({ id: task });
    const waiting = account.tasks.wait(task, { timeoutMs: 5000 });
    const refused = expect(waiting).rejects.toMatchObject({ code: 'WAIT_TIMEOUT', status: 408 });
    expect(calls.at(-1)).toBe(`GET /__admin/accounts/k/wait?task=${task}&timeoutMs=5000`);
    await vi.waitUntil(() => core.events.hasListeners());
    clock.advance(5000);
    await refused;
    expect(await account.tasks.wait(other)).toMatchObject({ id: other, status: 'completed' });
  });

  it('of a limit is what is left of it, or the limit itself', async () => {
    const { account } = await controlled();
    expect((await account.rateLimit({ limit: 7 })).rateLimit).toMatchObject({ limit: 7 });
    expect((await account.rateLimit({ remaining: 2 })).rateLimit).toMatchObject({ limit: 7, remaining: 2 });
    expect((await account.rateLimit({ limit: null })).rateLimit).toMatchObject({ limit: null });
  });
});

describe('filters', () => {
  it('of tasks are heeded', async () => {
    const { account, order } = await controlled();
    const [one, other] = [await order(), await order()];
    await account.tasks.complete(other);
    const ids = async (filter?: object) => (await account.tasks.list(filter)).map(({ id }) => id);
    expect(await ids({ status: 'processing' })).toEqual([one]);
    expect(await ids({ status: 'completed' })).toEqual([other]);
    expect(await ids({ status: 'failed' })).toEqual([]);
    expect(await ids({ status: undefined })).toEqual([one, other]);
    expect(await ids()).toEqual([one, other]);
  });

  it('of requests are heeded, alone and together, in lists and counts', async () => {
    const { account, post, order } = await controlled();
    const taskId = await order();
    await post(GENERATE, {}, 'k');
    await post(CHECK, { taskId }, 'k');
    // As who writes JavaScript may put it.
    const unsaid = { path: undefined, status: undefined } as object;
    for (const [filter, expected] of [
      [{}, ['1', '2', '3']],
      [unsaid, ['1', '2', '3']],
      [{ path: GENERATE }, ['1', '2']],
      [{ status: 200 }, ['1', '3']],
      [{ path: GENERATE, status: 200 }, ['1']],
      [{ path: CHECK, status: 400 }, []],
    ] as const) {
      const entries = await account.requests.list(filter);
      expect(entries.map(({ id }) => id)).toEqual(expected);
      for (const entry of entries) expect(await account.requests.get(entry.id)).toEqual(entry);
      expect(await account.requests.count(filter)).toBe(expected.length);
    }
    expect(await account.requests.count()).toBe(3);
  });

  it('stay the same on every page', async () => {
    const asked: string[] = [];
    const control = createControl(async (_method, path) => {
      asked.push(path);
      const next = asked.length < 3 ? `a&b${asked.length}` : null;
      return { status: 200, body: { tasks: [{ id: String(asked.length) }], next } };
    });
    const tasks = await control.account('k').tasks.list({ status: 'failed' });
    expect(tasks.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect(asked).toEqual([
      '/__admin/accounts/k/tasks?status=failed&limit=1000',
      '/__admin/accounts/k/tasks?status=failed&limit=1000&after=a%26b1',
      '/__admin/accounts/k/tasks?status=failed&limit=1000&after=a%26b2',
    ]);
  });
});

describe('names', () => {
  it.each(['a/b', '../accounts', 'a?b=c', 'a#b', '100%', 'a%2Fb', 'ä ö'])(
    'that begin no other path or query stay in their place: %s',
    async (name) => {
      const { control, account, order } = await controlled();
      const said = (call: Promise<unknown>) =>
        call.then(
          () => undefined,
          (error: ControlError) => error.code,
        );
      expect(await said(control.account(name).get())).toBe('ACCOUNT_NOT_FOUND');
      expect(await said(account.tasks.get(name))).toBe('TASK_NOT_FOUND');
      expect(await said(account.tasks.file(name, 'videoUrl'))).toBe('TASK_NOT_FOUND');
      expect(await said(account.tasks.file(await order(), name))).toBe('FILE_NOT_FOUND');
      expect(await said(account.requests.get(name))).toBe('REQUEST_NOT_FOUND');
      expect(await said(account.tasks.complete(name))).toBe('TASK_NOT_FOUND');
      expect(await said(account.tasks.fail(name))).toBe('TASK_NOT_FOUND');
      expect(await said(account.tasks.wait(name))).toBe('TASK_NOT_FOUND');
      expect(await said(account.faults.remove(name))).toBe('FAULT_NOT_FOUND');
      expect(await said(control.faults.remove(name))).toBe('FAULT_NOT_FOUND');
      expect(await said(account.snapshots.restore(name))).toBe('SNAPSHOT_NOT_FOUND');
    },
  );
});

describe('a call that is refused', () => {
  const answering =
    (status: number, body: unknown): Transport =>
    async () => ({ status, body });

  it('is an error with what was said, its code and its status', async () => {
    const { account } = await controlled();
    const refused = account.credit(-2000);
    await expect(refused).rejects.toThrow(ControlError);
    await expect(refused).rejects.toMatchObject({
      name: 'ControlError',
      message: expect.stringMatching(/\.$/),
      code: 'BALANCE_TOO_LOW',
      status: 409,
    });
  });

  it('is one too when it says nothing', async () => {
    const expected = { message: 'HTTP status 502', code: 'UNKNOWN', status: 502 };
    for (const body of [undefined, null, {}])
      await expect(createControl(answering(502, body)).reset()).rejects.toMatchObject(expected);
    await expect(createControl(answering(400, {})).reset()).rejects.toMatchObject({ status: 400 });
  });
});

describe('the control plane from afar', () => {
  it('is found below a URL with or without a slash at its end, and is told the token and what the body is', async () => {
    const emulator = await createTestEmulator(['--port', '0', '--admin-token', 'a-token-of-the-tests']);
    const url = await emulator.listen();
    for (const base of [url, `${url}/`, `${url}//`]) {
      const control = connectEmulator(base, { adminToken: 'a-token-of-the-tests' });
      const account = await control.accounts.create({ credits: 3 });
      expect(await account.get()).toMatchObject({ credits: 3 });
      expect(await account.remove()).toBeUndefined();
    }
    await expect(connectEmulator(url).accounts.list()).rejects.toMatchObject({
      code: 'ADMIN_TOKEN_REQUIRED',
      status: 401,
    });
  });

  it('says so when nothing there is an emulator', async () => {
    const server = createServer((_request, response) => response.writeHead(404).end('<html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    await expect(connectEmulator(url).reset()).rejects.toMatchObject({
      message: `${url} is no emulator: it does not answer in JSON.`,
      code: 'NO_EMULATOR',
      status: 404,
    });
  });
});
