// What must be true of every account's rows, whoever did what. It trusts neither the schema's triggers nor the emulator's
// own verify, and leans on nothing of the emulator's code.

/** Sentences on what is wrong; none when all is sound. */
export function unsound({ account, entries, tasks, snapshots }) {
  return [
    ...ledgerProblems(account, entries),
    ...holdProblems(entries, tasks),
    ...taskProblems(account, tasks),
    ...[...snapshots].flatMap(([name, rows]) => unsound(rows).map((problem) => `snapshot ${name}: ${problem}`)),
  ];
}

function ledgerProblems(account, entries) {
  const problems = [];
  let balance = 0;
  entries.forEach(({ seq, amount, balance: told }, index) => {
    balance += amount;
    if (seq !== index + 1) problems.push(`entry ${seq} stands in place ${index + 1}`);
    if (told !== balance) problems.push(`entry ${seq} says ${told} credits where ${balance} are left`);
    if (balance < 0) problems.push(`after entry ${seq} there are ${balance} credits`);
  });
  if (account.balance !== balance)
    problems.push(`the account has ${account.balance} credits, its entries come to ${balance}`);
  return problems;
}

function holdProblems(entries, tasks) {
  const problems = [];
  const taskOf = new Map(tasks.map((task) => [task.id, task]));
  const resolutions = new Map();
  for (const entry of entries) {
    if (entry.hold_seq === null) continue;
    if (resolutions.has(entry.hold_seq)) problems.push(`hold ${entry.hold_seq} is resolved twice`);
    resolutions.set(entry.hold_seq, entry);
    const hold = entries[entry.hold_seq - 1];
    if (hold?.kind !== 'hold' || hold.task_id !== entry.task_id)
      problems.push(`entry ${entry.seq} resolves no hold of its task`);
    if (entry.kind === 'refund' && entry.amount !== -hold?.amount)
      problems.push(`entry ${entry.seq} refunds ${entry.amount} of ${-hold?.amount}`);
  }
  for (const { seq, kind, task_id: id, amount } of entries) {
    if (kind !== 'hold') continue;
    const task = taskOf.get(id);
    if (!task) problems.push(`hold ${seq} is for no task`);
    else if (task.hold_seq !== seq) problems.push(`task ${id} was charged twice`);
    else if (task.price !== -amount) problems.push(`task ${id} costs ${task.price}, ${-amount} are held`);
  }
  for (const task of tasks) {
    if (task.price > 0 && entries[task.hold_seq - 1]?.task_id !== task.id) problems.push(`task ${task.id} has no hold`);
    const wanted = { processing: undefined, completed: 'capture', failed: 'refund' }[task.status];
    const found = task.hold_seq === null ? wanted : resolutions.get(task.hold_seq)?.kind;
    if (found !== wanted) problems.push(`task ${task.id} is ${task.status}, its hold is ${found ?? 'open'}`);
  }
  return problems;
}

function taskProblems(account, tasks) {
  const problems = [];
  const say = (task, what) => problems.push(`task ${task.id} ${what}`);
  const clockStands = account.clock_mode !== 'real';
  const nowMs = account.snapshot_at ?? account.clock_ms;
  tasks.forEach((task, index) => {
    if (task.seq !== index + 1) say(task, `stands in place ${index + 1} and says ${task.seq}`);
    if ((task.status === 'processing') !== (task.finished_at === null)) say(task, 'is half finished');
    if (task.finished_at !== null && task.finished_at < task.created_at) say(task, 'ended before it began');
    if (task.simulated_ms !== null && task.simulated_ms < 0) say(task, `took ${task.simulated_ms} ms`);
    // What is played and how far the clock has come are always of one piece.
    if (clockStands && task.due_at !== null && task.due_at <= nowMs) say(task, 'is due and was not played');
    if (clockStands && task.finished_at > nowMs) say(task, 'ended in the future');
    if (task.follows === null) return;
    const before = tasks[task.follows - 1];
    if (before?.status === 'processing' && task.started_at !== null) say(task, 'runs beside the one it follows');
    if (before && before.status !== 'processing' && task.started_at === null && task.status === 'processing')
      say(task, 'waits for one that has ended');
  });
  if (account.task_count !== tasks.length)
    problems.push(`the account counts ${account.task_count} tasks and has ${tasks.length}`);
  if (account.snapshot_of === null && account.clock_mode === 'real') {
    const due = tasks.filter(({ due_at: dueAt }) => dueAt !== null).map(({ due_at: dueAt }) => dueAt);
    const next = due.length === 0 ? null : Math.min(...due) - account.clock_ms;
    // Too early costs a look in vain, too late an answer that is not true.
    if (next !== null && (account.wake_at_ms ?? Number.POSITIVE_INFINITY) > next)
      problems.push(`the worker looks at ${account.wake_at_ms}, due is ${next}`);
  }
  return problems;
}
