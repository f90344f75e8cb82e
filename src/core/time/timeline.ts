import type { Account, Accounts } from '../accounts/accounts.ts';
import { EmulatorError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Task, Transition } from '../tasks/task.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { accountTimeMs, type Clock, type ClockMode, LATEST_MS, timeScale } from './clock.ts';

/** Bounds how long one transaction, and so one turn of the event loop, can take. */
const MAX_TRANSITIONS_PER_TRANSACTION = 500;

export type Timeline = ReturnType<typeof createTimeline>;

/** Moves accounts along their clocks and plays what falls due on the way, each change at the moment it was due. */
export function createTimeline(
  transactions: Transactions,
  clock: Clock,
  accounts: Accounts,
  tasks: Tasks,
  events: Events,
) {
  const applyBatch = transactions.exclusive((accountId: number, max: number): Transition[] => {
    const account = accounts.get(accountId);
    const applied = tasks.applyDue(account, accountTimeMs(account, clock.nowMs()), max);
    tasks.scheduleWake(account);
    return applied;
  });

  /** Plays all that is due on the account. */
  function applyDue(accountId: number): Transition[] {
    const all: Transition[] = [];
    for (;;) {
      const batch = applyBatch(accountId, MAX_TRANSITIONS_PER_TRANSACTION);
      for (const transition of batch) all.push(transition);
      if (batch.length < MAX_TRANSITIONS_PER_TRANSACTION) return all;
    }
  }

  /** Cheap when nothing is due, so that every answer can be exact to the millisecond without waiting for the worker. */
  function applyIfDue(account: Account): boolean {
    const isDue = account.wakeAtMs !== null && account.wakeAtMs <= clock.nowMs();
    if (isDue) applyDue(account.id);
    return isDue;
  }

  /**
   * Moves the clock with all that falls due on the way, a bounded number of changes in each transaction: what is played
   * and how far the clock has come are always of one piece.
   */
  const advanceBatch = transactions.exclusive(
    (accountId: number, atMs: number): { applied: Transition[]; reached: boolean } => {
      const account = accounts.get(accountId);
      const nowMs = accountTimeMs(account, clock.nowMs());
      const applied = tasks.applyDue(account, Math.max(atMs, nowMs), MAX_TRANSITIONS_PER_TRANSACTION);
      const reached = applied.length < MAX_TRANSITIONS_PER_TRANSACTION;
      const toMs = reached ? atMs : applied.at(-1)!.atMs;
      if (toMs > nowMs) {
        accounts.setClock(accountId, account.clockMode, account.clockMs + (toMs - nowMs));
        events.emit({ type: 'account', accountId, change: 'clock' });
      }
      tasks.scheduleWake(accounts.get(accountId));
      return { applied, reached };
    },
  );

  /** @throws EmulatorError CLOCK_BACKWARDS, CLOCK_TOO_FAR */
  function assertReachable(account: Account, nowMs: number, atMs: number): void {
    // Not where it was to go: that can be so far back that no date has a name for it.
    const formatNow = () => new Date(nowMs).toISOString();
    if (atMs > LATEST_MS) {
      throw new EmulatorError('CLOCK_TOO_FAR', `the clock of ${account.key} cannot go past the year 9999`);
    }
    if (atMs < nowMs) {
      throw new EmulatorError('CLOCK_BACKWARDS', `the clock of ${account.key} shows ${formatNow()} and cannot go back`);
    }
  }

  /**
   * `targetOf` is told what time it is, once: the wall clock runs on between two looks at it.
   * @throws EmulatorError CLOCK_BACKWARDS, CLOCK_TOO_FAR: nothing has changed
   */
  function advanceTo(accountId: number, getTargetMs: (nowMs: number) => number): Transition[] {
    const account = accounts.get(accountId);
    const nowMs = accountTimeMs(account, clock.nowMs());
    const atMs = getTargetMs(nowMs);
    assertReachable(account, nowMs, atMs);
    const all: Transition[] = [];
    for (;;) {
      const { applied, reached } = advanceBatch(accountId, atMs);
      for (const transition of applied) all.push(transition);
      if (reached) return all;
    }
  }

  /** Inside a transaction, after a change of clock or speed: the waits that are left follow the new pace. */
  function rescalePending(previous: Account): void {
    const current = accounts.get(previous.id);
    if (timeScale(previous) !== timeScale(current)) {
      tasks.rescaleDue(current.id, accountTimeMs(current, clock.nowMs()), timeScale(previous) / timeScale(current));
    }
    tasks.scheduleWake(accounts.get(current.id));
  }

  return {
    nowMs: (account: Account): number => accountTimeMs(account, clock.nowMs()),
    applyDue,
    settleIfDue: applyIfDue,

    /** @throws EmulatorError CLOCK_BACKWARDS when `ms` is negative. */
    advance(accountId: number, ms: number): Transition[] {
      return advanceTo(accountId, (nowMs) => nowMs + ms);
    },

    /** To the next change of any task; stays where it is when nothing is due. */
    advanceToNext(accountId: number): Transition[] {
      applyDue(accountId);
      const dueAtMs = tasks.earliestDueMs(accountId);
      return dueAtMs === null ? [] : advanceTo(accountId, atLeast(dueAtMs));
    },

    /**
     * Changes how the account's time goes; running tasks keep the simulated time they have left.
     * @throws EmulatorError CLOCK_BACKWARDS when `nowMs` lies before the account's time, CLOCK_TOO_FAR: nothing has changed
     */
    setClock(accountId: number, mode: ClockMode, nowMs?: number): Transition[] {
      const applied = applyDue(accountId);
      transactions.exclusive(() => {
        const previous = accounts.get(accountId);
        const wallMs = clock.nowMs();
        const accountMs = accountTimeMs(previous, wallMs);
        if (nowMs !== undefined) assertReachable(previous, accountMs, nowMs);
        accounts.setClock(accountId, mode, mode === 'real' ? accountMs - wallMs : accountMs);
        events.emit({ type: 'account', accountId, change: 'clock' });
        rescalePending(previous);
      })();
      return nowMs === undefined ? applied : [...applied, ...advanceTo(accountId, atLeast(nowMs))];
    },

    /** Running tasks keep the simulated time they have left, and wait for it at the new speed. */
    setSpeed(accountId: number, speed: number): void {
      applyDue(accountId);
      transactions.exclusive(() => {
        const previous = accounts.get(accountId);
        accounts.setSpeed(accountId, speed);
        events.emit({ type: 'account', accountId, change: 'changed' });
        rescalePending(previous);
      })();
    },

    /**
     * What a client's poll sees: the named tasks as they stand now, undefined where the account has none of that id in that
     * family. Under an `auto` clock the poll of an unfinished task first moves the clock to that task's next change.
     */
    poll(accountId: number, ids: readonly string[], family?: string): (Task | undefined)[] {
      const find = () =>
        ids.map((id) => {
          const task = tasks.find(accountId, id);
          return family === undefined || task?.family === family ? task : undefined;
        });
      const polled = find();
      if (!polled.some(isRunning)) return polled;
      // Read again: the account may have changed while the request came in.
      const account = accounts.get(accountId);
      if (account.clockMode !== 'auto') return applyIfDue(account) ? find() : polled;
      applyDue(accountId);
      const running = find().find(isRunning);
      const dueAtMs = running && tasks.headOfChain(running).dueAtMs;
      if (typeof dueAtMs === 'number') advanceTo(accountId, atLeast(dueAtMs));
      return find();
    },
  };
}

/** A moment that may have passed by the time it is asked for. */
const atLeast = (atMs: number) => (nowMs: number) => Math.max(nowMs, atMs);

const isRunning = (task: Task | undefined) => task?.status === 'processing';
