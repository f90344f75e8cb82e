import { describe, expect, it } from 'vitest';
import type { AccountExport } from '../../../src/core/accounts/account-export.ts';
import { buildFaultContext, buildOrder, buildProfile, createTestCore, type TestCore } from '../../support/core.ts';

const FROZEN = buildProfile({ credits: 100_000, clock: { mode: 'frozen' } });

/** Reads an export to its end; `between` runs between two pages. */
function readAll(exported: AccountExport, between: () => void = () => {}) {
  const { nowMs, account, faults, rateWindow } = exported;
  const entries = [];
  const tasks = [];
  for (let page = exported.readEntries(); page.length > 0; page = exported.readEntries()) {
    entries.push(...page);
    between();
  }
  for (let page = exported.readTasks(); page.length > 0; page = exported.readTasks()) {
    tasks.push(...page);
    between();
  }
  exported.close();
  return { nowMs, balance: account.balance, faults, rateWindow, entries, tasks };
}

function createUsedAccount(core: TestCore, tasks = 300) {
  const account = core.accounts.create('k', 'control', FROZEN);
  for (let n = 0; n < tasks; n++) core.tasks.submit(account.id, [buildOrder({ seconds: 10 + n })]);
  core.tasks.submit(account.id, [buildOrder(), buildOrder(), buildOrder()], { chained: true });
  core.timeline.advance(account.id, 60_000);
  return account.id;
}

describe('export of an account', () => {
  it('is the state at its beginning, whatever changes between two pages', () => {
    const core = createTestCore();
    const id = createUsedAccount(core);
    core.faults.add(id, { match: {}, at: 'task', effect: { fail: true } });
    core.rateLimiter.hit(id, core.timeline.nowMs(core.accounts.get(id)));
    const before = readAll(core.exports.begin(id));
    expect(before.faults).toMatchObject([{ at: 'task', effect: { fail: true }, fired: 0 }]);
    let changes = 0;
    const after = readAll(core.exports.begin(id), () => {
      changes += 1;
      core.timeline.advance(id, 20_000);
      core.tasks.submit(id, [buildOrder()]);
      core.ledger.grant(id, 5, 'present', 0);
      core.faults.fire('task', buildFaultContext(id), 'seed');
      core.faults.clear(id);
      core.rateLimiter.hit(id, 0);
      if (changes === 2) core.timeline.setClock(id, 'real');
      if (changes === 3) core.timeline.setSpeed(id, 7);
    });
    expect(changes).toBeGreaterThan(5);
    expect(after).toEqual(before);
    expect(core.ledger.verify(id)).toEqual([]);
  });

  it('has each finished task either as it was or as evicted', () => {
    const core = createTestCore();
    const id = createUsedAccount(core);
    const ids = readAll(core.exports.begin(id)).tasks.map((task) => task.id);
    const exported = core.exports.begin(id);
    const { tasks } = readAll(exported, () => void core.tasks.evictOldest());
    expect(tasks.map(({ seq }) => seq)).toEqual(Array.from({ length: 303 }, (_, index) => index + 1));
    expect(tasks.map((task) => task.id)).toEqual(ids);
    expect(tasks.filter(({ family }) => family === null).length).toBeGreaterThan(0);
  });

  it('fails if a task ends and is evicted meanwhile, because the ledger does not have its end', () => {
    const core = createTestCore();
    const id = createUsedAccount(core);
    const exported = core.exports.begin(id);
    core.timeline.advance(id, 3_600_000);
    while (core.tasks.evictOldest());
    expect(() => readAll(exported)).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_MEMORY',
        message: 'a running task ended and was evicted during the export',
      }),
    );
  });

  it('fails if the account is reset meanwhile', () => {
    const core = createTestCore();
    const id = createUsedAccount(core);
    const exported = core.exports.begin(id);
    exported.readEntries();
    core.resets.reset(id);
    expect(() => exported.readTasks()).toThrow(
      expect.objectContaining({ code: 'ACCOUNT_NOT_FOUND', message: 'the account is gone' }),
    );
  });

  it('applies what is due at its beginning', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'control', buildProfile());
    core.tasks.submit(id, [buildOrder({ seconds: 10 })]);
    core.clock.advance(11_000);
    expect(readAll(core.exports.begin(id)).tasks).toMatchObject([{ status: 'completed' }]);
  });

  it('leaves nothing behind when it is closed', () => {
    const core = createTestCore();
    const id = createUsedAccount(core);
    const exported = core.exports.begin(id);
    expect(core.memory.usedBytes.responses).toBeGreaterThan(0);
    exported.close();
    exported.close();
    expect(core.memory.usedBytes.responses).toBe(0);
  });

  it('fails if its copy of the running tasks exceeds the memory budget', () => {
    const core = createTestCore();
    const id = createUsedAccount(core);
    core.memory.reserve('bodies', core.memory.maxBytesOf('bodies'));
    expect(() => core.exports.begin(id)).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_MEMORY',
        message: 'the memory for data of clients is full (--memory-budget-mb)',
      }),
    );
  });

  it('has fewer tasks in a page if they are large', () => {
    const core = createTestCore();
    const { id } = core.accounts.create('k', 'control', FROZEN);
    const input = { prompt: 'x'.repeat(40_000) };
    for (const _ of [1, 2, 3]) core.tasks.submit(id, [buildOrder({ input })]);
    const exported = core.exports.begin(id);
    expect([1, 2, 3].map(() => exported.readTasks().length)).toEqual([2, 1, 0]);
  });
});

describe('import of an account', () => {
  it('collects rows for one transaction, and counts them as held until then', () => {
    const core = createTestCore();
    const staged = core.imports.begin();
    const grant = { kind: 'grant', taskSeq: null, holdSeq: null, reason: null, atMs: 0, amount: 5 } as const;
    const rows: number[] = [];
    const held: number[] = [];
    for (const [index, bytes] of [100, 200_000, 200_000, 100].entries()) {
      const seq = index + 1;
      staged.write(bytes, () => staged.addEntry({ ...grant, seq, balance: 5 * seq }, index));
      rows.push(core.db.prepare('SELECT count(*) FROM ledger_entries').pluck().get() as number);
      held.push(staged.heldBytes);
    }
    expect(rows).toEqual([0, 0, 3, 3]);
    expect(held).toEqual([100, 200_100, 0, 100]);
    staged.discard();
    expect(staged.heldBytes).toBe(0);
  });

  it('does not affect counts, lists and lookups before the commit', () => {
    const core = createTestCore();
    const id = createUsedAccount(core, 3);
    const exported = core.exports.begin(id);
    const { account, nowMs, profile } = exported;
    const { entries, tasks } = readAll(exported);
    const staged = core.imports.begin();
    staged.write(1000, () => {
      for (const [index, entry] of entries.entries()) staged.addEntry(entry, index);
      for (const [index, task] of tasks.entries()) {
        if (task.family === null) staged.addEvicted(task, index);
        else staged.addTask(task, JSON.parse(task.plan), index);
      }
    });
    staged.flush();
    const counts = () => ({
      accounts: core.accounts.count(),
      listed: core.accounts.list(10).length,
      tasks: core.tasks.counts(),
      byId: core.tasks.findAcrossAccounts('sora-2', 'id', tasks[0]!.id).length,
      snapshots: core.snapshots.list(id, 10).length,
    });
    const before = counts();
    expect(before).toMatchObject({ accounts: 1, listed: 1, byId: 1, snapshots: 0 });
    core.worker.tick();
    const row = { ...account, key: 'copy', origin: 'control' as const, nowMs, profile, window: undefined };
    const copy = staged.commit(row, { replace: false, isReset: false, readOnly: false });
    expect(counts()).toMatchObject({ accounts: 2, listed: 2, byId: 2, snapshots: 0 });
    expect(readAll(core.exports.begin(copy.id))).toEqual(readAll(core.exports.begin(id)));
    expect(core.ledger.verify(copy.id)).toEqual([]);
    staged.discard();
    expect(core.accounts.has(copy.id)).toBe(true);
  });
});
