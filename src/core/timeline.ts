import type { Account, Accounts } from './accounts.ts';
import { accountTimeMs, type Clock, type ClockMode, paceOf } from './clock.ts';
import type { Db } from './db.ts';
import { EmulatorError } from './errors.ts';
import type { Task, Tasks, Transition } from './tasks.ts';

/** Bounds how long one transaction, and so one turn of the event loop, can take. */
const CHANGES_PER_TRANSACTION = 500;

export type Timeline = ReturnType<typeof createTimeline>;

/** Moves accounts along their clocks and plays what falls due on the way, each change at the moment it was due. */
export function createTimeline(db: Db, clock: Clock, accounts: Accounts, tasks: Tasks) {
  const playSome = db.transaction((accountId: number, most: number): Transition[] => {
    const account = accounts.get(accountId);
    const played = tasks.playDue(account, accountTimeMs(account, clock.nowMs()), most);
    tasks.plotWake(account);
    return played;
  });

  /** Plays all that is due on the account. */
  function settle(accountId: number): Transition[] {
    const all: Transition[] = [];
    for (;;) {
      const some = playSome.immediate(accountId, CHANGES_PER_TRANSACTION);
      for (const transition of some) all.push(transition);
      if (some.length < CHANGES_PER_TRANSACTION) return all;
    }
  }

  /** Cheap when nothing is due, so that every answer can be exact to the millisecond without waiting for the worker. */
  function settleIfDue(account: Account): void {
    if (account.wakeAtMs !== null && account.wakeAtMs <= clock.nowMs()) settle(account.id);
  }

  /** @throws EmulatorError CLOCK_BACKWARDS */
  function moveTo(account: Account, atMs: number): Transition[] {
    const nowMs = accountTimeMs(account, clock.nowMs());
    if (atMs < nowMs) {
      throw new EmulatorError('CLOCK_BACKWARDS', `the clock of ${account.key} cannot go back to ${atMs}`);
    }
    accounts.setClock(account.id, account.clockMode, account.clockMs + (atMs - nowMs));
    return settle(account.id);
  }

  return {
    nowMs: (account: Account): number => accountTimeMs(account, clock.nowMs()),
    settle,
    settleIfDue,

    /** @throws EmulatorError CLOCK_BACKWARDS when `ms` is negative. */
    advance(accountId: number, ms: number): Transition[] {
      const account = accounts.get(accountId);
      return moveTo(account, accountTimeMs(account, clock.nowMs()) + ms);
    },

    /** To the next change of any task; stays where it is when nothing is due. */
    advanceToNext(accountId: number): Transition[] {
      settle(accountId);
      const dueAtMs = tasks.earliestDueMs(accountId);
      return dueAtMs === null ? [] : moveTo(accounts.get(accountId), dueAtMs);
    },

    /**
     * Changes how the account's time goes; running tasks keep the simulated time they have left.
     * @throws EmulatorError CLOCK_BACKWARDS when `nowMs` lies before the account's time.
     */
    setClock(accountId: number, mode: ClockMode, nowMs?: number): void {
      settle(accountId);
      db.transaction(() => {
        const before = accounts.get(accountId);
        const wallMs = clock.nowMs();
        const heldMs = accountTimeMs(before, wallMs);
        if (nowMs !== undefined && nowMs < heldMs) {
          throw new EmulatorError('CLOCK_BACKWARDS', `the clock of ${before.key} cannot go back to ${nowMs}`);
        }
        const after = { ...before, clockMode: mode, clockMs: mode === 'real' ? heldMs - wallMs : heldMs };
        accounts.setClock(accountId, mode, after.clockMs);
        if (paceOf(before) !== paceOf(after)) {
          tasks.rescaleDue(accountId, heldMs, paceOf(before) / paceOf(after));
        }
        tasks.plotWake(accounts.get(accountId));
      }).immediate();
      if (nowMs !== undefined) moveTo(accounts.get(accountId), nowMs);
    },

    /**
     * What a client's poll sees: the named tasks as they stand now, undefined where the account has none of that id.
     * Under an `auto` clock the poll of an unfinished task first moves the clock to that task's next change.
     */
    poll(account: Account, ids: readonly string[]): (Task | undefined)[] {
      settleIfDue(account);
      const found = ids.map((id) => tasks.find(account.id, id));
      if (account.clockMode !== 'auto') return found;
      const running = found.find((task) => task?.status === 'processing');
      const dueAtMs = running && tasks.leading(running).dueAtMs;
      if (dueAtMs === undefined || dueAtMs === null) return found;
      const fresh = accounts.get(account.id);
      moveTo(fresh, Math.max(dueAtMs, fresh.clockMs));
      return ids.map((id) => tasks.find(account.id, id));
    },
  };
}
