import http, { createServer, type OutgoingHttpHeaders } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ControlError, createControl, type Transport } from '../../src/client/client.ts';
import { connectEmulator } from '../../src/client/connect.ts';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

/** A client of an emulator on a test clock, with an account on a frozen clock. */
async function createControlledEmulator() {
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

describe('control-plane client', () => {
  it('credit() sends the reason', async () => {
    const { account } = await createControlledEmulator();
    await account.credit(5, 'a present');
    await account.credit(-5);
    const { entries } = await account.ledger();
    expect(entries.map(({ amount, reason }) => [amount, reason])).toEqual([
      [1000, 'initial credits'],
      [5, 'a present'],
      [-5, 'by the control plane'],
    ]);
  });

  it('clock.set() sends the mode and, if given, the time', async () => {
    const { account } = await createControlledEmulator();
    const now = '2030-01-01T00:00:00.000Z';
    expect(await account.clock.set('frozen', now)).toMatchObject({ mode: 'frozen', now });
    expect((await account.get()).clock).toEqual({ mode: 'frozen', now });
    expect(await account.clock.set('auto')).toMatchObject({ mode: 'auto', now });
  });

  it('clock.advance() sends the duration', async () => {
    const { account } = await createControlledEmulator();
    await account.clock.set('frozen', '2030-01-01T00:00:00.000Z');
    expect((await account.clock.advance(1234)).now).toBe('2030-01-01T00:00:01.234Z');
  });

  it('tasks.fail() sends the error code, with a default', async () => {
    const { account, order } = await createControlledEmulator();
    expect((await account.tasks.fail(await order(), 'MINE')).result).toEqual({ errorCode: 'MINE' });
    expect((await account.tasks.fail(await order())).result).toEqual({ errorCode: 'GENERATION_FAILED' });
  });

  it('tasks.wait() waits longer than one request may take', async () => {
    const timeouts: unknown[] = [];
    const wait = (timeoutMs: number, finishedAfter: number) => {
      timeouts.length = 0;
      const transport: Transport = async (_method, path) => {
        timeouts.push(Number(new URL(path, 'http://x').searchParams.get('timeoutMs')));
        return timeouts.length > finishedAfter
          ? { status: 200, body: { id: 'task_1' } }
          : { status: 408, body: { error: `Too late within ${timeouts.at(-1)} ms.`, code: 'WAIT_TIMEOUT' } };
      };
      return createControl(transport).account('k').tasks.wait('task_1', { timeoutMs });
    };
    expect(await wait(600_000, 2)).toEqual({ id: 'task_1' });
    expect(timeouts).toEqual([120_000, 120_000, 120_000]);
    await expect(wait(250_000, 9)).rejects.toMatchObject({
      message: 'Too late within 250000 ms.',
      code: 'WAIT_TIMEOUT',
      status: 408,
    });
    expect(timeouts).toEqual([120_000, 120_000, 10_000]);
    // The control plane rejects it.
    await wait(600_001, 0);
    expect(timeouts).toEqual([600_001]);
    await expect(wait(Number.NaN, 0)).resolves.toEqual({ id: 'task_1' });
  });

  it('requests.wait() sends the filter, the count and the timeout', async () => {
    const { account, clock, core, post } = await createControlledEmulator();
    const waiting = account.requests.wait({ errorCode: 'PROMPT_REQUIRED', count: 2 });
    for (let n = 0; n < 2; n++) await post(GENERATE, {}, 'k');
    expect(await waiting).toMatchObject({ id: '2', errorCode: 'PROMPT_REQUIRED' });
    expect(await account.requests.wait()).toMatchObject({ id: '1' });
    const rejected = expect(account.requests.wait({ count: 3, timeoutMs: 5000 })).rejects.toMatchObject({
      code: 'WAIT_TIMEOUT',
    });
    await vi.waitUntil(() => core.events.hasListeners());
    clock.advance(5000);
    await rejected;
  });

  it('tasks.wait() sends the task, the status and the timeout', async () => {
    const { account, clock, core, order, calls } = await createControlledEmulator();
    const [task, other] = [await order(), await order()];
    await account.tasks.complete(other);
    expect(await account.tasks.wait(task, { status: 'processing' })).toMatchObject({ id: task });
    const waiting = account.tasks.wait(task, { timeoutMs: 5000 });
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'WAIT_TIMEOUT', status: 408 });
    expect(calls.at(-1)).toBe(`GET /__admin/accounts/k/wait?task=${task}&timeoutMs=5000`);
    await vi.waitUntil(() => core.events.hasListeners());
    clock.advance(5000);
    await rejected;
    expect(await account.tasks.wait(other)).toMatchObject({ id: other, status: 'completed' });
  });

  it('rateLimit() sends the limit and the remaining requests', async () => {
    const { account } = await createControlledEmulator();
    expect((await account.rateLimit({ limit: 7 })).rateLimit).toMatchObject({ limit: 7 });
    expect((await account.rateLimit({ remaining: 2 })).rateLimit).toMatchObject({ limit: 7, remaining: 2 });
    expect((await account.rateLimit({ limit: null })).rateLimit).toMatchObject({ limit: null });
  });

  it('activity() lists the accounts that are used', async () => {
    const { control, order } = await createControlledEmulator();
    await order();
    expect(await control.activity()).toMatchObject({ requestCount: 1, accounts: [{ key: 'k', processing: 1 }] });
  });
});

describe('control-plane client filters', () => {
  it('apply to tasks', async () => {
    const { account, order } = await createControlledEmulator();
    const [one, other] = [await order(), await order()];
    await account.tasks.complete(other);
    const ids = async (filter?: object) => (await account.tasks.list(filter)).map(({ id }) => id);
    expect(await ids({ status: 'processing' })).toEqual([one]);
    expect(await ids({ status: 'completed' })).toEqual([other]);
    expect(await ids({ status: 'failed' })).toEqual([]);
    expect(await ids({ status: undefined })).toEqual([one, other]);
    expect(await ids()).toEqual([one, other]);
  });

  it('apply to requests, alone and combined, in lists and counts', async () => {
    const { account, post, order } = await createControlledEmulator();
    const taskId = await order();
    await post(GENERATE, {}, 'k');
    await post(CHECK, { taskId }, 'k');
    // JavaScript callers may pass undefined.
    const undefinedFilter = { path: undefined, status: undefined } as object;
    for (const [filter, expected] of [
      [{}, ['1', '2', '3']],
      [undefinedFilter, ['1', '2', '3']],
      [{ path: GENERATE }, ['1', '2']],
      [{ status: 200 }, ['1', '3']],
      [{ path: GENERATE, status: 200 }, ['1']],
      [{ path: CHECK, status: 400 }, []],
      [{ method: 'POST', errorCode: 'PROMPT_REQUIRED' }, ['2']],
      [{ taskId }, ['1', '3']],
      [{ contains: 'No "such" text & more' }, []],
      [{ since: '2026-01-01T00:00:00+01:00', until: '2999-01-01T00:00:00Z' }, ['1', '2', '3']],
    ] as const) {
      const entries = await account.requests.list(filter);
      expect(entries.map(({ id }) => id)).toEqual(expected);
      for (const entry of entries) expect(await account.requests.get(entry.id)).toEqual(entry);
      expect(await account.requests.count(filter)).toBe(expected.length);
      expect((await account.requests.har(filter)).log.entries).toHaveLength(expected.length);
    }
    expect(await account.requests.count()).toBe(3);
  });

  it('are sent with every page request', async () => {
    const requestedPaths: string[] = [];
    const control = createControl(async (_method, path) => {
      requestedPaths.push(path);
      const { length } = requestedPaths;
      return { status: 200, body: { tasks: [{ id: String(length) }], next: length < 3 ? `a&b${length}` : null } };
    });
    const tasks = await control.account('k').tasks.list({ status: 'failed' });
    expect(tasks.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect(requestedPaths).toEqual([
      '/__admin/accounts/k/tasks?status=failed&limit=1000',
      '/__admin/accounts/k/tasks?status=failed&limit=1000&after=a%26b1',
      '/__admin/accounts/k/tasks?status=failed&limit=1000&after=a%26b2',
    ]);
  });
});

describe('names in control-plane paths', () => {
  it.each(['a/b', '../accounts', 'a?b=c', 'a#b', '100%', 'a%2Fb', 'ä ö'])(
    'are encoded as one path segment: %s',
    async (name) => {
      const { control, account, order } = await createControlledEmulator();
      const codeFor = (call: Promise<unknown>) =>
        call.then(
          () => undefined,
          (error: ControlError) => error.code,
        );
      expect(await codeFor(control.account(name).get())).toBe('ACCOUNT_NOT_FOUND');
      expect(await codeFor(account.tasks.get(name))).toBe('TASK_NOT_FOUND');
      expect(await codeFor(account.tasks.file(name, 'videoUrl'))).toBe('TASK_NOT_FOUND');
      expect(await codeFor(account.tasks.file(await order(), name))).toBe('FILE_NOT_FOUND');
      expect(await codeFor(account.requests.get(name))).toBe('REQUEST_NOT_FOUND');
      expect(await codeFor(account.tasks.complete(name))).toBe('TASK_NOT_FOUND');
      expect(await codeFor(account.tasks.fail(name))).toBe('TASK_NOT_FOUND');
      expect(await codeFor(account.tasks.wait(name))).toBe('TASK_NOT_FOUND');
      expect(await codeFor(account.faults.remove(name))).toBe('FAULT_NOT_FOUND');
      expect(await codeFor(control.faults.remove(name))).toBe('FAULT_NOT_FOUND');
      expect(await codeFor(account.snapshots.restore(name))).toBe('SNAPSHOT_NOT_FOUND');
    },
  );
});

describe('ControlError', () => {
  const respondWith =
    (status: number, body: unknown): Transport =>
    async () => ({ status, body });

  it('has the message, code and status of the error response', async () => {
    const { account } = await createControlledEmulator();
    const rejected = account.credit(-2000);
    await expect(rejected).rejects.toThrow(ControlError);
    await expect(rejected).rejects.toMatchObject({
      name: 'ControlError',
      message: expect.stringMatching(/\.$/),
      code: 'BALANCE_TOO_LOW',
      status: 409,
    });
  });

  it('is thrown for error responses without a body', async () => {
    const expected = { message: 'HTTP status 502', code: 'UNKNOWN', status: 502 };
    for (const body of [undefined, null, {}])
      await expect(createControl(respondWith(502, body)).reset()).rejects.toMatchObject(expected);
    await expect(createControl(respondWith(400, {})).reset()).rejects.toMatchObject({ status: 400 });
  });
});

describe('connectEmulator', () => {
  it('accepts URLs with trailing slashes, and sends the token and the content type', async () => {
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

  /** A server that responds with this status, these headers and this body. */
  async function startServer(status: number, headers: OutgoingHttpHeaders, body: string) {
    const paths: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url);
      response.writeHead(status, headers).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, paths };
  }

  it('throws NO_EMULATOR when the response is not JSON', async () => {
    const { url } = await startServer(404, {}, '<html>');
    await expect(connectEmulator(url).reset()).rejects.toMatchObject({
      message: `${url} is not an emulator: its response is not JSON.`,
      code: 'NO_EMULATOR',
      status: 404,
    });
  });

  it('does not follow redirects, whose target would receive the token', async () => {
    const { url, paths } = await startServer(307, { location: '/elsewhere' }, '{}');
    await expect(connectEmulator(url, { adminToken: 'secret' }).reset()).rejects.toMatchObject({
      message: `${url} is not an emulator: it redirects to another address.`,
      code: 'NO_EMULATOR',
      status: 307,
    });
    expect(paths).toEqual(['/__admin/reset']);
  });

  it('works when fetch and the functions of node:http are replaced', async () => {
    const replaced = () => {
      throw new Error('replaced');
    };
    vi.stubGlobal('fetch', replaced);
    vi.spyOn(http, 'request').mockImplementation(replaced);
    onTestFinished(() => {
      vi.unstubAllGlobals();
      vi.restoreAllMocks();
    });
    const { url } = await startServer(200, { 'content-type': 'application/json' }, '{"accounts":1}');
    expect(await connectEmulator(url).reset()).toEqual({ accounts: 1 });
  });

  it('rejects when nothing responds, or the response is incomplete', async () => {
    const { url } = await startServer(200, { 'content-length': '100', connection: 'close' }, '{');
    await expect(connectEmulator(url).reset()).rejects.toThrow();
    await expect(connectEmulator('http://127.0.0.1:1').reset()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(connectEmulator('no URL').reset()).rejects.toThrow('Invalid URL');
  });
});
