// What the emulator says of itself once it runs again, held against the rows that the killed process had left.
import { json } from './client.mjs';
import { showTask } from './concurrent-account.mjs';
import { pollOf, statusesIn } from './orders.mjs';

/** The worker looks every 50 ms; a busy machine is given more. */
const LATE_MS = 1500;
const POLLED = 12;

/** Sentences on what is wrong. */
export async function checkServed(client, model, rows) {
  const problems = await Promise.all([...rows].map(([key, account]) => checkAccount(client, key, account)));
  const polled = await Promise.all([...model.open.values()].map((account) => pollSome(client, account)));
  return [...problems.flat(), ...polled.flat()];
}

async function pagesOf(client, path, list) {
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
  const say = (what) => problems.push(`${key}, after the restart: ${what}`);
  const path = `/__admin/accounts/${encodeURIComponent(key)}`;
  const { ok, problems: found } = await client.call('GET', `${path}/ledger/verify`);
  if (!ok) say(`verify finds ${found.slice(0, 3).join('; ')}`);
  const tasks = await tasksWhenPlayed(client, path, say);
  const entries = await pagesOf(client, `${path}/ledger?`, 'entries');
  const { credits } = await client.call('GET', path);

  before.entries.forEach((entry, index) => {
    const { kind, amount, balance, taskId } = entries[index] ?? {};
    const wanted = [entry.kind, entry.amount, entry.balance, entry.task_id].join();
    if (wanted !== [kind, amount, balance, taskId].join())
      say(`entry ${entry.seq} is ${kind} ${amount}, not ${wanted}`);
  });
  const running = new Set(before.tasks.filter(({ status }) => status === 'processing').map(({ id }) => id));
  let balance = before.account.balance;
  for (const { kind, amount, taskId } of entries.slice(before.entries.length)) {
    balance += amount;
    // Each once: a second one would not find its task among those that run.
    if (!['capture', 'refund'].includes(kind) || !running.delete(taskId))
      say(`a ${kind} of ${amount} for ${taskId} came to it`);
  }
  if (credits < balance) say(`there are ${credits} credits where ${balance} should be`);

  if (tasks.length !== before.tasks.length) say(`there are ${tasks.length} tasks, not ${before.tasks.length}`);
  before.tasks.forEach((task, index) => {
    const now = tasks[index];
    if (now?.id !== task.id) {
      say(`task ${task.id} is lost`);
      return;
    }
    if (task.status !== 'processing' && now.status !== task.status)
      say(`task ${task.id} was ${task.status} and is ${now.status}`);
    if (task.driver === 'stream' && task.status === 'processing' && now.result?.errorCode !== 'INTERNAL_ERROR')
      say(`task ${task.id} was cut and is ${now.status}`);
    const isLastStep = task.due_at !== null && task.step === JSON.parse(task.plan).steps.length - 1;
    if (isLastStep && now.finishedAt !== null && Date.parse(now.finishedAt) !== task.due_at)
      say(`task ${task.id} was due at ${task.due_at} and ended at ${Date.parse(now.finishedAt)}`);
  });
  return problems;
}

/** All tasks, once nothing is overdue. */
async function tasksWhenPlayed(client, path, say) {
  const { clock } = await client.call('GET', path);
  const tasks = await pagesOf(client, `${path}/tasks?`, 'tasks');
  if (clock.mode !== 'real') return tasks;
  const nowMs = Date.parse(clock.now);
  const overdue = tasks.filter(({ dueAt }) => dueAt !== null && Date.parse(dueAt) < nowMs - LATE_MS);
  if (overdue.length > 0)
    say(`${overdue.length} tasks are overdue, the first is ${overdue[0].id}, due at ${overdue[0].dueAt}`);
  return tasks;
}

/** As a client would: the latest orders that it was given ids for. */
async function pollSome(client, account) {
  if (account.created !== 'done' || account.removed !== 'no') return [];
  const problems = [];
  const orders = [...account.orders.values()].filter(({ ids }) => ids).slice(-POLLED);
  for (const order of orders) {
    const { path, body } = pollOf(order);
    const answer = await client.send('call', 'POST', path, { key: account.key, body });
    if (answer.status !== 200) {
      problems.push(`${account.key}, after the restart: ${path} was answered ${answer.status} ${answer.text}`);
      continue;
    }
    statusesIn(order, json(answer)).forEach((status, index) => {
      showTask(account, order.ids[index], status);
    });
  }
  return problems;
}
