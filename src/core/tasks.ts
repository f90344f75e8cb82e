import type { Account, Accounts } from './accounts.ts';
import { accountTimeMs, type Clock, paceOf, wallTimeMs } from './clock.ts';
import type { Db } from './db.ts';
import { EmulatorError } from './errors.ts';
import type { Ledger } from './ledger.ts';
import { COMPLETED, drawPlan, nextChangeMs, type Outcome, type Plan } from './plan.ts';
import { digestOf, randomOf } from './random.ts';
import type { Order, Task, TaskStatus, Transition } from './task.ts';

export type Tasks = ReturnType<typeof createTasks>;

type TaskRow = Omit<Task, 'plan'> & { plan: string };
type DueRow = Pick<
  TaskRow,
  'accountId' | 'seq' | 'id' | 'holdSeq' | 'plan' | 'step' | 'follows' | 'startedAtMs' | 'dueAtMs'
>;

const DUE_COLUMNS = `account_id AS accountId, seq, id, hold_seq AS holdSeq, plan, step, follows,
  started_at AS startedAtMs, due_at AS dueAtMs`;
/** All but the input, which can be long and which a poll does not need. */
const COLUMNS = `${DUE_COLUMNS}, family, status, price, client_ref AS clientRef, created_at AS createdAtMs,
  finished_at AS finishedAtMs, simulated_ms AS simulatedMs, error_code AS errorCode`;

export function createTasks(db: Db, clock: Clock, accounts: Accounts, ledger: Ledger) {
  const insert = db.prepare(`
    INSERT INTO tasks (account_id, seq, id, family, driver, price, hold_seq, client_ref, input, plan, follows,
                       created_at, started_at, due_at)
    VALUES (@accountId, @seq, @id, @family, @driver, @price, @holdSeq, @clientRef, @input, @plan, @follows,
            @createdAtMs, @startedAtMs, @dueAtMs)`);
  const byId = db.prepare<[string, number], TaskRow>(
    `SELECT ${COLUMNS} FROM tasks WHERE id = ? AND account_id = ?`,
  );
  const anywhere = db
    .prepare<[string, string], number>('SELECT 1 FROM tasks WHERE id = ? AND family = ? LIMIT 1')
    .pluck();
  const inputById = db
    .prepare<[string, number], string>('SELECT input FROM tasks WHERE id = ? AND account_id = ?')
    .pluck();
  const bySeq = db.prepare<[number, number], TaskRow>(
    `SELECT ${COLUMNS} FROM tasks WHERE account_id = ? AND seq = ?`,
  );
  const page = db.prepare<
    { accountId: number; after: number; status: TaskStatus | null; limit: number },
    TaskRow
  >(`SELECT ${COLUMNS} FROM tasks
     WHERE account_id = @accountId AND seq > @after AND status = ifnull(@status, status)
     ORDER BY seq LIMIT @limit`);
  const nextDue = db.prepare<[number, number], DueRow>(
    `SELECT ${DUE_COLUMNS} FROM tasks WHERE account_id = ? AND due_at <= ? ORDER BY due_at, seq LIMIT 1`,
  );
  const earliestDue = db
    .prepare<[number], number | null>(
      'SELECT min(due_at) FROM tasks WHERE account_id = ? AND due_at IS NOT NULL',
    )
    .pluck();
  const follower = db.prepare<[number, number], Pick<TaskRow, 'seq' | 'plan'>>(
    `SELECT seq, plan FROM tasks
     WHERE account_id = ? AND follows = ? AND follows IS NOT NULL AND status = 'processing'`,
  );
  const start = db.prepare(
    'UPDATE tasks SET started_at = @atMs, due_at = @dueAtMs WHERE account_id = @accountId AND seq = @seq',
  );
  const setFollows = db.prepare(
    'UPDATE tasks SET follows = @follows WHERE account_id = @accountId AND seq = @seq',
  );
  const toStep = db.prepare(
    'UPDATE tasks SET step = @step, due_at = @dueAtMs WHERE account_id = @accountId AND seq = @seq',
  );
  const setEnd = db.prepare(`
    UPDATE tasks SET status = @status, finished_at = @atMs, simulated_ms = @simulatedMs, error_code = @errorCode,
                     due_at = NULL
    WHERE account_id = @accountId AND seq = @seq`);
  const rescale = db.prepare(`
    UPDATE tasks SET due_at = CAST(round(@nowMs + (due_at - @nowMs) * @factor) AS INTEGER)
    WHERE account_id = @accountId AND due_at IS NOT NULL`);
  const streaming = db.prepare<[], { accountId: number; id: string }>(
    "SELECT account_id AS accountId, id FROM tasks WHERE driver = 'stream' AND status = 'processing'",
  );

  const read = (row: TaskRow): Task => ({ ...row, plan: JSON.parse(row.plan) });

  /** Inside a transaction: the account after all that is due by now, so that nothing new comes before it in time. */
  function caughtUp(accountId: number): Account {
    const account = accounts.get(accountId);
    const played = playDue(account, accountTimeMs(account, clock.nowMs()), Number.POSITIVE_INFINITY);
    return played.length > 0 ? accounts.get(accountId) : account;
  }

  /** Inside a transaction: plays up to `most` changes that were due by `nowMs`, earliest first. */
  function playDue(account: Account, nowMs: number, most: number): Transition[] {
    const transitions: Transition[] = [];
    while (transitions.length < most) {
      const due = nextDue.get(account.id, nowMs);
      if (!due) break;
      transitions.push(moveOn(account, due));
    }
    return transitions;
  }

  /** Inside a transaction. Numbers the tasks, holds each price, stores them; nothing if the whole is not covered. */
  function store(
    accountId: number,
    orders: readonly Order[],
    driver: 'worker' | 'stream',
    chained: boolean,
  ): Task[] {
    const account = caughtUp(accountId);
    const requiredCredits = orders.reduce((sum, order) => sum + order.price, 0);
    if (account.balance < requiredCredits) {
      throw new EmulatorError(
        'INSUFFICIENT_CREDITS',
        `needs ${requiredCredits} credits, has ${account.balance}`,
        { requiredCredits },
      );
    }
    const nowMs = accountTimeMs(account, clock.nowMs());
    const tasks = orders.map((order, index): Task => {
      const seq = account.taskCount + 1 + index;
      const id = `task_${digestOf(24, 'task', account.seed, account.key, seq)}`;
      const plan = drawPlan(order.template, randomOf('plan', account.seed, seq), order.outcome);
      const waits = chained && index > 0;
      const dueAtMs =
        waits || driver === 'stream' ? null : nowMs + Math.round(nextChangeMs(plan, 0) / paceOf(account));
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
        follows: waits ? seq - 1 : null,
        createdAtMs: nowMs,
        startedAtMs: waits ? null : nowMs,
        dueAtMs,
        finishedAtMs: null,
        simulatedMs: null,
        errorCode: null,
      };
      insert.run({ ...task, driver, input: JSON.stringify(order.input), plan: JSON.stringify(plan) });
      return task;
    });
    accounts.addTasks(accountId, tasks.length);
    plotWake(account);
    return tasks;
  }

  /** Tells the worker when to look at the account next. To be called after anything that moves a due time. */
  function plotWake(account: Account): void {
    const dueAtMs = earliestDue.get(account.id) ?? null;
    const wakeAtMs = dueAtMs === null ? null : wallTimeMs(account, dueAtMs);
    if (wakeAtMs !== account.wakeAtMs) accounts.setWake(account.id, wakeAtMs);
  }

  /** Inside a transaction: resolves the hold, ends the task, starts the one that waited for it. */
  function finish(
    account: Account,
    task: Pick<Task, 'seq' | 'id' | 'holdSeq' | 'startedAtMs' | 'follows'>,
    outcome: Outcome,
    atMs: number,
    simulatedMs: number,
  ): Transition {
    const errorCode = outcome.status === 'failed' ? outcome.errorCode : null;
    if (task.holdSeq !== null) {
      if (errorCode === null) ledger.capture(account.id, task.holdSeq, task.id, atMs);
      else ledger.refund(account.id, task.holdSeq, task.id, errorCode, atMs);
    }
    const { seq } = task;
    setEnd.run({ accountId: account.id, seq, status: outcome.status, atMs, simulatedMs, errorCode });
    const next = follower.get(account.id, seq);
    // One that ended while it waited hands on its place in the row.
    if (next && task.startedAtMs === null) {
      setFollows.run({ accountId: account.id, seq: next.seq, follows: task.follows });
    } else if (next) {
      const dueAtMs = atMs + Math.round(nextChangeMs(JSON.parse(next.plan), 0) / paceOf(account));
      start.run({ accountId: account.id, seq: next.seq, atMs, dueAtMs });
    }
    return { taskId: task.id, from: 'processing', to: outcome.status, atMs };
  }

  /** Inside a transaction: the next step of a task whose time has come, or its end. */
  function moveOn(account: Account, row: DueRow): Transition {
    const plan: Plan = JSON.parse(row.plan);
    const atMs = row.dueAtMs!;
    const here = plan.steps[row.step];
    const next = plan.steps[row.step + 1];
    if (!here || !next) return finish(account, row, plan.outcome, atMs, plan.endMs);
    const step = row.step + 1;
    const dueAtMs = atMs + Math.round((nextChangeMs(plan, step) - next.atMs) / paceOf(account));
    toStep.run({ accountId: account.id, seq: row.seq, step, dueAtMs });
    return { taskId: row.id, from: here.name, to: next.name, atMs };
  }

  function find(accountId: number, id: string): Task | undefined {
    const row = byId.get(id, accountId);
    return row && read(row);
  }

  const end = db.transaction((accountId: number, id: string, outcome: Outcome): boolean => {
    const account = caughtUp(accountId);
    const task = find(accountId, id);
    if (task?.status !== 'processing') return false;
    const nowMs = accountTimeMs(account, clock.nowMs());
    finish(account, task, outcome, nowMs, elapsedMs(account, task, nowMs));
    plotWake(account);
    return true;
  }).immediate;

  /** How far a task has come. Counted back from its next change, because the pace may have changed on the way. */
  function elapsedMs(account: Account, task: Task, nowMs: number): number {
    if (task.simulatedMs !== null) return task.simulatedMs;
    if (task.startedAtMs === null) return 0;
    const pace = paceOf(account);
    return task.dueAtMs === null
      ? Math.round((nowMs - task.startedAtMs) * pace)
      : Math.round(nextChangeMs(task.plan, task.step) - (task.dueAtMs - nowMs) * pace);
  }

  return {
    /**
     * Holds the price of every order and stores its task, all or nothing.
     * `chained`: each task starts when the one before it has ended.
     * @throws EmulatorError INSUFFICIENT_CREDITS with `requiredCredits`, the price of the whole.
     */
    submit: db.transaction((accountId: number, orders: readonly Order[], { chained = false } = {}): Task[] =>
      store(accountId, orders, 'worker', chained),
    ).immediate,
    /**
     * The same for work that lasts as long as its request: whoever answers that ends it with `complete` or `fail`.
     * @throws EmulatorError INSUFFICIENT_CREDITS
     */
    submitInRequest: db.transaction(
      (accountId: number, order: Order) => store(accountId, [order], 'stream', false)[0]!,
    ).immediate,
    /** Ends a task now, whatever its plan says, and captures its hold. False when it had ended already. */
    complete: (accountId: number, id: string) => end(accountId, id, COMPLETED),
    /** Ends a task now and refunds its hold. False when it had ended already. */
    fail: (accountId: number, id: string, errorCode: string) =>
      end(accountId, id, { status: 'failed', errorCode }),
    /** What was answered in its request when the last process ended is refunded. Returns how many there were. */
    failInterrupted: (): number =>
      streaming
        .all()
        .filter(({ accountId, id }) => end(accountId, id, { status: 'failed', errorCode: 'INTERNAL_ERROR' }))
        .length,

    find,
    /** Whether any account has such a task: some families tell another key's task from one that does not exist. */
    existsAnywhere: (id: string, family: string): boolean => anywhere.get(id, family) !== undefined,
    /** How far a task has come, in simulated time. */
    elapsedMs: (task: Task): number => {
      const account = accounts.get(task.accountId);
      return elapsedMs(account, task, accountTimeMs(account, clock.nowMs()));
    },
    /** The request that made the task, as its family stored it; undefined when the account has no such task. */
    inputOf(accountId: number, id: string): unknown {
      const input = inputById.get(id, accountId);
      return input === undefined ? undefined : JSON.parse(input);
    },
    /** Oldest first, those after the place `after`. */
    list: (accountId: number, limit: number, after = 0, status: TaskStatus | null = null): Task[] =>
      page.all({ accountId, limit, after, status }).map(read),
    /** A task that waits for another stands still until that one moves: this finds the one that moves first. */
    leading(task: Task): Task {
      let leading = task;
      while (leading.dueAtMs === null && leading.follows !== null) {
        const before = bySeq.get(leading.accountId, leading.follows);
        if (before?.status !== 'processing') break;
        leading = read(before);
      }
      return leading;
    },
    playDue,
    earliestDueMs: (accountId: number): number | null => earliestDue.get(accountId) ?? null,
    plotWake,
    /** Stretches or shortens the waits that are left by `factor`: the account's pace has changed. */
    rescaleDue: (accountId: number, nowMs: number, factor: number) =>
      rescale.run({ accountId, nowMs, factor }),
  };
}
