import type { Account, Accounts } from '../accounts/accounts.ts';
import type { CoreContext } from '../context.ts';
import { CoreError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { seededHex, seededRandom } from '../random.ts';
import { accountTimeMs, LATEST_MS, timeScale, wallTimeMs } from '../time/clock.ts';
import {
  COMPLETED,
  DEFAULT_FAILURE_CODE,
  drawPlan,
  nextTransitionMs,
  type Plan,
  type TerminalOutcome,
} from './plan.ts';
import type { Order, Task, Transition } from './task.ts';
import { MAX_TRANSITIONS } from './task-queries.ts';
import { createTaskStore } from './task-store.ts';

export type Tasks = ReturnType<typeof createTasks>;

/** Approximate size of a stored task with its ledger entries, without its input. */
const TASK_BYTES = 1000;

/** Seven hexadecimal digits. */
const SEQ_MODULUS = 0x1000_0000;

/**
 * Returns an id that clients of other accounts cannot guess. Ids of one account share a prefix and ascend, so that they
 * are neighbours in the index: with random ids, each insert touches another index page, which doubles the cost of
 * storing a task, and more as the number of tasks grows.
 */
function taskIdFor({ seed, key }: Account, seq: number): string {
  const seqHex = (seq % SEQ_MODULUS).toString(16).padStart(7, '0');
  return `task_${seededHex(6, 'account', seed, key)}${seqHex}${seededHex(11, 'task', seed, key, seq)}`;
}

/** A transition, and the task whose due time it changed: the same task or, if that has ended, its successor. */
interface Applied {
  transition: Transition;
  changed: Task | undefined;
}

/** Inserts a due task into a list of due tasks that is ordered by due time and number. */
function insertInOrder(due: Task[], task: Task): void {
  const [dueAtMs, seq] = [task.dueAtMs!, task.seq];
  const isEarlier = (other: Task) => other.dueAtMs! < dueAtMs || (other.dueAtMs === dueAtMs && other.seq < seq);
  due.splice(1 + due.findLastIndex(isEarlier), 0, task);
}

const FAILED: TerminalOutcome = { status: 'failed', errorCode: DEFAULT_FAILURE_CODE };

/**
 * Decides whether a task belongs to the share of the account's tasks that fail. A task that fails at one failure rate
 * fails at every higher one, too. The generator differs from that of the plan, so that the rate changes no durations.
 */
function drawOutcome({ failureRate, seed, key }: Account, seq: number): TerminalOutcome {
  if (failureRate === 0) return COMPLETED;
  return seededRandom('failure', seed, key, seq).next() < failureRate ? FAILED : COMPLETED;
}

/**
 * The life cycle of tasks: creates them with their holds, applies due transitions, and ends them together with the
 * capture or refund of the hold.
 */
export function createTasks(context: CoreContext, accounts: Accounts, ledger: Ledger) {
  const { transactions, clock, events, storage } = context;
  const store = createTaskStore(context);
  const { find, earliestDueMs } = store.published;

  function emitTransition(accountId: number, transition: Transition): Transition {
    events.emit({ type: 'task', accountId, transition });
    return transition;
  }

  /**
   * Applies everything due by now, and returns the current account and this time. A new ledger entry must have this
   * time: with a later one, the entry of a transition that falls due before it could follow it. Must run inside a
   * transaction.
   */
  function catchUp(accountId: number): { account: Account; nowMs: number } {
    const account = accounts.get(accountId);
    const nowMs = accountTimeMs(account, clock.nowMs());
    while (applyDue(account, nowMs).length === MAX_TRANSITIONS);
    return { account: accounts.get(accountId), nowMs };
  }

  /** Applies up to `MAX_TRANSITIONS` transitions due by `nowMs`, earliest first. Must run inside a transaction. */
  function applyDue(account: Account, nowMs: number): Transition[] {
    const transitions: Transition[] = [];
    const due = store.listDue(account.id, nowMs);
    while (due.length > 0 && transitions.length < MAX_TRANSITIONS) {
      const { transition, changed } = applyTransition(account, due.shift()!);
      transitions.push(transition);
      if (changed && (changed.dueAtMs ?? Number.POSITIVE_INFINITY) <= nowMs) insertInOrder(due, changed);
    }
    return transitions;
  }

  /** Applies the due transition of a task: its next step or its end. Must run inside a transaction. */
  function applyTransition(account: Account, task: Task): Applied {
    const { id, plan } = task;
    const atMs = task.dueAtMs!;
    const current = plan.steps[task.step];
    const next = plan.steps[task.step + 1];
    // A plan that hangs has no due time after its last step, so its outcome is terminal here.
    if (!current || !next) return finish(account, task, plan.outcome as TerminalOutcome, atMs, plan.endMs);
    const step = task.step + 1;
    const changed = store.update(task, { step, dueAtMs: nextDueMs(account, plan, step, atMs) });
    return { transition: emitTransition(account.id, { taskId: id, from: current.name, to: next.name, atMs }), changed };
  }

  /**
   * Numbers the tasks, holds each price and stores them, or does nothing when the balance does not cover the total.
   * That error is returned, not thrown: a throw would roll back the transitions that were applied first. Must run
   * inside a transaction.
   */
  function insertAll(
    accountId: number,
    orders: readonly Order[],
    inputs: readonly string[],
    driver: 'worker' | 'stream',
    chained: boolean,
  ): Task[] | CoreError {
    const { account, nowMs } = catchUp(accountId);
    const requiredCredits = orders.reduce((sum, order) => sum + order.price, 0);
    if (account.balance < requiredCredits) {
      return new CoreError('INSUFFICIENT_CREDITS', `needs ${requiredCredits} credits, has ${account.balance}`, {
        requiredCredits,
      });
    }
    let { entryCount } = account;
    const tasks = orders.map((order, index): Task => {
      const seq = account.taskCount + 1 + index;
      const id = taskIdFor(account, seq);
      const random = seededRandom('plan', account.seed, seq);
      const plan = drawPlan(order.template, random, drawOutcome(account, seq), order.overrides?.());
      const isWaiting = chained && index > 0;
      const dueAtMs = isWaiting || driver === 'stream' ? null : nextDueMs(account, plan, 0, nowMs);
      const task: Task = {
        accountId,
        seq,
        id,
        family: order.family,
        status: 'processing',
        price: order.price,
        clientRef: order.clientRef ?? null,
        plan,
        step: 0,
        predecessorSeq: isWaiting ? seq - 1 : null,
        createdAtMs: nowMs,
        startedAtMs: isWaiting ? null : nowMs,
        dueAtMs,
        finishedAtMs: null,
        simulatedMs: null,
        errorCode: null,
      };
      const isPaid = order.price > 0;
      if (isPaid) entryCount += 1;
      store.insert(task, driver, isPaid ? entryCount : null, inputs[index]!);
      if (isPaid) ledger.reflectTask(accountId, { kind: 'hold', amount: -order.price, taskId: id, atMs: nowMs });
      emitTransition(accountId, { taskId: id, from: 'created', to: 'processing', atMs: nowMs });
      return task;
    });
    accounts.reflectTasks(accountId, account.taskCount + tasks.length);
    scheduleWake(account);
    return tasks;
  }

  function nextWakeMs(account: Account): number | null {
    const dueAtMs = earliestDueMs(account.id);
    if (dueAtMs === null) return null;
    // A task without a duration is due at once, also on a clock that stands still.
    return wallTimeMs(account, dueAtMs) ?? (dueAtMs <= account.clockMs ? clock.nowMs() : null);
  }

  /** Stores when the worker must process the account next. Must be called after every change of a due time. */
  function scheduleWake(account: Account): void {
    const wakeAtMs = nextWakeMs(account);
    if (wakeAtMs !== account.wakeAtMs) accounts.setWake(account.id, wakeAtMs);
  }

  /** Returns when a step that starts at `atMs` ends, on the account's clock; null when it never does. */
  function nextDueMs(account: Account, plan: Plan, step: number, atMs: number): number | null {
    const transitionMs = nextTransitionMs(plan, step);
    if (transitionMs === null) return null;
    const waitMs = Math.round((transitionMs - plan.steps[step]!.atMs) / timeScale(account));
    // A long task of a slow account could otherwise end after the last representable timestamp.
    return Math.max(atMs, Math.min(atMs + waitMs, LATEST_MS));
  }

  /** Ends the task, which resolves its hold, and starts its successor. Must run inside a transaction. */
  function finish(account: Account, task: Task, outcome: TerminalOutcome, atMs: number, simulatedMs: number): Applied {
    const { id, price } = task;
    const errorCode = outcome.status === 'failed' ? outcome.errorCode : null;
    store.finish(task, { status: outcome.status, finishedAtMs: atMs, simulatedMs, errorCode });
    if (price > 0) {
      const [kind, amount] = errorCode === null ? (['capture', 0] as const) : (['refund', price] as const);
      ledger.reflectTask(account.id, { kind, amount, taskId: id, reason: errorCode, atMs });
    }
    let changed = store.findSuccessor(account.id, task.seq);
    if (changed) {
      // If the task ended while it was waiting, its successor waits for the task's own predecessor instead.
      const changes =
        task.startedAtMs === null
          ? { predecessorSeq: task.predecessorSeq }
          : { startedAtMs: atMs, dueAtMs: nextDueMs(account, changed.plan, 0, atMs) };
      changed = store.update(changed, changes);
    }
    return {
      transition: emitTransition(account.id, { taskId: id, from: 'processing', to: outcome.status, atMs }),
      changed,
    };
  }

  const finishNow = transactions.exclusive((accountId: number, id: string, outcome: TerminalOutcome): boolean => {
    // A stream can outlive its account, which may have been reset or removed.
    if (!accounts.has(accountId)) return false;
    const { account, nowMs } = catchUp(accountId);
    const task = find(accountId, id);
    if (task?.status !== 'processing') return false;
    finish(account, task, outcome, nowMs, elapsedMs(account, task, nowMs));
    scheduleWake(account);
    return true;
  });

  /** Returns a task's simulated time so far. Counts back from the next transition, since the speed may have changed. */
  function elapsedMs(account: Account, task: Task, nowMs: number): number {
    if (task.simulatedMs !== null) return task.simulatedMs;
    if (task.startedAtMs === null) return 0;
    const scale = timeScale(account);
    return task.dueAtMs === null
      ? Math.min(Math.round((nowMs - task.startedAtMs) * scale), Number.MAX_SAFE_INTEGER)
      : // The wait was rounded to milliseconds of the account's clock.
        Math.max(0, Math.round(nextTransitionMs(task.plan, task.step)! - (task.dueAtMs - nowMs) * scale));
  }

  const insertAllBatched = transactions.batched(insertAll);

  function insertOrThrow(
    accountId: number,
    orders: readonly Order[],
    driver: 'worker' | 'stream',
    chained: boolean,
  ): Task[] {
    const inputs = orders.map(({ input }) => JSON.stringify(input));
    const bytes = inputs.reduce((sum, input) => sum + Buffer.byteLength(input), TASK_BYTES * inputs.length);
    return storage.write(bytes, () => {
      const tasks = insertAllBatched(accountId, orders, inputs, driver, chained);
      if (tasks instanceof CoreError) throw tasks;
      return tasks;
    });
  }

  return {
    ...store.published,
    /**
     * Holds the price of every order and stores its task, all or nothing. With `chained`, each task starts when the one
     * before it has ended.
     * @throws INSUFFICIENT_CREDITS when the balance does not cover the total, with `requiredCredits` (the total)
     * @throws OUT_OF_MEMORY when the tasks do not fit into the memory budget
     */
    submit: (accountId: number, orders: readonly Order[], { chained = false } = {}): Task[] =>
      insertOrThrow(accountId, orders, 'worker', chained),
    /**
     * Creates a task that runs as long as its HTTP request; the request handler must end it with `complete` or `fail`.
     * @throws INSUFFICIENT_CREDITS when the balance does not cover the price, with `requiredCredits`
     * @throws OUT_OF_MEMORY when the task does not fit into the memory budget
     */
    submitSynchronous: (accountId: number, order: Order): Task =>
      insertOrThrow(accountId, [order], 'stream', false)[0]!,
    /** Completes a task now, regardless of its plan, and captures its hold. Returns false when it has already ended. */
    complete: (accountId: number, id: string) => finishNow(accountId, id, COMPLETED),
    /** Fails a task now and refunds its hold. Returns false when it has already ended. */
    fail: (accountId: number, id: string, errorCode: string) =>
      finishNow(accountId, id, { status: 'failed', errorCode }),
    /** Fails and refunds the synchronous tasks of one account or all, whose requests are gone. Returns their number. */
    failInterrupted: (accountId: number | null = null): number =>
      store
        .listSynchronous(accountId)
        .filter(({ accountId, id }) => finishNow(accountId, id, { status: 'failed', errorCode: 'INTERNAL_ERROR' }))
        .length,

    /** Returns a task's simulated time so far. */
    elapsedMs: (task: Task): number => {
      const account = accounts.get(task.accountId);
      return elapsedMs(account, task, accountTimeMs(account, clock.nowMs()));
    },
    /** Returns the running task for which this one waits, directly or through others; itself when it is not waiting. */
    headOfChain(task: Task): Task {
      let head = task;
      while (head.predecessorSeq !== null) {
        const predecessor = store.bySeq(head.accountId, head.predecessorSeq);
        if (predecessor?.status !== 'processing') break;
        head = predecessor;
      }
      return head;
    },
    applyDue,
    scheduleWake,
    /** Applies everything due by now. Returns this time on the account's clock, which a new ledger entry must have. */
    catchUp: transactions.exclusive((accountId: number): number => {
      const { account, nowMs } = catchUp(accountId);
      scheduleWake(account);
      return nowMs;
    }),
  };
}
