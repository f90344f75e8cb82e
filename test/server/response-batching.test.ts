import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { setImmediate as turnEnds } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import type { Core } from '../../src/core/core.ts';
import { createResponseBatcher } from '../../src/server/response-batching.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { createTestClock } from '../support/test-clock.ts';

const ORDER = { prompt: 'A cat', mode: 'textToVideo' };
const GENERATE = '/api/sora-2/generate';

/** Creates an emulator whose event-loop turns last until `endTurn`. */
async function heldTurns() {
  const held: (() => void)[] = [];
  const emulator = await createTestEmulator([], {
    ...createTestClock(),
    atTurnEnd: (work) => void held.push(work),
  });
  return {
    ...emulator,
    held,
    endTurn: () => {
      for (const work of held.splice(0)) work();
    },
  };
}

/** Returns the value of a promise, or undefined if it is pending. */
async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  for (let turn = 0; turn < 20; turn++) await turnEnds();
  return Promise.race([promise, Promise.resolve(undefined)]);
}

/** Makes the commit of the first task of each account fail. */
function breakFirstCommit({ db }: Core): void {
  db.exec(`
    CREATE TABLE promises (entry INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER broken AFTER INSERT ON tasks WHEN NEW.seq = 1
    BEGIN INSERT INTO promises (entry) VALUES (-1); END`);
}

describe('responses', () => {
  it('are sent after the commit of what they report, not before', async () => {
    const { post, endTurn, core } = await heldTurns();
    const accepted = post(GENERATE, ORDER);
    expect(await soon(accepted)).toBeUndefined();
    expect(core.db.inTransaction).toBe(true);
    endTurn();
    expect(await accepted).toMatchObject({ status: 200, body: { success: true } });
  });

  it('wait for their commit while responses without one are sent', async () => {
    const { post, send, held, endTurn } = await heldTurns();
    const nothing = send('GET', '/api/nowhere');
    await soon(nothing);
    const accepted = post(GENERATE, ORDER);
    await soon(accepted);
    held.shift()!();
    expect(await nothing).toMatchObject({ status: 404 });
    expect(await soon(accepted)).toBeUndefined();
    endTurn();
    expect(await accepted).toMatchObject({ status: 200 });
  });

  it.each([
    ['a result', 'np_test_default'],
    ['an error', 'np_test_empty'],
  ])('are errors in the right format if the database cannot be read before they are sent: %s', async (_case, key) => {
    const { core, post } = await createTestEmulator();
    core.events.listen(() => {});
    vi.spyOn(core.events, 'emit').mockImplementation(({ type }) => {
      if (type === 'request') throw new Error('disk I/O error');
    });
    expect(await post(GENERATE, ORDER, key)).toMatchObject({
      status: 500,
      body: { success: false, error: 'Internal server error', errorCode: 'INTERNAL_ERROR' },
    });
  });

  it.each([
    ['without an error code', { status: 200, text: 'x'.repeat(20_000) }],
    ['with an error code', { status: 418, body: { errorCode: 'TEAPOT', text: 'x'.repeat(20_000) } }],
  ])('set by a rule are errors in the right format if the memory is full: %s', async (_case, answer) => {
    const { core, post } = await createTestEmulator();
    const headers = { 'content-encoding': 'br', 'cache-control': 'public' };
    core.faults.add(null, { match: {}, at: 'request', effect: { answer: { ...answer, headers } } });
    const reserve = core.memory.reserve.bind(core.memory);
    vi.spyOn(core.memory, 'reserve').mockImplementation((use, bytes) => use !== 'responses' && reserve(use, bytes));
    const response = await post(GENERATE, ORDER);
    expect(response).toMatchObject({
      status: 500,
      body: { success: false, error: 'Internal server error', errorCode: 'INTERNAL_ERROR' },
    });
    expect(response.headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8' });
    expect(Object.keys(response.headers)).not.toContain('content-encoding');
  });

  it('delayed and replaced by a fault are dropped without an error in the log when the client disconnects', async () => {
    const lines: { msg: string }[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) });
    const emulator = await createTestEmulator(['--port', '0'], createTestClock(), logger);
    const { core, clock, account } = emulator;
    core.faults.add(null, { match: {}, at: 'accepted', effect: { delayMs: 1000, errorCode: 'INTERNAL_ERROR' } });
    const socket = connect(Number(new URL(await emulator.listen()).port), '127.0.0.1');
    const closed = once(socket, 'close');
    const body = JSON.stringify(ORDER);
    const head = `POST ${GENERATE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer np_test_default\r\n`;
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await vi.waitUntil(() => core.accounts.find('np_test_default') && account('np_test_default').taskCount === 1, {
      timeout: 20_000,
    });
    socket.destroy();
    await closed;
    await vi.waitUntil(async () => {
      clock.advance(1000);
      const { requests } = (await emulator.get('/__admin/accounts/np_test_default/requests')).body;
      return requests[0].durationMs !== null;
    });
    expect(lines).toEqual([]);
  });

  it('of one event-loop turn are sent together', async () => {
    const { get, held, endTurn } = await heldTurns();
    const answers = [get('/ready'), get('/health'), get('/api/nowhere')];
    expect(await Promise.all(answers.map(soon))).toEqual([undefined, undefined, undefined]);
    expect(held).toHaveLength(1);
    endTurn();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 404]);
  });

  it('that are large are spread over several turns, while small ones are sent in theirs', async () => {
    const { get, endTurn } = await heldTurns();
    const document = get('/openapi.json');
    await soon(document);
    endTurn();
    const bytes = Buffer.byteLength((await document).text);
    const count = Math.ceil((12 * 1024 * 1024) / bytes);
    const large = Array.from({ length: count }, () => get('/openapi.json'));
    const small = get('/ready');
    await Promise.all([...large, small].map(soon));
    endTurn();
    expect(await soon(small)).toMatchObject({ status: 200 });
    const countSent = async () => (await Promise.all(large.map(soon))).filter(Boolean).length;
    expect(await countSent()).toBe(Math.ceil((4 * 1024 * 1024) / bytes));
    endTurn();
    expect(await countSent()).toBe(2 * Math.ceil((4 * 1024 * 1024) / bytes));
    endTurn();
    expect(await countSent()).toBe(count);
  });

  it('that are large count towards the limit of their turn when a client half-closes the connection', () => {
    const held: (() => void)[] = [];
    const core = { clock: { atTurnEnd: (work: () => void) => held.push(work) }, transactions: { flush() {} } };
    const guard = { run: (_socket: Socket, send: () => void) => send() };
    const batcher = createResponseBatcher(core as never, guard as never);
    const sent: number[] = [];
    const sockets = Array.from({ length: 4 }, (_, index) => {
      const socket = new Socket();
      batcher.flushBeforeHalfClose(socket);
      batcher.enqueue({ socket, bytes: 4 * 1024 * 1024, send: () => sent.push(index) });
      return socket;
    });
    for (const socket of sockets.slice(2)) socket.emit('end');
    expect(sent).toEqual([0, 2, 3]);
    for (let turn = 0; turn < 2; turn++) for (const work of held.splice(0)) work();
    expect(sent).toEqual([0, 2, 3, 1]);
  });

  it('to other clients wait as well, because they may report the same', async () => {
    const { post, get, send, endTurn, core } = await heldTurns();
    const accepted = post(GENERATE, ORDER);
    await soon(accepted);
    const account = core.accounts.find('np_test_default')!;
    const [task] = core.tasks.list(account.id, 1);
    const others = [
      post('/api/sora-2/check-status', { taskId: task!.id }),
      get('/__admin/accounts/np_test_default/tasks'),
      send('GET', '/api/nowhere'),
    ];
    expect(await Promise.all(others.map(soon))).toEqual([undefined, undefined, undefined]);
    endTurn();
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([200, 200, 404]);
  });

  it('are errors when the commit fails: nothing is charged, and the next request succeeds', async () => {
    const { post, get, core } = await createTestEmulator();
    breakFirstCommit(core);
    const before = await get('/__admin/accounts/np_test_default');
    const refused = await post(GENERATE, ORDER);
    expect(refused).toMatchObject({ status: 500, body: { success: false, errorCode: 'INTERNAL_ERROR' } });
    const after = await get('/__admin/accounts/np_test_default');
    expect(after.body.credits).toBe(before.body.credits);
    core.db.exec('DROP TRIGGER broken');
    expect(await post(GENERATE, ORDER)).toMatchObject({ status: 200 });
    expect((await get('/__admin/accounts/np_test_default/tasks')).body.tasks).toHaveLength(1);
    expect((await get('/__admin/accounts/np_test_default/requests')).body.requests).toMatchObject([
      { status: 500 },
      { status: 200 },
    ]);
  });

  it.each([
    [GENERATE, ORDER],
    ['/api/sora-2/generate-prompt', { topic: 'a cat' }],
    ['/api/sora/remove-watermark', { share_link: 'https://sora.chatgpt.com/p/s_1' }],
  ])('to %s are errors when another transaction of the turn fails to commit its task', async (path, body) => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('np_frozen', { clock: { mode: 'frozen' } });
    const other = createAccount('np_other');
    breakFirstCommit(core);
    const { submit, submitSynchronous } = core.tasks;
    const grantNext = <T>(tasks: T): T => {
      queueMicrotask(() => core.ledger.grant(other.id, 5, 'meanwhile', 0));
      return tasks;
    };
    core.tasks.submit = (...args) => grantNext(submit(...args));
    core.tasks.submitSynchronous = (...args) => grantNext(submitSynchronous(...args));
    const refused = await post(path, body, 'np_frozen');
    expect(refused).toMatchObject({ status: 500, body: { success: false, errorCode: 'INTERNAL_ERROR' } });
    expect(core.tasks.list(id, 1)).toEqual([]);
    expect(core.accounts.get(other.id).balance).toBe(other.balance + 5);
  });

  it('to a watermark removal are errors when the commit of its task fails', async () => {
    const { post, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('np_frozen', { clock: { mode: 'frozen' } });
    breakFirstCommit(core);
    const refused = await post(
      '/api/sora/remove-watermark',
      { share_link: 'https://sora.chatgpt.com/p/s_1' },
      'np_frozen',
    );
    expect(refused).toMatchObject({ status: 500, body: { success: false, errorCode: 'INTERNAL_ERROR' } });
    expect(core.tasks.list(id, 1)).toEqual([]);
  });

  it('that are streams start after the commit of their hold', async () => {
    const { send, endTurn, core, createAccount } = await heldTurns();
    const { id } = createAccount('np_frozen', { clock: { mode: 'frozen' } });
    const body = { topic: 'a cat' };
    const streamed = send('POST', '/api/sora-2/generate-prompt', { body, key: 'np_frozen' });
    expect(await soon(streamed)).toBeUndefined();
    expect(core.tasks.list(id, 1)[0]?.status).toBe('processing');
    endTurn();
    expect(await streamed).toMatchObject({ status: 200, text: expect.stringContaining('cat') });
    expect(core.tasks.list(id, 1)[0]?.status).toBe('completed');
  });

  it.each([GENERATE, '/api/sora-2/check-status', '/api/nowhere'])(
    'reach a client that half-closes the connection with its request to %s',
    async (path) => {
      const { listen } = await createTestEmulator(['--port', '0']);
      const body = JSON.stringify(ORDER);
      const head = [
        `POST ${path} HTTP/1.1`,
        'host: localhost',
        'authorization: Bearer np_test_default',
        'content-type: application/json',
        `content-length: ${body.length}`,
      ];
      const socket = connect(Number(new URL(await listen()).port), '127.0.0.1');
      socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
      let text = '';
      for await (const piece of socket) text += piece;
      expect(text).toMatch(/^HTTP\/1\.1 (200|400|404) .*"success":/s);
    },
  );
});
