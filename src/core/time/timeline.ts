import type { Account, Accounts } from '../accounts/accounts.ts';
import { EmulatorError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Transactions } from '../storage/transactions.ts';
import type { Task, Transition } from '../tasks/task.ts';
import type { Tasks } from '../tasks/task-engine.ts';
import { accountTimeMs, type Clock, type ClockMode, LATEST_MS, paceOf } from './clock.ts';

/** Bounds how long one transaction, and so one turn of the event loop, can take. */
const CHANGES_PER_TRANSACTION = 500;

export type Timeline = ReturnType<typeof createTimeline>;

/** Moves accounts along their clocks and plays what falls due on the way, each change at the moment it was due. */
export function createTimeline(
  transactions: Transactions,
  clock: Clock,
  accounts: Accounts,
  tasks: Tasks,
  events: Events,
) {
  const playSome = transactions.own((accountId: number, most: number): Transition[] => {
    const account = accounts.get(accountId);
    const played = tasks.playDue(account, accountTimeMs(account, clock.nowMs()), most);
    tasks.plotWake(account);
    return played;
  });

  /** Plays all that is due on the account. */
  function settle(accountId: number): Transition[] {
    const all: Transition[] = [];
    for (;;) {
      const some = playSome(accountId, CHANGES_PER_TRANSACTION);
      for (const transition of some) all.push(transition);
      if (some.length < CHANGES_PER_TRANSACTION) return all;
    }
  }

  /** Cheap when nothing is due, so that every answer can be exact to the millisecond without waiting for the worker. */
  function settleIfDue(account: Account): boolean {
    const isDue = account.wakeAtMs !== null && account.wakeAtMs <= clock.nowMs();
    if (isDue) settle(account.id);
    return isDue;
  }

  /**
   * Moves the clock with all that falls due on the way, a bounded number of changes in each transaction: what is played
   * and how far the clock has come are always of one piece.
   */
  const moveSome = transactions.own(
    (accountId: number, atMs: number): { played: Transition[]; isThere: boolean } => {
      const account = accounts.get(accountId);
      const nowMs = accountTimeMs(account, clock.nowMs());
      const played = tasks.playDue(account, Math.max(atMs, nowMs), CHANGES_PER_TRANSACTION);
      const isThere = played.length < CHANGES_PER_TRANSACTION;
      const toMs = isThere ? atMs : played.at(-1)!.atMs;
      if (toMs > nowMs) {
        accounts.setClock(accountId, account.clockMode, account.clockMs + (toMs - nowMs));
        events.emit({ type: 'account', accountId, change: 'clock' });
      }
      tasks.plotWake(accounts.get(accountId));
      return { played, isThere };
    },
  );

  /** @throws EmulatorError CLOCK_BACKWARDS, CLOCK_TOO_FAR */
  function checkMove(account: Account, nowMs: number, atMs: number): void {
    // Not where it was to go: that can be so far back that no date has a name for it.
    const shown = () => new Date(nowMs).toISOString();
    if (atMs > LATEST_MS) {
      throw new EmulatorError('CLOCK_TOO_FAR', `the clock of ${account.key} cannot go past the year 9999`);
    }
    if (atMs < nowMs) {
      throw new EmulatorError(
        'CLOCK_BACKWARDS',
        `the clock of ${account.key} shows ${shown()} and cannot go back`,
      );
    }
  }

  /**
   * `targetOf` is told what time it is, once: the wall clock runs on between two looks at it.
   * @throws EmulatorError CLOCK_BACKWARDS, CLOCK_TOO_FAR: nothing has changed
   */
  function moveTo(accountId: number, targetOf: (nowMs: number) => number): Transition[] {
    const account = accounts.get(accountId);
    const nowMs = accountTimeMs(account, clock.nowMs());
    const atMs = targetOf(nowMs);
    checkMove(account, nowMs, atMs);
    const all: Transition[] = [];
    for (;;) {
      const { played, isThere } = moveSome(accountId, atMs);
      for (const transition of played) all.push(transition);
      if (isThere) return all;
    }
  }

  /** Inside a transaction, after a change of clock or speed: the waits that are left follow the new pace. */
  function keepWhatIsLeft(before: Account): void {
    const after = accounts.get(before.id);
    if (paceOf(before) !== paceOf(after)) {
      tasks.rescaleDue(after.id, accountTimeMs(after, clock.nowMs()), paceOf(before) / paceOf(after));
    }
    tasks.plotWake(accounts.get(after.id));
  }

  return {
    nowMs: (account: Account): number => accountTimeMs(account, clock.nowMs()),
    settle,
    settleIfDue,

    /** @throws EmulatorError CLOCK_BACKWARDS when `ms` is negative. */
    advance(accountId: number, ms: number): Transition[] {
      return moveTo(accountId, (nowMs) => nowMs + ms);
    },

    /** To the next change of any task; stays where it is when nothing is due. */
    advanceToNext(accountId: number): Transition[] {
      settle(accountId);
      const dueAtMs = tasks.earliestDueMs(accountId);
      return dueAtMs === null ? [] : moveTo(accountId, notBefore(dueAtMs));
    },

    /**
     * Changes how the account's time goes; running tasks keep the simulated time they have left.
     * @throws EmulatorError CLOCK_BACKWARDS when `nowMs` lies before the account's time, CLOCK_TOO_FAR: nothing has changed
     */
    setClock(accountId: number, mode: ClockMode, nowMs?: number): Transition[] {
      const played = settle(accountId);
      transactions.own(() => {
        const before = accounts.get(accountId);
        const wallMs = clock.nowMs();
        const heldMs = accountTimeMs(before, wallMs);
        if (nowMs !== undefined) checkMove(before, heldMs, nowMs);
        accounts.setClock(accountId, mode, mode === 'real' ? heldMs - wallMs : heldMs);
        events.emit({ type: 'account', accountId, change: 'clock' });
        keepWhatIsLeft(before);
      })();
      return nowMs === undefined ? played : [...played, ...moveTo(accountId, notBefore(nowMs))];
    },

    /** Running tasks keep the simulated time they have left, and wait for it at the new speed. */
    setSpeed(accountId: number, speed: number): void {
      settle(accountId);
      transactions.own(() => {
        const before = accounts.get(accountId);
        accounts.setSpeed(accountId, speed);
        events.emit({ type: 'account', accountId, change: 'changed' });
        keepWhatIsLeft(before);
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
      const asked = find();
      if (!asked.some(isRunning)) return asked;
      // Read again: the account may have changed while the request came in.
      const account = accounts.get(accountId);
      if (account.clockMode !== 'auto') return settleIfDue(account) ? find() : asked;
      settle(accountId);
      const running = find().find(isRunning);
      const dueAtMs = running && tasks.leading(running).dueAtMs;
      if (typeof dueAtMs === 'number') moveTo(accountId, notBefore(dueAtMs));
      return find();
    },
  };
}

/** A moment that may have passed by the time it is asked for. */
const notBefore = (atMs: number) => (nowMs: number) => Math.max(nowMs, atMs);

const isRunning = (task: Task | undefined) => task?.status === 'processing';
