/** A bug that is planted into a copy of the sources. */
export interface PlantedBug {
  name: string;
  file: string;
  /** A text that occurs once in the file, and what replaces it. */
  find: string;
  replace: string;
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'a failed task is not refunded',
    file: 'migrations/schema.sql',
    find: `iif(NEW.status = 'completed', 0, NEW.price),
          (SELECT balance FROM ledger_entries WHERE account_id = NEW.account_id ORDER BY seq DESC LIMIT 1)
            + iif(NEW.status = 'completed', 0, NEW.price)`,
    replace: `iif(NEW.status = 'completed', 0, 1),
          (SELECT balance FROM ledger_entries WHERE account_id = NEW.account_id ORDER BY seq DESC LIMIT 1)
            + iif(NEW.status = 'completed', 0, 1)`,
  },
  {
    name: 'a finished task can be ended again',
    file: 'src/core/tasks/task-engine.ts',
    find: "if (task?.status !== 'processing') return false;",
    replace: 'if (!task) return false;',
  },
  {
    name: 'a response is sent before its commit',
    file: 'src/server/app.ts',
    find: 'if (!core.transactions.hasPendingBatch()) {',
    replace: 'if (Date.now() > 0) {',
  },
  {
    name: 'a failed commit counts as a success',
    file: 'src/core/storage/transactions.ts',
    find: '      failure = error;\n      if (db.inTransaction) rollback.run();',
    replace: '      if (db.inTransaction) rollback.run();',
  },
  {
    name: 'caches keep what was rolled back',
    file: 'src/core/storage/transactions.ts',
    find: 'for (const listener of rollbackListeners) listener();',
    replace: '',
  },
  {
    name: 'the window of the rate limiter never ends',
    file: 'src/core/time/rate-limiter.ts',
    find: 'nowMs >= startedAtMs && nowMs < startedAtMs + WINDOW_MS',
    replace: 'nowMs >= startedAtMs',
  },
  {
    name: 'the last allowed request is rejected',
    file: 'src/core/time/rate-limiter.ts',
    find: 'return { count: window.count, leftMs',
    replace: 'return { count: window.count + 1, leftMs',
  },
  {
    name: 'a stop loses the counts of the rate limiter',
    file: 'src/core/core.ts',
    find: '        rateLimiter.save();\n        timeRecord?.save();',
    replace: '        timeRecord?.save();',
  },
  {
    name: 'a snapshot does not contain the window of the rate limiter',
    file: 'src/core/accounts/snapshots.ts',
    find: 'rateLimiter.copy(fromId, id);',
    replace: '',
  },
  {
    name: 'an order does not wake the worker',
    file: 'src/core/tasks/task-engine.ts',
    find: '    accounts.reflectTasks(accountId, account.taskCount + tasks.length);\n    scheduleWake(account);',
    replace: '    accounts.reflectTasks(accountId, account.taskCount + tasks.length);',
  },
  {
    name: 'a transition has the time at which it was noticed',
    file: 'src/core/tasks/task-engine.ts',
    find: 'const atMs = task.dueAtMs!;',
    replace: 'const atMs = Math.max(task.dueAtMs!, accountTimeMs(account, clock.nowMs()));',
  },
  {
    name: 'all credits but one can be spent',
    file: 'src/core/tasks/task-engine.ts',
    find: 'if (account.balance < requiredCredits) {',
    replace: 'if (account.balance <= requiredCredits) {',
  },
  {
    name: 'the shots of an order start together',
    file: 'src/core/tasks/task-engine.ts',
    find: 'const isWaiting = chained && index > 0;',
    replace: 'const isWaiting = chained && index > 1;',
  },
  {
    name: 'a shot that is ended while it waits stops the ones behind it',
    file: 'src/core/tasks/task-engine.ts',
    find: '? { predecessorSeq: task.predecessorSeq }',
    replace: '? {}',
  },
  {
    name: 'interrupted requests are not refunded at the start',
    file: 'src/core/core.ts',
    find: '  tasks.failInterrupted();',
    replace: '',
  },
  {
    name: 'a new speed does not apply to running tasks',
    file: 'src/core/time/timeline.ts',
    find: 'tasks.rescaleDue(current.id,',
    replace: 'if (previous.clockMode !== current.clockMode) tasks.rescaleDue(current.id,',
  },
  {
    name: 'a restore loses the snapshots',
    file: 'src/core/accounts/snapshots.ts',
    find: '    reassignSnapshots.run({ fromId: accountId, id });\n',
    replace: '',
  },
  {
    name: 'a restore does not set the clock back',
    file: 'src/core/accounts/snapshots.ts',
    find: "copy(snapshot.id, { key, clockMs }, 'restored')",
    replace: "copy(snapshot.id, { key, clockMs: accounts.get(accountId).clockMs }, 'restored')",
  },
  {
    name: 'a rule fires once more than it may',
    file: 'src/core/faults/fault-rules.ts',
    find: 'fault.fired >= fault.times;',
    replace: 'fault.fired > fault.times;',
  },
  {
    name: 'an event is published before its commit',
    file: 'src/core/events.ts',
    find: 'transactions.afterCommit((failure) => {\n        if (failure === null) for',
    replace: 'Promise.resolve(null).then((failure) => {\n        if (failure === null) for',
  },
  {
    name: 'a poll on an auto clock waits for the wrong shot',
    file: 'src/core/tasks/task-engine.ts',
    find: "if (predecessor?.status !== 'processing') break;",
    replace: 'return head;',
  },
  {
    name: 'a reset keeps the credits',
    file: 'src/core/accounts/account-reset.ts',
    find: 'const profile = accounts.getProfile(accountId);',
    replace: 'const profile = { ...accounts.getProfile(accountId), credits: accounts.get(accountId).balance };',
  },
  {
    name: 'a wait outlives its account',
    file: 'src/control-plane/wait.ts',
    find: 'anySignal([done.signal, responseSignal(request, reply), stopping, accountEnded])',
    replace: 'anySignal([done.signal, responseSignal(request, reply), stopping])',
  },
  {
    name: 'a revoked key is still accepted',
    file: 'src/http/pipeline/auth.ts',
    find: "return account.revoked ? 'revoked' : account;",
    replace: 'return account;',
  },
];
