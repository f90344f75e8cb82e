import { describe, expect, it } from 'vitest';
import type { CommitOptions, ImportedAccount } from '../../../src/core/accounts/account-import.ts';
import type { EntryRecord, TaskRecord } from '../../../src/core/accounts/account-rows.ts';
import type { Plan } from '../../../src/core/tasks/plan.ts';
import { buildFaultContext, buildProfile, createTestCore, recordChanges, type TestCore } from '../../support/core.ts';

const PLAN: Plan = { steps: [{ name: 'generating', atMs: 0 }], endMs: 10_000, outcome: { status: 'completed' } };
const GRANT: EntryRecord = {
  ...{ seq: 1, kind: 'grant', amount: 10, balance: 10, taskSeq: null, holdSeq: null, reason: 'initial', atMs: 1000 },
};
const HOLD: EntryRecord = { ...GRANT, seq: 2, kind: 'hold', amount: -4, balance: 6, taskSeq: 1, reason: null };
const TASK: TaskRecord = {
  ...{ seq: 1, id: 'task_a', family: 'sora-2', driver: 'worker', status: 'processing', price: 4, holdSeq: 2 },
  ...{ clientRef: null, input: '{}', plan: JSON.stringify(PLAN), step: 0, predecessorSeq: null, createdAtMs: 1000 },
  ...{ startedAtMs: 1000, dueAtMs: 11_000, finishedAtMs: null, simulatedMs: null, errorCode: null },
};
const RULE = { match: {}, at: 'task', effect: { fail: true }, times: 5 } as const;
const ACCOUNT: ImportedAccount = {
  ...{ key: 'k', origin: 'seed', rateLimit: 5, speed: 2, failureRate: 0.5, seed: 'imported', revoked: true },
  ...{ clockMode: 'frozen', nowMs: 5000, createdAtMs: 900, profile: buildProfile({ credits: 7 }), window: undefined },
};

/** Begins an import with a grant, a task with its hold, and a rule that fired twice. */
function stage(core: TestCore, task: Partial<TaskRecord> = {}) {
  const staged = core.imports.begin();
  staged.write(100, () => {
    staged.addEntry(GRANT, 0);
    staged.addEntry(HOLD, 1);
    staged.addTask({ ...TASK, ...task }, PLAN, 0);
    staged.addFault(RULE, 3, 2);
  });
  staged.flush();
  return staged;
}

function importAccount(core: TestCore, account: Partial<ImportedAccount> = {}, options: Partial<CommitOptions> = {}) {
  return stage(core).commit({ ...ACCOUNT, ...account }, { replace: false, ...options });
}

const countRows = (core: TestCore) =>
  ['accounts', 'ledger_entries', 'tasks', 'faults'].map((table) =>
    core.db.prepare(`SELECT count(*) FROM ${table}`).pluck().get(),
  );

describe('the commit of an import', () => {
  it('creates the account with its values, rows, rules and rate window', () => {
    const core = createTestCore();
    const staged = stage(core);
    staged.write(10, () => staged.addEvicted({ seq: 2, id: 'task_b', family: null }, 1));
    staged.flush();
    expect([core.accounts.find('k'), core.accounts.count()]).toEqual([undefined, 0]);
    const window = { startedAtMs: 4000, count: 3 };
    const account = staged.commit({ ...ACCOUNT, window }, { replace: false });
    const { window: _, nowMs, profile, ...values } = ACCOUNT;
    expect(account).toMatchObject({ ...values, clockMs: nowMs, balance: 6, entryCount: 2, taskCount: 2 });
    expect(core.accounts.find('k')).toEqual(account);
    expect(core.accounts.getProfile(account.id)).toEqual(profile);
    expect(core.tasks.list(account.id, 10)).toMatchObject([{ id: 'task_a', status: 'processing' }]);
    expect(core.faults.list(account.id)).toMatchObject([{ ...RULE, matched: 3, fired: 2 }]);
    expect(core.rateLimiter.peek(account.id, nowMs)).toEqual({ count: 3, resetAtMs: 3_604_000 });
    expect(core.ledger.verify(account.id)).toEqual([]);
  });

  it('continues the time of a real clock', () => {
    const core = createTestCore();
    const account = importAccount(core, { clockMode: 'real' });
    expect(core.timeline.nowMs(account)).toBe(5000);
    core.clock.advance(6000);
    core.worker.tick();
    expect(core.tasks.list(account.id, 1)).toMatchObject([{ status: 'completed', finishedAtMs: 11_000 }]);
  });

  it('applies what is due', () => {
    const core = createTestCore();
    const account = importAccount(core, { nowMs: 20_000 });
    expect(core.tasks.list(account.id, 1)).toMatchObject([{ status: 'completed', finishedAtMs: 11_000 }]);
    expect(account.entryCount).toBe(3);
  });

  it.each([
    [undefined, 'failed', 10],
    [true, 'processing', 6],
  ] as const)('fails and refunds synchronous tasks, unless it is read-only: %s', (readOnly, status, balance) => {
    const core = createTestCore();
    const staged = stage(core, { driver: 'stream', dueAtMs: null });
    const account = staged.commit(ACCOUNT, { replace: false, ...(readOnly && { readOnly }) });
    expect(core.tasks.list(account.id, 1)).toMatchObject([{ status }]);
    expect(account.balance).toBe(balance);
  });

  it('fails if the key is in use, unless it replaces the account, whose work in progress it cancels', async () => {
    const core = createTestCore();
    const existing = core.accounts.create('k', 'control', buildProfile());
    core.snapshots.take(existing.id, 's');
    const ended: unknown[] = [];
    core.lifetimes.onEnd((id, successor) => void ended.push(id, successor?.id));
    const staged = stage(core);
    expect(() => staged.commit(ACCOUNT, { replace: false })).toThrow(
      expect.objectContaining({ code: 'ACCOUNT_EXISTS', message: 'an account with the key k already exists' }),
    );
    await core.transactions.committed();
    expect([core.accounts.find('k')!.id, ended]).toEqual([existing.id, []]);
    const account = staged.commit(ACCOUNT, { replace: true });
    expect(core.accounts.find('k')).toMatchObject({ id: account.id, balance: 6 });
    await core.transactions.committed();
    expect(ended).toEqual([existing.id, account.id]);
    expect(countRows(core)).toEqual([1, 2, 1, 1]);
  });

  it('cancels nothing if it fails', async () => {
    const core = createTestCore();
    const existing = core.accounts.create('k', 'control', buildProfile());
    const lifetime = core.lifetimes.signalFor(existing.id);
    const staged = stage(core);
    core.db.exec("CREATE TRIGGER full AFTER UPDATE OF key ON accounts BEGIN SELECT RAISE(ABORT, 'full'); END");
    expect(() => staged.commit(ACCOUNT, { replace: true })).toThrow('full');
    await core.transactions.committed();
    expect([lifetime.aborted, core.accounts.find('k')!.id]).toEqual([false, existing.id]);
    staged.discard();
    expect(countRows(core)).toEqual([1, 1, 0, 0]);
  });

  it('is reported as a creation, a restored account or a reset', async () => {
    const core = createTestCore();
    const changes = recordChanges(core);
    importAccount(core);
    importAccount(core, {}, { replace: true });
    importAccount(core, {}, { replace: true, isReset: true });
    importAccount(core, { key: 'other' }, { isReset: true });
    await core.transactions.committed();
    expect(changes).toEqual(['k created', 'k restored', 'k reset', 'other created']);
  });
});

describe('an import that is discarded', () => {
  it('leaves nothing behind', () => {
    const core = createTestCore();
    const staged = stage(core);
    staged.write(100, () => {
      staged.addEntry({ ...HOLD, seq: 3, balance: 2, taskSeq: 2 }, 2);
      staged.addFault(RULE, 0, 0);
    });
    expect(staged.heldBytes).toBeGreaterThan(100);
    expect(core.faults.isEmpty()).toBe(false);
    for (const _ of [1, 2]) staged.discard();
    expect(staged.heldBytes).toBe(0);
    expect(core.faults.isEmpty()).toBe(true);
    expect(countRows(core)).toEqual([0, 0, 0, 0]);
  });

  it('is removed by the next start if it cannot be written to the disk', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('other', 'control', buildProfile());
    core.snapshots.take(id, 's');
    const staged = stage(core);
    core.db.exec('PRAGMA query_only = ON');
    staged.discard();
    core.db.exec('PRAGMA query_only = OFF');
    expect(countRows(core)).toEqual([3, 4, 1, 1]);
    core.imports.removeAbandoned();
    expect(countRows(core)).toEqual([2, 2, 0, 0]);
  });

  it('does not need an open database', () => {
    const core = createTestCore();
    const staged = stage(core);
    core.close();
    staged.discard();
  });
});

describe('the rows of an import', () => {
  it.each(['addTask', 'addEvicted'] as const)('report an error of the ledger before one of %s', (method) => {
    const core = createTestCore();
    const staged = core.imports.begin();
    staged.write(100, () => staged.addEntry({ ...GRANT, balance: 9 }, 0));
    const add = {
      addTask: () => staged.addTask({ ...TASK, seq: 5 }, PLAN, 0),
      addEvicted: () => staged.addEvicted({ seq: 5, id: 'task_a', family: null }, 0),
    }[method];
    expect(() => staged.write(100, add)).toThrow(expect.objectContaining({ table: 'ledger_entries', index: 0 }));
    expect(() => staged.write(100, add)).toThrow(expect.objectContaining({ table: 'tasks', field: 'seq' }));
  });

  it('wait for a flush, like the rules, which fire in the order they were added', () => {
    const core = createTestCore();
    const staged = core.imports.begin();
    staged.write(100, () => {
      for (const errorCode of ['one', 'two']) staged.addFault({ ...RULE, effect: { errorCode } }, 0, 0);
    });
    expect(core.faults.isEmpty()).toBe(true);
    staged.flush();
    staged.flush();
    const { id } = staged.commit(ACCOUNT, { replace: false });
    expect(core.faults.list(id)).toMatchObject([{ effect: { errorCode: 'one' } }, { effect: { errorCode: 'two' } }]);
    expect(core.faults.fire('task', buildFaultContext(id), 'seed')?.effect).toEqual({ errorCode: 'one' });
  });

  it('of a task wait for a flush, after those of the ledger', () => {
    const core = createTestCore();
    const staged = core.imports.begin();
    staged.write(100, () => {
      staged.addEntry(GRANT, 0);
      staged.addEntry(HOLD, 1);
    });
    staged.write(100, () => staged.addTask(TASK, PLAN, 0));
    staged.write(100, () => staged.addTask({ ...TASK, seq: 2, id: 'task_b', holdSeq: null, price: 0 }, PLAN, 1));
    expect(countRows(core)).toEqual([1, 2, 0, 0]);
    staged.flush();
    expect(countRows(core)).toEqual([1, 2, 2, 0]);
  });

  it('include a hold without a task', () => {
    const core = createTestCore();
    const staged = core.imports.begin();
    staged.write(100, () => {
      staged.addEntry(GRANT, 0);
      staged.addEntry(HOLD, 1);
    });
    expect(staged.findUnusedHold()).toBe(2);
  });
});
