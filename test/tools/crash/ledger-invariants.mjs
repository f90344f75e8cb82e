// Invariants of the rows of every account, whatever its clients did. The checks rely neither on the schema's triggers
// nor on the emulator's own `verify`, and share no code with the emulator.

/** One sentence per violated invariant; an empty list if there are none. */
export function findViolations({ account, entries, tasks, snapshots }) {
  return [
    ...findLedgerProblems(entries),
    ...findHoldProblems(entries, tasks),
    ...findTaskProblems(account, tasks),
    ...[...snapshots].flatMap(([name, rows]) => findViolations(rows).map((problem) => `snapshot ${name}: ${problem}`)),
  ];
}

function findLedgerProblems(entries) {
  const problems = [];
  let balance = 0;
  entries.forEach(({ seq, amount, balance: recorded }, index) => {
    balance += amount;
    if (seq !== index + 1) problems.push(`entry ${seq} is at position ${index + 1}`);
    if (recorded !== balance) problems.push(`entry ${seq} records a balance of ${recorded} instead of ${balance}`);
    if (balance < 0) problems.push(`the balance after entry ${seq} is ${balance}`);
  });
  return problems;
}

function findHoldProblems(entries, tasks) {
  const problems = [];
  const tasksById = new Map(tasks.map((task) => [task.id, task]));
  const resolutions = new Map();
  for (const entry of entries) {
    if (entry.hold_seq === null) continue;
    if (resolutions.has(entry.hold_seq)) problems.push(`hold ${entry.hold_seq} is resolved twice`);
    resolutions.set(entry.hold_seq, entry);
    const hold = entries[entry.hold_seq - 1];
    if (hold?.kind !== 'hold' || hold.task_id !== entry.task_id)
      problems.push(`entry ${entry.seq} does not resolve a hold of its task`);
    if (entry.kind === 'refund' && entry.amount !== -hold?.amount)
      problems.push(`entry ${entry.seq} refunds ${entry.amount} instead of ${-hold?.amount}`);
  }
  for (const { seq, kind, task_id: id, amount } of entries) {
    if (kind !== 'hold') continue;
    const task = tasksById.get(id);
    if (!task) problems.push(`hold ${seq} does not belong to a task`);
    else if (task.hold_seq !== seq) problems.push(`task ${id} was charged twice`);
    else if (task.price !== -amount) problems.push(`task ${id} costs ${task.price}, but ${-amount} are held`);
  }
  for (const task of tasks) {
    if (task.price > 0 && entries[task.hold_seq - 1]?.task_id !== task.id) problems.push(`task ${task.id} has no hold`);
    const expected = { processing: undefined, completed: 'capture', failed: 'refund' }[task.status];
    const found = task.hold_seq === null ? expected : resolutions.get(task.hold_seq)?.kind;
    if (found !== expected) problems.push(`task ${task.id} is ${task.status}, but its hold is ${found ?? 'open'}`);
  }
  return problems;
}

function findTaskProblems(account, tasks) {
  const problems = [];
  const report = (task, problem) => problems.push(`task ${task.id} ${problem}`);
  const isManualClock = account.clock_mode !== 'real';
  const nowMs = account.snapshot_at ?? account.clock_ms;
  tasks.forEach((task, index) => {
    if (task.seq !== index + 1) report(task, `is at position ${index + 1} but has number ${task.seq}`);
    if ((task.status === 'processing') !== (task.finished_at === null)) report(task, 'is half finished');
    if (task.finished_at !== null && task.finished_at < task.created_at) report(task, 'ended before it was created');
    if (task.simulated_ms !== null && task.simulated_ms < 0) report(task, `took ${task.simulated_ms} ms`);
    // A manual clock and the transitions that it makes due are written in the same transaction.
    if (isManualClock && task.due_at !== null && task.due_at <= nowMs) report(task, 'is due but was not advanced');
    if (isManualClock && task.finished_at > nowMs) report(task, 'ended in the future');
    if (task.follows === null) return;
    const predecessor = tasks[task.follows - 1];
    if (predecessor?.status === 'processing' && task.started_at !== null)
      report(task, 'runs before its predecessor ended');
    if (predecessor && predecessor.status !== 'processing' && task.started_at === null && task.status === 'processing')
      report(task, 'waits for a predecessor that has ended');
  });
  if (account.snapshot_of === null && account.clock_mode === 'real') {
    const due = tasks.filter(({ due_at: dueAt }) => dueAt !== null).map(({ due_at: dueAt }) => dueAt);
    const next = due.length === 0 ? null : Math.min(...due) - account.clock_ms;
    // Waking too early costs one query; waking too late makes responses wrong.
    if (next !== null && (account.wake_at_ms ?? Number.POSITIVE_INFINITY) > next)
      problems.push(`the worker wakes at ${account.wake_at_ms}, but a task is due at ${next}`);
  }
  return problems;
}
