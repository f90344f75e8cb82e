import { describe, expect, it } from 'vitest';
import { buildDocument } from '../support/account-document.ts';
import { createTestEmulator, type TestEmulator } from '../support/emulator.ts';

const KEY = 'np_test_default';
const ACCOUNT = `/__admin/accounts/${KEY}`;

/** A mutating request: method, path and body. */
type Call = readonly [method: string, path: string, body?: object];

/** A valid request for each mutating operation of the control plane, in the state that `prepare` creates. */
const OPERATIONS: Record<string, (ids: { task: string; fault: string; globalFault: string }) => Call> = {
  createAccount: () => ['POST', '/__admin/accounts', { key: 'new' }],
  changeAccount: () => ['PATCH', ACCOUNT, { rateLimit: 7, speed: 3, seed: 'other', revoked: true }],
  removeAccount: () => ['DELETE', ACCOUNT],
  setRateLimit: () => ['PUT', `${ACCOUNT}/rate-limit`, { limit: 50, remaining: 10 }],
  credit: () => ['POST', `${ACCOUNT}/credits`, { amount: 5 }],
  setClock: () => ['PUT', `${ACCOUNT}/clock`, { mode: 'frozen' }],
  advanceClock: () => ['POST', `${ACCOUNT}/clock/advance`, { ms: 1 }],
  completeTask: ({ task }) => ['POST', `${ACCOUNT}/tasks/${task}/complete`, {}],
  failTask: ({ task }) => ['POST', `${ACCOUNT}/tasks/${task}/fail`, {}],
  resetAccount: () => ['POST', `${ACCOUNT}/reset`, {}],
  reset: () => ['POST', '/__admin/reset', {}],
  takeSnapshot: () => ['POST', `${ACCOUNT}/snapshots`, { name: 'two' }],
  restoreSnapshot: () => ['POST', `${ACCOUNT}/snapshots/one/restore`, {}],
  forkAccount: () => ['POST', `${ACCOUNT}/fork`, { to: 'forked' }],
  importAccount: () => ['POST', '/__admin/accounts/import?replace=true', buildDocument({ key: KEY })],
  setFault: () => ['POST', `${ACCOUNT}/faults`, { at: 'task', effect: { fail: true } }],
  clearFaults: () => ['DELETE', `${ACCOUNT}/faults`],
  removeFault: ({ fault }) => ['DELETE', `${ACCOUNT}/faults/${fault}`],
  setFaultForEverybody: () => ['POST', '/__admin/faults', { at: 'task', effect: { fail: true } }],
  clearFaultsForEverybody: () => ['DELETE', '/__admin/faults'],
  removeFaultForEverybody: ({ globalFault }) => ['DELETE', `/__admin/faults/${globalFault}`],
};
/** Operations that change nothing that is stored. */
const NOT_STORED = ['clearRequests'];

const TABLES = ['accounts', 'ledger_entries', 'tasks', 'faults', 'rate_windows', 'account_ids'];

const EVENTS = ['INSERT', 'UPDATE', 'DELETE'];

/** Returns the tables that a successful operation writes to. */
async function findWrittenTables(name: string): Promise<string[]> {
  const { emulator, ids } = await prepare();
  const { db } = emulator.core;
  db.exec('CREATE TABLE written (name TEXT)');
  for (const table of TABLES) {
    for (const event of EVENTS) {
      db.exec(
        `CREATE TRIGGER note_${table}_${event} AFTER ${event} ON ${table} BEGIN INSERT INTO written VALUES ('${table}'); END`,
      );
    }
  }
  const [method, path, body = {}] = OPERATIONS[name]!(ids);
  expect((await emulator.send(method, path, { key: null, body })).status).toBeLessThan(300);
  return db.prepare<[], string>('SELECT DISTINCT name FROM written').pluck().all();
}

/** Makes the COMMIT of every transaction fail that writes to a table, as on a full disk. */
function failCommits({ core }: TestEmulator, table: string): () => void {
  core.db.exec('CREATE TABLE refused (id INTEGER REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED)');
  for (const event of EVENTS) {
    core.db.exec(
      `CREATE TRIGGER refuse_${event} AFTER ${event} ON ${table} BEGIN INSERT INTO refused VALUES (-1); END`,
    );
  }
  return () => {
    for (const event of EVENTS) core.db.exec(`DROP TRIGGER refuse_${event}`);
    core.db.exec('DROP TABLE refused');
  };
}

const submit = ({ send }: TestEmulator) =>
  send('POST', '/api/sora-2/generate', { body: { prompt: 'a', mode: 'textToVideo' } });

/** An account with a task, a snapshot, rules, a rate window and a request in progress. */
async function prepare() {
  const emulator = await createTestEmulator();
  const { send, core, account } = emulator;
  await send('PUT', `${ACCOUNT}/rate-limit`, { body: { limit: 100, remaining: 60 } });
  await send('POST', `${ACCOUNT}/snapshots`, { body: { name: 'one' } });
  // The snapshot and the account differ.
  await send('PUT', `${ACCOUNT}/rate-limit`, { body: { remaining: 40 } });
  const { body } = await submit(emulator);
  const rule = { at: 'request', effect: { delayMs: 0 } };
  const fault = (await send('POST', `${ACCOUNT}/faults`, { body: rule })).body.id;
  const globalFault = (await send('POST', '/__admin/faults', { body: rule })).body.id;
  const lifetime = core.lifetimes.signalFor(account(KEY).id);
  return { emulator, lifetime, ids: { task: body.taskId as string, fault, globalFault } };
}

/** Everything that clients can see of the accounts and rules. */
async function observe({ get, core }: TestEmulator, lifetime: AbortSignal) {
  const paths = [
    '/__admin/accounts',
    '/__admin/faults',
    ...core.accounts.list(100).flatMap(({ key }) => {
      const path = `/__admin/accounts/${key}`;
      return ['', '/tasks', '/ledger', '/snapshots', '/faults', '/requests'].map((part) => path + part);
    }),
  ];
  const bodies = [];
  for (const path of paths) bodies.push([path, (await get(path)).body]);
  return { bodies, isLifetimeOver: lifetime.aborted, ids: core.accounts.list(100).map(({ id }) => id) };
}

describe('a transaction that cannot be committed', () => {
  it.each(Object.keys(OPERATIONS))('leaves the state of every account as it was: %s', async (name) => {
    const tables = await findWrittenTables(name);
    expect(tables.length).toBeGreaterThan(0);
    const { emulator, lifetime, ids } = await prepare();
    const { core, clock } = emulator;
    const [method, path, body = {}] = OPERATIONS[name]!(ids);
    const before = await observe(emulator, lifetime);
    for (const table of tables) {
      const allowCommits = failCommits(emulator, table);
      const { status } = await emulator.send(method, path, { key: null, body });
      allowCommits();
      expect([table, status]).toEqual([table, 500]);
      expect(await observe(emulator, lifetime)).toEqual(before);
      // The id of an account that was rolled back is assigned again: nothing may be left under it.
      const { id } = emulator.createAccount('next');
      expect(core.rateLimiter.peek(id, clock.nowMs()).count).toBe(0);
      core.resets.remove(id);
      core.rateLimiter.save();
      const saved = core.db.prepare('SELECT count FROM rate_windows WHERE account_id = ?').pluck();
      const accountId = emulator.account(KEY).id;
      expect(saved.get(accountId)).toBe(core.rateLimiter.peek(accountId, clock.nowMs()).count);
    }
    expect((await emulator.send(method, path, { key: null, body })).status).toBeLessThan(300);
  });

  it('is tested for every operation of the control plane that changes what is stored', async () => {
    const { get } = await createTestEmulator();
    const { paths } = (await get('/__admin/openapi.json')).body;
    const mutating = Object.values<Record<string, { operationId: string }>>(paths).flatMap((methods) =>
      Object.entries(methods)
        .filter(([method]) => ['post', 'put', 'patch', 'delete'].includes(method))
        .map(([, { operationId }]) => operationId),
    );
    expect([...Object.keys(OPERATIONS), ...NOT_STORED].sort()).toEqual(mutating.sort());
  });

  it('leaves no tasks and no fault in the journal', async () => {
    const { emulator, lifetime } = await prepare();
    const rule = { at: 'task', effect: { hang: true } };
    for (const path of [`${ACCOUNT}/faults`, '/__admin/faults']) await emulator.send('DELETE', path, { key: null });
    await emulator.send('POST', `${ACCOUNT}/faults`, { key: null, body: rule });
    await emulator.send('DELETE', `${ACCOUNT}/requests`, { key: null, body: {} });
    const before = await observe(emulator, lifetime);
    const allowCommits = failCommits(emulator, 'tasks');
    expect((await submit(emulator)).status).toBe(500);
    allowCommits();
    const after = await observe(emulator, lifetime);
    const [[, entry]] = after.bodies.filter(([path]) => path.endsWith(`${KEY}/requests`)) as [[string, never]];
    expect(entry).toMatchObject({ requests: [{ status: 500, taskIds: [], fault: null }] });
    const withoutRequests = ({ bodies }: typeof before) =>
      bodies.filter(([path]) => !/requests$|accounts$|accounts\/[^/]+$/.test(path));
    expect(withoutRequests(after)).toEqual(withoutRequests(before));
  });
});
