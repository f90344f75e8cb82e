import type { Account, Accounts } from '../accounts/accounts.ts';
import { EmulatorError } from '../errors.ts';
import type { Events } from '../events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { seededHex, seededRandom } from '../random.ts';
import type { Db } from '../storage/database.ts';
import type { Transactions } from '../storage/transactions.ts';
import { accountTimeMs, type Clock, LATEST_MS, timeScale, wallTimeMs } from '../time/clock.ts';
import { COMPLETED, drawPlan, nextTransitionMs, type Plan, type TerminalOutcome } from './plan.ts';
import type { Order, Task, TaskStatus, Transition } from './task.ts';
import type { DueRow } from './task-queries.ts';
import { createTaskStore } from './task-store.ts';

export type Tasks = ReturnType<typeof createTasks>;

const SEQ_MODULUS = 0x1000_0000;

/**
 * Nobody can guess the id of another account's task, but those of one account lie side by side in the index: where each
 * falls on a page of its own, a task costs twice as much to store, and ever more with the number of tasks.
 */
function taskIdFor({ seed, key }: Account, seq: number): string {
  const seqHex = (seq % SEQ_MODULUS).toString(16).padStart(7, '0');
  return `task_${seededHex(6, 'account', seed, key)}${seqHex}${seededHex(11, 'task', seed, key, seq)}`;
}

export function createTasks(
  db: Db,
  transactions: Transactions,
  clock: Clock,
  accounts: Accounts,
  ledger: Ledger,
  events: Events,
) {
  const store = createTaskStore(db, transactions);
  const { find, earliestDueMs } = store;

  function emitTransition(accountId: number, transition: Transition): Transition {
    events.emit({ type: 'task', accountId, transition });
    return transition;
  }

  /** Inside a transaction: the account after all that is due by now, so that nothing new comes before it in time. */
  function catchUp(accountId: number): Account {
    const account = accounts.get(accountId);
    const applied = applyDue(account, accountTimeMs(account, clock.nowMs()), Number.POSITIVE_INFINITY);
    return applied.length > 0 ? accounts.get(accountId) : account;
  }

  /** Inside a transaction: plays up to `most` changes that were due by `nowMs`, earliest first. */
  function applyDue(account: Account, nowMs: number, max: number): Transition[] {
    const transitions: Transition[] = [];
    while (transitions.length < max) {
      const due = store.nextDue(account.id, nowMs);
      if (!due) break;
      transitions.push(applyTransition(account, due));
    }
    return transitions;
  }

  /**
   * Inside a transaction. Numbers the tasks, holds each price, stores them; nothing if the whole is not covered. That refusal
   * is returned, not thrown, so that what fell due before it stays played.
   */
  function insertAll(
    accountId: number,
    orders: readonly Order[],
    driver: 'worker' | 'stream',
    chained: boolean,
  ): Task[] | EmulatorError {
    const account = catchUp(accountId);
    const requiredCredits = orders.reduce((sum, order) => sum + order.price, 0);
    if (account.balance < requiredCredits) {
      return new EmulatorError('INSUFFICIENT_CREDITS', `needs ${requiredCredits} credits, has ${account.balance}`, {
        requiredCredits,
      });
    }
    const nowMs = accountTimeMs(account, clock.nowMs());
    const tasks = orders.map((order, index): Task => {
      const seq = account.taskCount + 1 + index;
      const id = taskIdFor(account, seq);
      const plan = drawPlan(order.template, seededRandom('plan', account.seed, seq), order.overrides?.());
      const isWaiting = chained && index > 0;
      const dueAtMs = isWaiting || driver === 'stream' ? null : nextDueMs(account, plan, 0, nowMs);
      const task: Task = {
        accountId,
        seq,
        id,
        family: order.family,
        status: 'processing',
        price: order.price,
        holdSeq: order.price > 0 ? ledger.hold(accountId, order.price, id, nowMs) : null,
        clientRef: order.clientRef ?? null,
        plan,
        step: 0,
        follows: isWaiting ? seq - 1 : null,
        createdAtMs: nowMs,
        startedAtMs: isWaiting ? null : nowMs,
        dueAtMs,
        finishedAtMs: null,
        simulatedMs: null,
        errorCode: null,
      };
      store.insert(task, driver, order.input);
      emitTransition(accountId, { taskId: id, from: 'created', to: 'processing', atMs: nowMs });
      return task;
    });
    accounts.setTaskCounters(accountId, account.taskCount + tasks.length, nextWakeMs(account));
    return tasks;
  }

  function nextWakeMs(account: Account): number | null {
    const dueAtMs = earliestDueMs(account.id);
    return dueAtMs === null ? null : wallTimeMs(account, dueAtMs);
  }

  /** Tells the worker when to look at the account next. To be called after anything that moves a due time. */
  function scheduleWake(account: Account): void {
    const wakeAtMs = nextWakeMs(account);
    if (wakeAtMs !== account.wakeAtMs) accounts.setWake(account.id, wakeAtMs);
  }

  /** When the step that begins at `atMs` is over; null: never. */
  function nextDueMs(account: Account, plan: Plan, step: number, atMs: number): number | null {
    const transitionMs = nextTransitionMs(plan, step);
    if (transitionMs === null) return null;
    const waitMs = Math.round((transitionMs - plan.steps[step]!.atMs) / timeScale(account));
    // A long task on a slow account would end when no clock can tell the time.
    return Math.max(atMs, Math.min(atMs + waitMs, LATEST_MS));
  }

  /** Inside a transaction: resolves the hold, ends the task, starts the one that waited for it. */
  function finish(
    account: Account,
    task: Pick<Task, 'accountId' | 'seq' | 'id' | 'holdSeq' | 'startedAtMs' | 'follows'>,
    outcome: TerminalOutcome,
    atMs: number,
    simulatedMs: number,
  ): Transition {
    const errorCode = outcome.status === 'failed' ? outcome.errorCode : null;
    if (task.holdSeq !== null) {
      if (errorCode === null) ledger.capture(account.id, task.holdSeq, task.id, atMs);
      else ledger.refund(account.id, task.holdSeq, task.id, errorCode, atMs);
    }
    store.finish(task, { status: outcome.status, atMs, simulatedMs, errorCode });
    const successor = store.findSuccessor(account.id, task.seq);
    if (successor) {
      const next = { accountId: account.id, seq: successor.seq, id: successor.id };
      // One that ended while it waited hands on its place in the row.
      if (task.startedAtMs === null) store.setPredecessor(next, task.follows);
      else store.start(next, atMs, nextDueMs(account, store.parsePlan(successor), 0, atMs));
    }
    return emitTransition(account.id, { taskId: task.id, from: 'processing', to: outcome.status, atMs });
  }

  /** Inside a transaction: the next step of a task whose time has come, or its end. */
  function applyTransition(account: Account, row: DueRow): Transition {
    const plan = store.parsePlan(row);
    const atMs = row.dueAtMs!;
    const current = plan.steps[row.step];
    const next = plan.steps[row.step + 1];
    // A plan that hangs is never due at its end.
    if (!current || !next) return finish(account, row, plan.outcome as TerminalOutcome, atMs, plan.endMs);
    const step = row.step + 1;
    const dueAtMs = nextDueMs(account, plan, step, atMs);
    store.advanceStep(row, step, dueAtMs);
    return emitTransition(account.id, { taskId: row.id, from: current.name, to: next.name, atMs });
  }

  const finishNow = transactions.exclusive((accountId: number, id: string, outcome: TerminalOutcome): boolean => {
    // A stream can outlive its account.
    if (!accounts.has(accountId)) return false;
    const account = catchUp(accountId);
    const task = find(accountId, id);
    if (task?.status !== 'processing') return false;
    const nowMs = accountTimeMs(account, clock.nowMs());
    finish(account, task, outcome, nowMs, elapsedMs(account, task, nowMs));
    scheduleWake(account);
    return true;
  });

  /** How far a task has come. Counted back from its next change, because the pace may have changed on the way. */
  function elapsedMs(account: Account, task: Task, nowMs: number): number {
    if (task.simulatedMs !== null) return task.simulatedMs;
    if (task.startedAtMs === null) return 0;
    const scale = timeScale(account);
    return task.dueAtMs === null
      ? Math.round((nowMs - task.startedAtMs) * scale)
      : Math.round(nextTransitionMs(task.plan, task.step)! - (task.dueAtMs - nowMs) * scale);
  }

  const insertAllBatched = transactions.batched(insertAll);

  function insertOrThrow(...args: Parameters<typeof insertAll>): Task[] {
    const tasks = insertAllBatched(...args);
    if (tasks instanceof EmulatorError) throw tasks;
    return tasks;
  }

  return {
    /**
     * Holds the price of every order and stores its task, all or nothing.
     * `chained`: each task starts when the one before it has ended.
     * @throws EmulatorError INSUFFICIENT_CREDITS with `requiredCredits`, the price of the whole.
     */
    submit: (accountId: number, orders: readonly Order[], { chained = false } = {}): Task[] =>
      insertOrThrow(accountId, orders, 'worker', chained),
    /**
     * The same for work that lasts as long as its request: whoever answers that ends it with `complete` or `fail`.
     * @throws EmulatorError INSUFFICIENT_CREDITS
     */
    submitSynchronous: (accountId: number, order: Order): Task =>
      insertOrThrow(accountId, [order], 'stream', false)[0]!,
    /** Ends a task now, whatever its plan says, and captures its hold. False when it had ended already. */
    complete: (accountId: number, id: string) => finishNow(accountId, id, COMPLETED),
    /** Ends a task now and refunds its hold. False when it had ended already. */
    fail: (accountId: number, id: string, errorCode: string) =>
      finishNow(accountId, id, { status: 'failed', errorCode }),
    /** What was to be answered in its request, by nobody now, is refunded: of one account, or of all of them. */
    failInterrupted: (accountId: number | null = null): number =>
      store
        .listSynchronous(accountId)
        .filter(({ accountId, id }) => finishNow(accountId, id, { status: 'failed', errorCode: 'INTERNAL_ERROR' }))
        .length,

    find,
    /** How many there are of each kind, in all accounts. */
    counts: store.counts,
    /** Whether any account has such a task: some families tell another key's task from one that does not exist. */
    existsAnywhere: store.existsAnywhere,
    /**
     * Every account's task of this family that has this id: an account and its forks can share one, the oldest comes first.
     * What a client calls a task is looked for among those that were completed in their request, and the newest come first.
     */
    findAcrossAccounts: (family: string, by: 'id' | 'clientRef', value: string): Task[] =>
      (by === 'id' ? store.findAcrossAccounts : store.findByClientRef)(value, family),
    /** How far a task has come, in simulated time. */
    elapsedMs: (task: Task): number => {
      const account = accounts.get(task.accountId);
      return elapsedMs(account, task, accountTimeMs(account, clock.nowMs()));
    },
    /** The request that made the task, as its family stored it; undefined when the account has no such task. */
    getInput: store.getInput,
    /** Oldest first, those after the place `after`. */
    list: (accountId: number, limit: number, after = 0, status: TaskStatus | null = null): Task[] =>
      store.list(accountId, limit, after, status),
    /** A task that waits for another stands still until that one moves: this finds the one that moves first. */
    headOfChain(task: Task): Task {
      let head = task;
      while (head.dueAtMs === null && head.follows !== null) {
        const predecessor = store.bySeq(head.accountId, head.follows);
        if (predecessor?.status !== 'processing') break;
        head = predecessor;
      }
      return head;
    },
    applyDue,
    earliestDueMs,
    scheduleWake,
    /** Stretches or shortens the waits that are left by `factor`: the account's pace has changed. */
    rescaleDue: (accountId: number, nowMs: number, factor: number) =>
      store.rescale(accountId, nowMs, factor, LATEST_MS),
    /** Rows of the account have come in ways of their own. */
    invalidate: store.invalidate,
  };
}
