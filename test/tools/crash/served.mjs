// Compares what the emulator serves after a restart with the rows that the killed process left.
import { json } from './client.mjs';
import { recordTaskStatus } from './concurrent-account.mjs';
import { parseStatuses, pollRequestFor } from './orders.mjs';

/** The worker wakes every 50 ms; a busy machine gets more time. */
const MAX_OVERDUE_MS = 1500;
const POLLED_ORDERS = 12;

/** One sentence per problem. */
export async function checkServed(client, model, rows) {
  const problems = await Promise.all([...rows].map(([key, account]) => checkAccount(client, key, account)));
  const polled = await Promise.all([...model.concurrent.values()].map((account) => pollSome(client, account)));
  return [...problems.flat(), ...polled.flat()];
}

async function fetchAll(client, path, list) {
  const items = [];
  for (let after = ''; ; ) {
    const page = await client.call('GET', `${path}limit=1000${after && `&after=${encodeURIComponent(after)}`}`);
    items.push(...page[list]);
    if (page.next === null) return items;
    after = page.next;
  }
}

async function checkAccount(client, key, before) {
  const problems = [];
  const report = (problem) => problems.push(`${key}, after the restart: ${problem}`);
  const path = `/__admin/accounts/${encodeURIComponent(key)}`;
  const { ok, problems: found } = await client.call('GET', `${path}/ledger/verify`);
  if (!ok) report(`verify reports ${found.slice(0, 3).join('; ')}`);
  const tasks = await fetchSettledTasks(client, path, report);
  const entries = await fetchAll(client, `${path}/ledger?`, 'entries');
  const { credits } = await client.call('GET', path);

  before.entries.forEach((entry, index) => {
    const { kind, amount, balance, taskId } = entries[index] ?? {};
    const expected = [entry.kind, entry.amount, entry.balance, entry.task_id].join();
    if (expected !== [kind, amount, balance, taskId].join())
      report(`entry ${entry.seq} is ${kind} ${amount}, not ${expected}`);
  });
  const running = new Set(before.tasks.filter(({ status }) => status === 'processing').map(({ id }) => id));
  let balance = before.account.balance;
  for (const { kind, amount, taskId } of entries.slice(before.entries.length)) {
    balance += amount;
    // Deleting the task from the set makes a second resolution of the same task a problem.
    if (!['capture', 'refund'].includes(kind) || !running.delete(taskId))
      report(`an unexpected ${kind} of ${amount} for ${taskId} was added`);
  }
  if (credits < balance) report(`the balance is ${credits} credits instead of ${balance}`);

  if (tasks.length !== before.tasks.length) report(`there are ${tasks.length} tasks, not ${before.tasks.length}`);
  before.tasks.forEach((task, index) => {
    const now = tasks[index];
    if (now?.id !== task.id) {
      report(`task ${task.id} is lost`);
      return;
    }
    if (task.status !== 'processing' && now.status !== task.status)
      report(`task ${task.id} was ${task.status} but is ${now.status}`);
    if (task.driver === 'stream' && task.status === 'processing' && now.result?.errorCode !== 'INTERNAL_ERROR')
      report(`task ${task.id} was interrupted but is ${now.status}`);
    const isLastStep = task.due_at !== null && task.step === JSON.parse(task.plan).steps.length - 1;
    if (isLastStep && now.finishedAt !== null && Date.parse(now.finishedAt) !== task.due_at)
      report(`task ${task.id} was due at ${task.due_at} but ended at ${Date.parse(now.finishedAt)}`);
  });
  return problems;
}

/** All tasks. Reports those that are overdue. */
async function fetchSettledTasks(client, path, report) {
  const { clock } = await client.call('GET', path);
  const tasks = await fetchAll(client, `${path}/tasks?`, 'tasks');
  if (clock.mode !== 'real') return tasks;
  const nowMs = Date.parse(clock.now);
  const overdue = tasks.filter(({ dueAt }) => dueAt !== null && Date.parse(dueAt) < nowMs - MAX_OVERDUE_MS);
  if (overdue.length > 0)
    report(`${overdue.length} tasks are overdue, the first is ${overdue[0].id}, due at ${overdue[0].dueAt}`);
  return tasks;
}

/** Polls the latest orders whose ids the client knows, as a client would. */
async function pollSome(client, account) {
  if (account.created !== 'done' || account.removed !== 'no') return [];
  const problems = [];
  const orders = [...account.orders.values()].filter(({ ids }) => ids).slice(-POLLED_ORDERS);
  for (const order of orders) {
    const { path, body } = pollRequestFor(order);
    const response = await client.send('call', 'POST', path, { key: account.key, body });
    if (response.status !== 200) {
      problems.push(`${account.key}, after the restart: ${path} returned ${response.status} ${response.text}`);
      continue;
    }
    parseStatuses(order, json(response)).forEach((status, index) => {
      recordTaskStatus(account, order.ids[index], status);
    });
  }
  return problems;
}
