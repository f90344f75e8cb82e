import type { Account, Accounts } from '../accounts/accounts.ts';
import type { CoreContext } from '../context.ts';
import { CoreError } from '../errors.ts';
import { Date } from '../globals.ts';
import type { Task, Transition } from '../tasks/task.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { MAX_TRANSITIONS } from '../tasks/task-queries.ts';
import { accountTimeMs, type ClockMode, LATEST_MS, timeScale, toClockMs } from './clock.ts';

export type Timeline = ReturnType<typeof createTimeline>;

/** Advances accounts along their clocks and applies due transitions in order, each at the time at which it was due. */
export function createTimeline({ transactions, clock, events }: CoreContext, accounts: Accounts, tasks: Tasks) {
  /**
   * Advances the clock to `atMs`, unless it shows a later time, and applies the transitions on the way, up to a maximum
   * per transaction. The clock stops at the last applied transition, so that both are always consistent.
   */
  const advanceBatch = transactions.exclusive(
    (accountId: number, atMs: number): { applied: Transition[]; reached: boolean } => {
      const account = accounts.get(accountId);
      const nowMs = accountTimeMs(account, clock.nowMs());
      const applied = tasks.applyDue(account, Math.max(atMs, nowMs));
      const reached = applied.length < MAX_TRANSITIONS;
      const toMs = reached ? atMs : applied.at(-1)!.atMs;
      if (toMs > nowMs) {
        accounts.setClock(accountId, account.clockMode, account.clockMs + (toMs - nowMs));
        events.emit({ type: 'account', accountId, change: 'clock' });
      }
      tasks.scheduleWake(accounts.get(accountId));
      return { applied, reached };
    },
  );

  /** Like `advanceBatch`, for any number of transitions. Without a time, the clock stays where it is. */
  function advanceInBatches(accountId: number, atMs?: number | null): Transition[] {
    const all: Transition[] = [];
    for (;;) {
      const { applied, reached } = advanceBatch(accountId, atMs ?? Number.NEGATIVE_INFINITY);
      for (const transition of applied) all.push(transition);
      if (reached) return all;
    }
  }

  /** Applies all due transitions of the account. */
  const applyDue = (accountId: number): Transition[] => advanceInBatches(accountId);

  /**
   * Applies due transitions if there are any, and returns whether there were. Cheap enough for every request, so that
   * responses are exact to the millisecond and independent of the worker.
   */
  function applyIfDue(account: Account): boolean {
    const isDue = account.wakeAtMs !== null && account.wakeAtMs <= clock.nowMs();
    if (isDue) applyDue(account.id);
    return isDue;
  }

  /** @throws CLOCK_BACKWARDS when `atMs` is in the past, CLOCK_TOO_FAR when it is after the year 9999 */
  function assertReachable(account: Account, nowMs: number, atMs: number): void {
    if (atMs > LATEST_MS) {
      throw new CoreError('CLOCK_TOO_FAR', `the clock of ${account.key} cannot go past the year 9999`);
    }
    if (atMs < nowMs) {
      // The message shows the current time, because the target may be too early for a Date.
      const nowText = new Date(nowMs).toISOString();
      throw new CoreError('CLOCK_BACKWARDS', `the clock of ${account.key} shows ${nowText} and cannot go back`);
    }
  }

  /** Converts the remaining waits after a change of clock or speed. Must run inside a transaction. */
  function rescalePending(previous: Account): void {
    const current = accounts.get(previous.id);
    // Otherwise every waiting task would be written without a change.
    if (timeScale(previous) !== timeScale(current)) {
      tasks.rescaleDue(current.id, accountTimeMs(current, clock.nowMs()), timeScale(previous) / timeScale(current));
    }
    tasks.scheduleWake(accounts.get(current.id));
  }

  return {
    nowMs: (account: Account): number => accountTimeMs(account, clock.nowMs()),
    applyDue,
    applyIfDue,

    /** Advances the clock by `ms`. @throws CLOCK_BACKWARDS when `ms` is negative, CLOCK_TOO_FAR after the year 9999 */
    advance(accountId: number, ms: number): Transition[] {
      const account = accounts.get(accountId);
      const nowMs = accountTimeMs(account, clock.nowMs());
      assertReachable(account, nowMs, nowMs + ms);
      return advanceInBatches(accountId, nowMs + ms);
    },

    /** Advances the clock to the next transition of any task; does nothing when none is pending. */
    advanceToNext(accountId: number): Transition[] {
      applyDue(accountId);
      return advanceInBatches(accountId, tasks.earliestDueMs(accountId));
    },

    /**
     * Changes the clock mode and optionally the time; running tasks keep their remaining simulated time.
     * @throws CLOCK_BACKWARDS when `nowMs` is in the past, CLOCK_TOO_FAR when it is after the year 9999
     */
    setClock(accountId: number, mode: ClockMode, nowMs?: number): Transition[] {
      const applied = applyDue(accountId);
      const advanced = transactions.exclusive(() => {
        const previous = accounts.get(accountId);
        const wallMs = clock.nowMs();
        const accountMs = accountTimeMs(previous, wallMs);
        if (nowMs !== undefined) assertReachable(previous, accountMs, nowMs);
        accounts.setClock(accountId, mode, toClockMs(mode, accountMs, wallMs));
        events.emit({ type: 'account', accountId, change: 'clock' });
        rescalePending(previous);
        // In the same transaction: if the advance fails, the mode stays the same, too.
        return advanceBatch(accountId, nowMs ?? accountMs);
      })();
      const rest = advanced.reached ? [] : advanceInBatches(accountId, nowMs);
      return [...applied, ...advanced.applied, ...rest];
    },

    /** Changes the speed; running tasks keep their remaining simulated time and wait for it at the new speed. */
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
     * Returns the current state of the tasks for a client's poll; undefined for ids that the account does not have in
     * this family. On an `auto` clock, polling a running task first advances the clock to its next transition.
     */
    poll(accountId: number, ids: readonly string[], family?: string): (Task | undefined)[] {
      const find = () =>
        ids.map((id) => {
          const task = tasks.find(accountId, id);
          return family === undefined || task?.family === family ? task : undefined;
        });
      const polled = find();
      if (!polled.some(isRunning)) return polled;
      // Read again: the account may have changed since the request was authenticated.
      const account = accounts.get(accountId);
      if (account.clockMode !== 'auto') return applyIfDue(account) ? find() : polled;
      applyDue(accountId);
      const running = find().find(isRunning);
      if (running) advanceInBatches(accountId, tasks.headOfChain(running).dueAtMs);
      return find();
    },
  };
}

const isRunning = (task: Task | undefined) => task?.status === 'processing';
