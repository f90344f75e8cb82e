import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { buildDocument, useAccount } from '../support/account-document.ts';
import { createTestEmulator, type TestEmulator } from '../support/emulator.ts';
import { ORDERS, SHOT } from '../support/results.ts';
import { writeSeedFile } from '../support/seed-file.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests change documents in every way
type Json = any;

const KEY = 'np_used';
const RESET_AT = '2026-01-15T13:00:00.000Z';

const exportText = async ({ get }: TestEmulator, key: string): Promise<string> =>
  (await get(`/__admin/accounts/${key}/export`)).text;
const importDocument = ({ send }: TestEmulator, body: unknown, query = '') =>
  send('POST', `/__admin/accounts/import${query}`, { key: null, body });
const control = ({ send }: TestEmulator, method: string, path: string, body?: object) =>
  send(method, `/__admin/accounts${path}`, { key: null, body });

async function createUsedAccount(emulator: TestEmulator, mode: 'real' | 'frozen' | 'auto' = 'frozen') {
  const account = { key: KEY, clock: 'frozen', speed: 3, failureRate: 0.2, seed: 'x', rateLimit: 500 };
  await control(emulator, 'POST', '', account);
  await useAccount(emulator, KEY);
  await control(emulator, 'PUT', `/${KEY}/clock`, { mode });
  return emulator;
}

/** The accounts that clients and the database know, staged ones included. */
const listEveryAccount = ({ core }: TestEmulator) => core.db.prepare('SELECT key FROM accounts').pluck().all();

/** Any text, including lone surrogates, which only prompts may contain. */
const randomText = fc.string({ minLength: 1, unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) });
const randomRate = fc.nat(10).map((tenths) => tenths / 10);
const randomClock = fc.constantFrom('real', 'frozen', 'auto');
const randomRule = fc.record(
  {
    at: fc.constant('task'),
    effect: fc.constantFrom({ fail: true }, { hang: true }, { durationMs: 7 }),
    // A stream that hangs would not end.
    match: fc.record(
      { family: fc.constant('sora-2'), contains: fc.string({ minLength: 1, maxLength: 1 }) },
      { requiredKeys: ['family'] },
    ),
    times: fc.integer({ min: 1, max: 3 }),
    after: fc.integer({ min: 0, max: 2 }),
    probability: randomRate,
  },
  { requiredKeys: ['at', 'effect', 'match'] },
);
const randomChanges = fc.record(
  { speed: fc.double({ min: 0.5, max: 100, noNaN: true }), failureRate: randomRate, seed: randomText },
  { requiredKeys: [] },
);
const stepOf = (method: string, path: string, body: fc.Arbitrary<object>) =>
  body.map((value) => [method, path, value] as const);
/** Synchronous tasks. */
const STREAMS = [
  { path: '/api/sora/remove-watermark', body: { share_link: 'https://sora.chatgpt.com/p/s_1' } },
  { path: '/api/sora-2/generate-prompt', body: { topic: 'a topic', locale: 'en' } },
];
/** A request of a client, an operation on its account, the eviction of a task, or time that passes. */
const randomStep = fc.oneof(
  stepOf('POST', '/api/sora-2/generate', fc.record({ prompt: randomText, mode: fc.constant('textToVideo') })),
  stepOf(
    'POST',
    '/api/veo-3/generate',
    fc.uniqueArray(fc.constantFrom('one', 'two', 'three'), { minLength: 1 }).map((ids) => ({
      shots: ids.map((id) => ({ ...SHOT, id })),
    })),
  ),
  fc.constantFrom(...Object.values(ORDERS)).map(({ path, body }) => ['POST', `${path}/generate`, body] as const),
  stepOf('POST', '/clock/advance', fc.oneof(fc.record({ ms: fc.nat(200_000) }), fc.constant({ toNext: true }))),
  stepOf('POST', '/clock/advance', fc.constant({ ms: 400_000 })),
  stepOf('PUT', '/clock', fc.record({ mode: randomClock })),
  stepOf(
    'PUT',
    '/clock',
    fc.record({ mode: randomClock, now: fc.constantFrom('2026-02-01T00:00:00Z', '9999-12-31T00:00:00Z') }),
  ),
  stepOf('POST', '/credits', fc.record({ amount: fc.integer({ min: -5, max: 5 }), reason: randomText })),
  stepOf('PUT', '/rate-limit', fc.record({ limit: fc.option(fc.integer({ min: 5, max: 50 })) })),
  stepOf('PATCH', '', randomChanges),
  stepOf('POST', '/faults', randomRule),
  stepOf('POST', '/snapshots', fc.constant({ name: 'one' })),
  stepOf('POST', '/snapshots/one/restore', fc.constant({})),
  stepOf('POST', 'evict', fc.constant({})),
  stepOf('POST', 'pass', fc.record({ ms: fc.nat(3_000_000) })),
  stepOf('POST', 'complete', fc.constant({})),
  stepOf('POST', 'fail', fc.constant({ error: 'GENERATION_FAILED' })),
  fc.constantFrom(...STREAMS).map(({ path, body }) => ['POST', path, body] as const),
);

describe('export and import of accounts', () => {
  it.each(['real', 'frozen', 'auto'] as const)('are exact in another emulator with a %s clock', async (mode) => {
    const clock = createTestClock();
    const text = await exportText(await createUsedAccount(await createTestEmulator([], clock), mode), KEY);
    const other = await createTestEmulator([], clock);
    expect(await importDocument(other, text)).toMatchObject({ status: 201, body: { key: KEY, speed: 3 } });
    expect(await exportText(other, KEY)).toBe(text);
    expect((await other.get(`/__admin/accounts/${KEY}/ledger/verify`)).body).toEqual({ ok: true, problems: [] });
  });

  it('are exact with any white space and any order of members in which the ledger precedes the tasks', async () => {
    const emulator = await createUsedAccount(await createTestEmulator());
    const text = await exportText(emulator, KEY);
    const { tasks, ledger, ...members } = JSON.parse(text);
    const document = { ledger, ...members, tasks, $schema: './account.schema.json' };
    expect((await importDocument(emulator, JSON.stringify(document, null, 2), '?replace=true')).status).toBe(201);
    expect(await exportText(emulator, KEY)).toBe(text);
  });

  it('are exact for random accounts, and across restarts', async () => {
    const dir = tempDir();
    const clock = createTestClock();
    let emulator = await createTestEmulator(['--data-dir', dir], clock);
    let run = 0;
    const families = new Set<unknown>();
    const statuses = new Set<unknown>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(randomStep, { maxLength: 25, size: 'max' }),
        randomClock,
        randomRate,
        async (steps, mode, rate) => {
          run += 1;
          const key = `np_${run}`;
          // A stream on a real clock would wait for the time to pass.
          const isReal = async () => (await control(emulator, 'GET', `/${key}`)).body.clock.mode === 'real';
          await control(emulator, 'POST', '', { key, clock: mode, credits: 60, failureRate: rate });
          for (const [method, path, body] of steps) {
            if (path === 'evict') emulator.core.tasks.evictOldest();
            else if (path === 'pass') clock.advance((body as { ms: number }).ms);
            else if (path === 'complete' || path === 'fail') {
              const { tasks } = (await control(emulator, 'GET', `/${key}/tasks?status=processing`)).body;
              if (tasks.length > 0) await control(emulator, 'POST', `/${key}/tasks/${tasks.at(-1).id}/${path}`, body);
            } else if (STREAMS.some((stream) => stream.path === path)) {
              // A stream that fails resets its connection.
              if (!(await isReal())) await emulator.send(method, path, { key, body }).catch(() => {});
            } else if (path.startsWith('/api/')) await emulator.send(method, path, { key, body });
            else await control(emulator, method, `/${key}${path}`, body);
          }
          const text = await exportText(emulator, key);
          for (const task of JSON.parse(text).tasks) {
            families.add(task.family);
            statuses.add(task.status);
          }
          expect((await importDocument(emulator, text, '?key=np_copy&replace=true')).status).toBe(201);
          if (run % 8 === 0) {
            await emulator.close();
            emulator = await createTestEmulator(['--data-dir', dir], clock);
            expect(await exportText(emulator, key)).toBe(text);
          }
          expect((await exportText(emulator, 'np_copy')).replace('np_copy', key)).toBe(text);
          expect(emulator.core.ledger.verify(emulator.account('np_copy').id)).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
    await emulator.close();
    // The steps are random, but frequent enough to reach all of these.
    expect(families.size).toBeGreaterThan(5);
    expect(statuses).toEqual(new Set(['processing', 'completed', 'failed', 'evicted']));
  }, 60_000);

  it('are exact for accounts whose rules and tasks are as large as the emulator allows', async () => {
    const nested = JSON.parse(`${'['.repeat(500)}"${'x'.repeat(30_000)}"${']'.repeat(500)}`);
    const answers = [
      { status: 200, text: '\u0001'.repeat(65_536) },
      { status: 200, body: nested },
      { status: 200, body: Array(2900).fill(1e20) },
      { status: 200, headers: Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`h-${n}`, '"'.repeat(8192)])) },
    ];
    const faults = [...answers, ...answers].map((answer) => ({ at: 'request', effect: { answer }, after: 9 }));
    const seedFile = writeSeedFile({ accounts: [{ key: KEY, credits: 10_000, faults }] });
    const flags = ['--seed-file', seedFile, '--body-limit-bytes', '300000', '--text-limit-characters', '300000'];
    const emulator = await createTestEmulator(flags);
    const shots = [{ ...SHOT, id: '\u0001'.repeat(45_000) }];
    expect((await emulator.send('POST', '/api/veo-3/generate', { key: KEY, body: { shots } })).status).toBe(200);
    const text = await exportText(emulator, KEY);
    expect(text.length).toBeGreaterThan(4_000_000);
    expect((await importDocument(emulator, text, '?key=np_copy')).body).toMatchObject({ key: 'np_copy' });
    expect((await exportText(emulator, 'np_copy')).replace('np_copy', KEY)).toBe(text);
  });

  it('are exact for the largest values that a document may have, and after they have grown', async () => {
    const emulator = await createTestEmulator();
    const document: Json = buildDocument();
    document.account.clock.mode = 'real';
    document.account.initial.clock.now = '0000-01-01T00:00:00.000Z';
    document.faults = [{ rule: { match: {}, at: 'request', effect: { delayMs: 0 } }, matched: 1e12, fired: 1e12 }];
    document.rateLimit = { ...document.rateLimit, limit: 1e9, count: 1_000_000_001 };
    document.tasks[1].plan.outcome = { status: 'hangs' };
    delete document.tasks[1].dueAt;
    expect((await importDocument(emulator, document)).status).toBe(201);
    await emulator.post('/api/sora-2/check-status', { taskId: 'task_one' }, 'np_imported');
    await control(emulator, 'PATCH', '/np_imported', { speed: 1_000_000 });
    await control(emulator, 'PUT', '/np_imported/clock', { mode: 'real', now: '9999-12-31T00:00:00Z' });
    emulator.clock.advance(48 * 3_600_000);
    const { body } = await control(emulator, 'POST', '/np_imported/tasks/task_two/complete', {});
    expect(body).toMatchObject({ status: 'completed', simulatedMs: Number.MAX_SAFE_INTEGER });
    const text = await exportText(emulator, 'np_imported');
    expect((await importDocument(emulator, text, '?replace=true')).status).toBe(201);
    expect(await exportText(emulator, 'np_imported')).toBe(text);
    const early = { mode: 'frozen', now: '0000-01-01T00:00:00+14:00' };
    expect((await control(emulator, 'POST', '', { key: 'np_early', clock: early })).status).toBe(400);
  });

  it('read documents of version 1 as the first emulator wrote them', async () => {
    const emulator = await createTestEmulator();
    const text = readFileSync(new URL('./account-v1.json', import.meta.url), 'utf8');
    expect((await importDocument(emulator, text)).status).toBe(201);
    expect(await exportText(emulator, KEY)).toBe(text);
  });
});

describe('export of an account', () => {
  it('has one line per ledger entry, task and rule', async () => {
    const emulator = await createTestEmulator();
    const document = buildDocument();
    await importDocument(emulator, document);
    const lines = (await exportText(emulator, 'np_imported')).split('\n');
    for (const row of [...document.ledger, ...document.tasks, ...document.faults]) {
      expect(
        lines.filter((line) => line.startsWith('{"') && isEqual(JSON.parse(line.replace(/,$/, '')), row)),
      ).toHaveLength(1);
    }
  });

  it('adds the journal and the verdict on request', async () => {
    const emulator = await createUsedAccount(await createTestEmulator());
    const path = `/__admin/accounts/${KEY}`;
    const { requests } = (await emulator.get(`${path}/requests?limit=1000`)).body;
    const verdict = (await emulator.get(`${path}/verdict`)).body;
    const { body, text } = await emulator.get(`${path}/export?include=requests,verdict`);
    expect(body).toMatchObject({ requests, verdict });
    expect((await emulator.get(`${path}/export?include=verdict`)).body).toMatchObject({ verdict });
    expect((await importDocument(emulator, text, '?key=np_copy')).body).toMatchObject({ key: 'np_copy' });
    expect((await emulator.get(`${path}/export?include=tasks`)).body.error).toBe(
      'Invalid parameter include[0]: expected requests or verdict, or both separated by a comma.',
    );
  });

  it('keeps nothing in memory when the client disconnects', async () => {
    const emulator = await createUsedAccount(await createTestEmulator());
    const { app, core } = emulator;
    const { begin } = core.exports;
    let copiedBytes = 0;
    app.server.on('connection', (socket) => {
      core.exports.begin = (id) => {
        const exported = begin(id);
        copiedBytes = core.memory.usedBytes.responses;
        // Before the first byte of the response.
        socket.destroy();
        return exported;
      };
    });
    const url = await app.listen({ port: 0 });
    await expect(fetch(`${url}/__admin/accounts/${KEY}/export`)).rejects.toThrow();
    expect(copiedBytes).toBeGreaterThan(0);
    expect(core.memory.usedBytes.responses).toBe(0);
  });

  it('is cut short when the account is reset meanwhile, which is not logged', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
    const { app, core } = await createUsedAccount(await createTestEmulator([], createTestClock(), logger));
    const { begin } = core.exports;
    core.exports.begin = (id) => {
      const exported = begin(id);
      const readTasks = () => {
        core.resets.reset(id);
        return exported.readTasks();
      };
      return { ...exported, readTasks };
    };
    await app.listen({ port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const socket = connect({ port, host: '127.0.0.1' });
    // Without chunks, only a reset shows the client that the document is incomplete.
    socket.write(`GET /__admin/accounts/${KEY}/export HTTP/1.0\r\n\r\n`);
    const [error] = await once(socket.resume(), 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    expect(lines).toEqual([]);
  });

  it('counts the requests that it holds, which the journal may evict', async () => {
    const emulator = await createUsedAccount(await createTestEmulator());
    const { app, core } = emulator;
    const usedBytes: number[] = [];
    const { begin } = core.exports;
    core.exports.begin = (id) => {
      const exported = begin(id);
      const close = () => {
        usedBytes.push(core.memory.usedBytes.responses);
        exported.close();
      };
      return { ...exported, close };
    };
    await app.inject({ url: `/__admin/accounts/${KEY}/export?include=requests` });
    await app.inject({ url: `/__admin/accounts/${KEY}/export` });
    expect(usedBytes[0]! - usedBytes[1]!).toBeGreaterThan(10_000);
    expect(core.memory.usedBytes.responses).toBe(0);
  });

  it('fails with 404 for an unknown key', async () => {
    const { get } = await createTestEmulator();
    expect((await get('/__admin/accounts/np_none/export')).body.code).toBe('ACCOUNT_NOT_FOUND');
  });
});

const isEqual = (one: unknown, other: unknown) => {
  try {
    expect(one).toEqual(other);
    return true;
  } catch {
    return false;
  }
};

describe('import of an account', () => {
  it('restores balance, rate limit, clock and rules, and continues running tasks', async () => {
    const emulator = await createTestEmulator();
    expect((await importDocument(emulator, buildDocument())).body).toEqual({
      ...{ key: 'np_imported', credits: 2, speed: 1, failureRate: 0, seed: 'test', revoked: false },
      clock: { mode: 'frozen', now: '2026-01-15T12:02:00.000Z' },
      rateLimit: { limit: 50, remaining: 43, resetAt: RESET_AT },
      createdAt: '2026-01-15T12:00:00.000Z',
    });
    const poll = (taskId: string) => emulator.post('/api/sora-2/check-status', { taskId }, 'np_imported');
    expect((await poll('task_one')).body).toMatchObject({ status: 'completed', generationTime: 100 });
    expect((await poll('task_two')).body).toMatchObject({ status: 'processing' });
    await control(emulator, 'POST', '/np_imported/clock/advance', { ms: 80_000 });
    expect((await poll('task_two')).body).toMatchObject({ status: 'completed', creditsUsed: 4 });
    const { body } = await control(emulator, 'GET', '/np_imported/faults');
    expect(body.faults).toMatchObject([{ at: 'request', times: 3, fired: 3 }]);
  });

  it('lets a real clock continue from the time of the export, and the worker end its tasks', async () => {
    const emulator = await createTestEmulator();
    const document = buildDocument();
    document.account.clock.mode = 'real';
    emulator.clock.advance(7 * 24 * 3_600_000);
    expect((await importDocument(emulator, document)).body.clock.now).toBe('2026-01-15T12:02:00.000Z');
    emulator.clock.advance(80_000);
    emulator.core.worker.tick();
    expect(emulator.core.tasks.find(emulator.account('np_imported').id, 'task_two')?.status).toBe('completed');
  });

  it('applies what is due', async () => {
    const emulator = await createTestEmulator();
    const document = buildDocument();
    document.account.clock.now = '2026-01-15T12:30:00.000Z';
    await importDocument(emulator, document);
    const { body } = await emulator.post('/api/sora-2/check-status', { taskId: 'task_two' }, 'np_imported');
    expect(body).toMatchObject({ status: 'completed', generationTime: 200 });
  });

  it('fails and refunds synchronous tasks that were running, as a restart does', async () => {
    const emulator = await createTestEmulator();
    const document: Json = buildDocument();
    Object.assign(document.tasks[1], { synchronous: true });
    delete document.tasks[1].dueAt;
    expect((await importDocument(emulator, document)).body.credits).toBe(6);
    const { id } = emulator.account('np_imported');
    expect(emulator.core.tasks.find(id, 'task_two')).toMatchObject({ status: 'failed', errorCode: 'INTERNAL_ERROR' });
  });

  it('responds with 409 if the key exists, unless it replaces the account or renames the new one', async () => {
    const emulator = await createTestEmulator();
    await importDocument(emulator, buildDocument());
    await control(emulator, 'POST', '/np_imported/snapshots', { name: 'one' });
    const lifetime = emulator.core.lifetimes.signalFor(emulator.account('np_imported').id);
    for (const query of ['', '?key=np_test_default', '?key=np_imported&replace=false']) {
      expect((await importDocument(emulator, buildDocument(), query)).body.code).toBe('ACCOUNT_EXISTS');
    }
    expect((await importDocument(emulator, buildDocument(), '?key=np_new')).body.key).toBe('np_new');
    await control(emulator, 'POST', '/np_imported/credits', { amount: 5 });
    expect(lifetime.aborted).toBe(false);
    expect((await importDocument(emulator, buildDocument(), '?replace=true')).body.credits).toBe(2);
    expect(lifetime.aborted).toBe(true);
    expect((await control(emulator, 'GET', '/np_imported/snapshots')).body.snapshots).toEqual([]);
    expect((await importDocument(emulator, buildDocument(), '?replace=yes')).status).toBe(400);
  });

  it('keeps the ids of tasks that another account has, too', async () => {
    const emulator = await createTestEmulator();
    await importDocument(emulator, buildDocument());
    await importDocument(emulator, buildDocument(), '?key=np_new');
    for (const key of ['np_imported', 'np_new']) {
      const poll = await emulator.post('/api/sora-2/check-status', { taskId: 'task_one' }, key);
      expect(poll.body.status).toBe('completed');
    }
  });

  it('resets the account to its initial state', async () => {
    const emulator = await createTestEmulator();
    const document: Json = buildDocument();
    document.account.initial.faults = [{ match: {}, at: 'task', effect: { hang: true } }];
    await importDocument(emulator, document);
    expect((await control(emulator, 'POST', '/np_imported/reset')).body).toMatchObject({
      credits: 10,
      rateLimit: { limit: 100 },
    });
    expect((await control(emulator, 'GET', '/np_imported/faults')).body.faults).toMatchObject([
      { effect: { hang: true } },
    ]);
  });

  it('is invisible until it is complete, and leaves nothing after a failure', async () => {
    const emulator = await createTestEmulator();
    const before = listEveryAccount(emulator);
    const text = JSON.stringify(buildDocument());
    expect((await importDocument(emulator, text.slice(0, -1))).status).toBe(400);
    expect((await importDocument(emulator, text.replace('"seq":2,"id"', '"seq":1,"id"'))).status).toBe(400);
    expect(listEveryAccount(emulator)).toEqual(before);
    const staged = emulator.core.imports.begin();
    expect(listEveryAccount(emulator)).toHaveLength(before.length + 1);
    expect((await emulator.get('/__admin/accounts')).body.accounts).toHaveLength(before.length);
    expect(emulator.core.accounts.count()).toBe(before.length);
    staged.discard();
    expect(listEveryAccount(emulator)).toEqual(before);
  });

  it('is removed at the next start if a killed process left it incomplete', async () => {
    const dir = tempDir();
    const first = await createTestEmulator(['--data-dir', dir]);
    const before = listEveryAccount(first);
    first.core.imports.begin();
    await first.close();
    const second = await createTestEmulator(['--data-dir', dir]);
    expect(listEveryAccount(second)).toEqual(before);
  });

  it('accepts an empty list of tasks, and a key that is not in use any more', async () => {
    const emulator = await createTestEmulator();
    const document: Json = buildDocument();
    Object.assign(document, { ledger: [], tasks: [], faults: [], rateLimit: { limit: null } });
    expect((await importDocument(emulator, document)).body.credits).toBe(0);
    await control(emulator, 'DELETE', '/np_imported');
    expect((await importDocument(emulator, document)).status).toBe(201);
  });
});

const STEPS = [
  { name: 'a', atMs: 5 },
  { name: 'b', atMs: 4 },
];
const [GRANT, , SECOND_HOLD, CAPTURE] = buildDocument().ledger;
const [COMPLETED, RUNNING] = buildDocument().tasks;
const FREE = { ...RUNNING, seq: 3, id: 'task_c', hold: undefined, price: 0 };
const FREE_OF_CHARGE = { seq: 3, id: 'task_c', hold: undefined, price: 0 };
const NEVER_STARTED = { 'tasks.0.startedAt': undefined, 'tasks.0.finishedAt': '2026-01-15T11:59:59.999Z' };
const EARLIER = '2026-01-15T11:59:59.999Z';
const LATER = '2026-01-15T12:02:00.001Z';
const LATER_THAN_ALL = '2026-01-15T12:00:00.001Z';
const FAILURE = { status: 'failed', errorCode: 'x'.repeat(501) };
const WAITING = { ...FREE, startedAt: undefined, dueAt: undefined, predecessor: 2 };
/** The id of an account's third task. */
const GENERATED_FOR_3 = 'task_1f7f5800000031d956d0f520';

const UNCOMPARABLE = { length: { toString: 1, valueOf: 1 } };

/** Values to set in a valid document, by path; undefined removes the member. And the errors that they lead to. */
const INVALID: readonly (readonly [expected: string, changes: Record<string, unknown>])[] = [
  ['version: expected 1; a newer emulator wrote version 2', { version: 2 }],
  ['version: expected 1', { version: '1' }],
  ['format: expected "nanophoto-emulator/account"', { format: 'other' }],
  ['document: unknown field "extra"; the fields are $schema, format, ', { extra: 1 }],
  ['account: unknown field "extra"; the fields are key, ', { 'account.extra': 1 }],
  ['account.key: expected 1 to 200 visible ASCII characters', { 'account.key': 'ä' }],
  ['account.seed: expected a string of 1 to 200 characters', { 'account.seed': UNCOMPARABLE }],
  ['ledger[0].reason: expected a string of 1 to 500 characters', { 'ledger.0.reason': UNCOMPARABLE }],
  ['account.clock.now: expected a timestamp in UTC', { 'account.clock.now': 'noon' }],
  ['account.clock.now: expected a time before 9999-12-31', { 'account.clock.now': '9999-12-31T12:00:00Z' }],
  ['account.initial.clock.now: expected a time before', { 'account.initial.clock.now': '9999-12-31T12:00:00Z' }],
  ['account.seed: expected a string of 1 to 200 characters', { 'account.seed': 'x'.repeat(201) }],
  ['account.initial.seed: expected a string of 1 to 200 characters', { 'account.initial.seed': '' }],
  ['account.initial.credits: expected a whole number', { 'account.initial.credits': -1 }],
  [
    'account.initial.faults[0].effect: expected ',
    { 'account.initial.faults': [{ match: {}, at: 'task', effect: {} }] },
  ],
  ['rateLimit: it is missing', { rateLimit: undefined }],
  ['rateLimit.count: expected a whole number', { 'rateLimit.count': 1.5 }],
  ['tasks: expected after ledger', { ledger: undefined }],
  ['ledger: expected a list', { ledger: {} }],
  ['ledger[1]: an entry must follow the last one', { 'ledger.1.balance': 7 }],
  ['ledger[1]: an entry must follow the last one', { ledger: [GRANT, SECOND_HOLD, CAPTURE] }],
  ['ledger[1].kind: ', { 'ledger.1.kind': 'gift' }],
  ['ledger[0].reason: expected a string of 1 to 500', { 'ledger.0.reason': 'x'.repeat(501) }],
  ['ledger[0]: each kind of entry has its fields', { 'ledger.0.task': 1 }],
  ['ledger[3]: a capture or refund must resolve an open hold', { 'ledger.3.hold': 3 }],
  ['ledger[2].task: expected one hold per task', { 'ledger.2.task': 1 }],
  ['ledger[3].at: expected a time up to account.clock.now', { 'ledger.3.at': LATER, 'tasks.0.finishedAt': LATER }],
  ['ledger[2]: the hold has no task', { tasks: [COMPLETED] }],
  ['tasks[1].seq: expected 2', { 'tasks.1.seq': 1 }],
  ['tasks[1].seq: expected 2', { 'tasks.1.seq': 3 }],
  ['tasks[2].seq: expected 3', { 'tasks.2': { seq: 1e12, id: 'task_c', status: 'evicted' } }],
  ['tasks[1].id: another task has this id', { 'tasks.1.id': 'task_one' }],
  ['tasks[1].id: expected the number of the task', { 'tasks.1.id': GENERATED_FOR_3 }],
  ['tasks[1].id: expected the number of the task', { 'tasks.1': { seq: 2, id: GENERATED_FOR_3, status: 'evicted' } }],
  ['account.seed: expected a text without lone surrogates', { 'account.seed': '\ud800' }],
  ['ledger[0].reason: expected a text without lone surrogates', { 'ledger.0.reason': '\udc00' }],
  ['tasks[1].clientRef: expected a text without lone surrogates', { 'tasks.1.clientRef': 'a\ud800' }],
  ['tasks[0].id: expected task_ and 1 to 59', { 'tasks.0.id': undefined }],
  ['tasks[0].id: expected task_ and 1 to 59', { 'tasks.0.id': 'task_a/b' }],
  [
    'tasks[1].id: expected task_ and 1 to 59',
    { 'tasks.1': { seq: 2, id: `task_${'a'.repeat(60)}`, status: 'evicted' } },
  ],
  ['tasks[1].status: ', { 'tasks.1.status': 'running' }],
  ['tasks[1].family: ', { 'tasks.1.family': 'sora-9' }],
  ['tasks[1].hold: expected 3, the number of its hold', { 'tasks.1.hold': 2 }],
  ['tasks[1].hold: expected 3, the number of its hold', { 'tasks.1.hold': undefined }],
  ['tasks[1]: a task must match the entries that exist for it', { 'tasks.1.price': 3 }],
  ['tasks[2].price: expected 0, or a hold', { 'tasks.2': { ...RUNNING, seq: 3, id: 'task_c', hold: undefined } }],
  ['tasks[2].hold: the ledger has no hold of this task', { 'tasks.2': { ...RUNNING, seq: 3, id: 'task_c', hold: 5 } }],
  ['tasks[1].finishedAt: required with the status completed', { 'tasks.1.status': 'completed' }],
  ['tasks[0].simulatedMs: required with the status completed', { 'tasks.0.simulatedMs': undefined }],
  ['tasks[0].errorCode: only allowed with the status failed', { 'tasks.0.errorCode': 'X' }],
  ['tasks[0].dueAt: not allowed after the task has ended', { 'tasks.0.dueAt': RESET_AT }],
  ['tasks[0].stepIndex: expected the index of a step', { 'tasks.0.stepIndex': 1 }],
  [
    'tasks[1].plan.endMs: expected a time after the last step',
    { 'tasks.1.plan.steps': [{ name: 'a', atMs: 200_001 }] },
  ],
  ['tasks[1].plan.steps[1].atMs: expected ascending times', { 'tasks.1.plan.steps': STEPS }],
  ['tasks[1].dueAt: expected the time of the next transition', { 'tasks.1.dueAt': undefined }],
  [
    'tasks[1].dueAt: not allowed for a task that waits, hangs or is synchronous',
    { 'tasks.1.plan.outcome': { status: 'hangs' } },
  ],
  [
    'tasks[1].startedAt: expected a time, unless a running task',
    { 'tasks.1.startedAt': undefined, 'tasks.1.dueAt': undefined, 'tasks.1.predecessor': 1 },
  ],
  ['tasks[1].predecessor: expected the number of an earlier task', { 'tasks.1.predecessor': 2 }],
  ['tasks[2].startedAt: not allowed before the predecessor has ended', { 'tasks.2': { ...FREE, predecessor: 2 } }],
  [
    'tasks[3].predecessor: expected a task without another successor',
    { 'tasks.2': WAITING, 'tasks.3': { ...WAITING, seq: 4, id: 'task_d' } },
  ],
  [
    'tasks[2].createdAt: expected a time up to account.clock.now',
    { 'tasks.2': { ...FREE, createdAt: RESET_AT, startedAt: RESET_AT } },
  ],
  ['tasks[1].startedAt: expected a time up to account.clock.now', { 'tasks.1.startedAt': RESET_AT }],
  [
    'tasks[2].finishedAt: expected a time up to account.clock.now',
    { 'tasks.2': { ...COMPLETED, ...FREE_OF_CHARGE, finishedAt: RESET_AT } },
  ],
  ['account.createdAt: expected a time up to account.clock.now', { 'account.createdAt': '2099-01-01T00:00:00.000Z' }],
  ['ledger[0].at: expected a time that is not before account.createdAt', { 'account.createdAt': LATER_THAN_ALL }],
  ['ledger[3].at: expected a time that is not before ledger[2].at', { 'ledger.3.at': '2020-01-15T12:01:40.000Z' }],
  [
    'tasks[0].createdAt: expected the time of ledger[1]',
    { 'tasks.0.createdAt': EARLIER, 'tasks.0.startedAt': EARLIER },
  ],
  ['tasks[0].finishedAt: expected the time of its capture or refund', { 'tasks.0.finishedAt': LATER }],
  ['tasks[2].createdAt: expected a time that is not before that of', { 'tasks.2': { ...FREE, createdAt: EARLIER } }],
  ['tasks[0].startedAt: expected a time that is not before createdAt', { 'tasks.0.startedAt': EARLIER }],
  ['tasks[0].finishedAt: expected a time that is not before startedAt', { 'tasks.0.finishedAt': EARLIER }],
  ['tasks[0].finishedAt: expected a time that is not before createdAt', NEVER_STARTED],
  ['tasks[1].plan.outcome.errorCode: expected a string of 1 to 500', { 'tasks.1.plan.outcome': FAILURE }],
  ['rateLimit.resetAt: it is missing', { 'rateLimit.resetAt': undefined }],
  ['rateLimit.count: it is missing', { 'rateLimit.count': undefined }],
  ['rateLimit.count: expected a whole number from 0 to 1000000001', { 'rateLimit.count': 1_000_000_002 }],
  ['rateLimit.resetAt: expected a time in the hour after', { 'rateLimit.resetAt': '2099-01-01T00:00:00.000Z' }],
  ['rateLimit.resetAt: expected a time in the hour after', { 'rateLimit.resetAt': '2026-01-15T12:02:00.000Z' }],
  ['rateLimit.resetAt: expected a time in the hour after', { 'rateLimit.resetAt': '2026-01-15T13:02:00.001Z' }],
  ['tasks[1].dueAt: expected a time that is not before ledger[3].at', { 'tasks.1.dueAt': '2026-01-15T12:01:39.999Z' }],
  ['tasks[1].dueAt: expected a time before 9999-12-31', { 'tasks.1.dueAt': '9999-12-31T12:00:00Z' }],
  ['tasks[0].errorCode: expected a string', { 'tasks.0.errorCode': 'x'.repeat(501) }],
  ['tasks[1].input: expected the request body', { 'tasks.1.input': 'x' }],
  ['tasks[1]: unknown field "extra"; the fields are seq, ', { 'tasks.1.extra': 1 }],
  ['tasks[1]: expected a capture or refund of its hold', { 'tasks.1': { seq: 2, id: 'task_two', status: 'evicted' } }],
  ['faults[0].fired: expected at most the value of matched', { 'faults.0.fired': 2 }],
  ['faults[0].fired: expected at most the value of matched, less that of rule.after', { 'faults.0.rule.after': 1 }],
  ['faults[0].fired: expected at most the value of rule.times', { 'faults.0.fired': 4, 'faults.0.matched': 5 }],
  ['ledger[0].amount: expected a whole number from -9007199254740991 to', { 'ledger.0.amount': 1e30 }],
  ['ledger[0].balance: expected a whole number from 0 to', { 'ledger.0.balance': -4 }],
  ['tasks[0].simulatedMs: expected a whole number from 0 to', { 'tasks.0.simulatedMs': -1 }],
  ['faults[0].rule.effect.hang: ', { 'faults.0.rule.effect': { hang: false } }],
  ['faults[0].rule.effect.durationMs: ', { 'faults.0.rule.effect': { durationMs: 5 } }],
];

function setPath(document: Json, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop()!;
  const parent = names.reduce((object, name) => object[name], document);
  if (value === undefined) delete parent[last];
  else parent[last] = value;
}

describe('import of an invalid document', () => {
  // id: contradictory-accounts-rejected
  it.each(INVALID)('names the error and creates nothing: %s', async (expected, changes) => {
    const emulator = await createTestEmulator();
    const before = listEveryAccount(emulator);
    const document = buildDocument();
    for (const [path, value] of Object.entries(changes)) setPath(document, path, value);
    const { status, body } = await importDocument(emulator, document);
    const [path, reason] = expected.split(/: (.*)/s);
    expect(body).toEqual({
      error: expect.stringContaining(`Invalid parameter ${path}: ${reason}`),
      code: 'INVALID_INPUT',
    });
    expect(status).toBe(400);
    expect(listEveryAccount(emulator)).toEqual(before);
  });

  it.each([
    ['document', ''],
    ['document', '[]'],
    ['format', '{"format":"nanophoto-emulator/account","format":1}'],
    ['tasks', '{"tasks":[],"ledger":[]}'],
    ['ledger[0]', `{"ledger":[${'['.repeat(100_000)}`],
    ['ledger[0]', `{"ledger":[${'['.repeat(1000)}${']'.repeat(1000)}]}`],
  ])('names the part that is not valid: %s (%#)', async (path, text) => {
    const emulator = await createTestEmulator();
    const { status, body } = await importDocument(emulator, text);
    expect([status, body.code]).toEqual([400, 'INVALID_INPUT']);
    expect(body.error).toContain(`Invalid parameter ${path}: `);
  });

  it('names the part where a document is cut short, wherever that is, and creates nothing', async () => {
    const emulator = await createTestEmulator();
    const before = listEveryAccount(emulator);
    const document = buildDocument();
    const text = JSON.stringify(document);
    const partAt = (length: number): RegExp => {
      const names = Object.keys(document).filter((name) => text.lastIndexOf(`"${name}":`) < length);
      return new RegExp(
        `^Invalid parameter (?:${names.slice(-2).join('|')}|document)(?:\\[\\d+\\])?: the document is cut`,
      );
    };
    for (let length = 0; length < text.length; length += 7) {
      const { status, body } = await importDocument(emulator, text.slice(0, length));
      expect([status, body.code], `${length}`).toEqual([400, 'INVALID_INPUT']);
      expect(body.error).toMatch(partAt(length));
    }
    expect(listEveryAccount(emulator)).toEqual(before);
  });

  it('names a row that the database rejects among many', async () => {
    const emulator = await createTestEmulator();
    const document = buildDocument();
    for (let seq = 5; seq <= 205; seq++) {
      const { at } = document.ledger[3]!;
      document.ledger.push({ seq, kind: 'adjust', amount: 1, balance: seq - 2, at } as Json);
    }
    document.ledger[177]!.balance += 1;
    expect((await importDocument(emulator, document)).body.error).toContain('ledger[177]: an entry must follow');
  });

  it('responds with 409 to more fault rules than the limit', async () => {
    const emulator = await createTestEmulator(['--fault-limit', '1']);
    const document = buildDocument();
    document.faults.push(document.faults[0]!);
    expect((await importDocument(emulator, document)).body.code).toBe('TOO_MANY_FAULTS');
    const other: Json = buildDocument();
    const hang = { match: {}, at: 'task', effect: { hang: true } };
    // Invalid ones are only counted: to validate millions of them would take minutes.
    for (const rule of [hang, {}]) {
      other.account.initial.faults = Array(2).fill(rule);
      expect((await importDocument(emulator, other)).body.code).toBe('TOO_MANY_FAULTS');
    }
  });

  it('removes the rows while the client still sends the rest', async () => {
    const emulator = await createTestEmulator();
    const before = listEveryAccount(emulator);
    const url = await emulator.app.listen({ port: 0 });
    const { begin } = emulator.core.imports;
    const isRefused = new Promise<void>((resolve) => {
      emulator.core.imports.begin = () => {
        const staged = begin();
        const discard = () => {
          staged.discard();
          resolve();
        };
        return { ...staged, discard };
      };
    });
    const headers = { 'content-type': 'application/json' };
    const request = http.request(`${url}/__admin/accounts/import`, { method: 'POST', headers });
    request.on('error', () => {});
    request.write('{"extra":');
    await isRefused;
    expect(listEveryAccount(emulator)).toEqual(before);
    request.destroy();
  });

  it('responds with 503 if the tasks do not fit into the memory budget, and evicts none of them', async () => {
    const emulator = await createTestEmulator(['--memory-budget-mb', '16']);
    const before = listEveryAccount(emulator);
    const document: Json = buildDocument();
    for (let seq = 3; seq < 400; seq++) {
      const free = { seq, id: `task_${seq}`, hold: undefined, price: 0, input: { prompt: 'x'.repeat(50_000) } };
      document.tasks.push({ ...COMPLETED, ...free });
    }
    const url = await emulator.app.listen({ port: 0 });
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify(document);
    const response = await fetch(`${url}/__admin/accounts/import`, { method: 'POST', headers, body });
    expect(await response.json()).toMatchObject({ code: 'OUT_OF_MEMORY' });
    expect(listEveryAccount(emulator)).toEqual(before);
  });

  // id: import-out-of-memory-503
  it('responds with 503 if the ledger does not fit into the memory budget', async () => {
    const emulator = await createTestEmulator(['--memory-budget-mb', '16']);
    const before = listEveryAccount(emulator);
    const document = buildDocument();
    const { at } = document.ledger[0]!;
    document.ledger = [{ seq: 1, kind: 'grant', amount: 1, balance: 1, reason: 'x'.repeat(500), at }];
    for (let seq = 2; seq <= 5000; seq++) document.ledger.push({ ...document.ledger[0]!, seq, balance: seq } as Json);
    expect((await importDocument(emulator, document)).body.code).toBe('OUT_OF_MEMORY');
    expect(listEveryAccount(emulator)).toEqual(before);
  });
});
