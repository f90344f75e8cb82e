// The load of many clients that share accounts.
import { json } from './client.mjs';
import { recordClock, recordEntry, recordTaskStatus } from './concurrent-account.mjs';
import { formatMark, ORDERS, parseStatuses, pollRequestFor } from './orders.mjs';

const FAMILIES = {
  ...{ 'sora-2': 5, 'veo-3': 4, 'seedance-1-5-pro': 2, 'sora-2-tvc': 2, 'nano-banana-pro': 2 },
  ...{ 'nano-banana-2': 2, 'prompt-generator': 4, 'reverse-prompt': 3, 'sora-watermark': 2 },
};
const CALLS = {
  order: 40,
  poll: 30,
  credit: 10,
  end: 6,
  advance: 8,
  readLedger: 5,
  readTasks: 3,
  readAccount: 3,
};

let markCount = 0;
const nextMark = () => {
  markCount += 1;
  return formatMark(markCount);
};
const accountPath = ({ key }) => `/__admin/accounts/${encodeURIComponent(key)}`;

/**
 * Returns a function that makes one randomly chosen call. `report` receives responses that the emulator must never
 * send. The call resolves to false when the connection broke without the client asking for it: the server is gone.
 */
export function createConcurrentLoad({ client, accounts, report }) {
  const calls = { order, poll, credit, end, advance, readLedger, readTasks, readAccount };

  async function send(account, ...request) {
    const response = await client.send(...request);
    if (response.isComplete && response.status >= 500 && json(response)?.errorCode !== 'GENERATION_FAILED')
      report(`${account.key}: ${request[1]} ${request[2]} returned ${response.status} ${response.text}`);
    return response;
  }

  async function order(account, random) {
    const family = random.weighted(FAMILIES);
    const mark = nextMark();
    const directive = random.chance(0.15) ? 'fail' : random.chance(0.05) ? 'refuse' : undefined;
    const faultDirective = { fail: 'fail', refuse: 'fail=GENERATION_FAILED' }[directive];
    const { path, body, ids, pollIds, ...known } = ORDERS[family](`A lighthouse ${mark} in a storm`, random);
    const record = { family, directive, state: 'sent', ...known };
    account.orders.set(mark, record);
    const leaveAfter = known.isStream && random.chance(0.1) ? random.int(1, 400) : undefined;
    const response = await send(account, family, 'POST', path, {
      ...{ key: account.key, body, leaveAfter },
      ...(faultDirective && { headers: { 'x-emulator-fault': faultDirective } }),
    });
    if (!response.isComplete) {
      // A client can also leave in the middle of an injected error.
      if (response.hasLeft) record.state = response.status === 200 ? 'left' : 'refused';
      else if (response.status === 200 && known.isStream) record.state = 'head';
      return response.hasLeft || (known.isStream && directive === 'fail' && response.status === 200);
    }
    if (response.status === 200 && !(known.isStream && directive === 'fail')) {
      record.state = 'done';
      record.ids = ids?.(json(response));
      record.pollIds = pollIds?.(json(response));
    } else if (response.status === 402 && account.isPoor) record.state = 'refused';
    else if (response.status === 500 && directive === 'refuse') record.state = 'refused';
    else if (response.status === 500 && directive === 'fail' && known.isSynchronous) {
      record.state = 'done';
      record.reportedFailure = true;
    } else report(`${account.key}: ${path} returned ${response.status} ${response.text.slice(0, 200)}`);
    return true;
  }

  const pickOrder = (account, random, filter) => {
    const orders = [...account.orders.values()].filter((order) => order.ids && filter(order));
    // The most recent orders are the ones still running.
    return orders.length === 0 ? undefined : orders[Math.max(0, orders.length - random.int(1, 60))];
  };

  async function poll(account, random) {
    const record = pickOrder(account, random, () => true);
    if (!record) return true;
    const { path, body } = pollRequestFor(record);
    const response = await send(account, 'poll', 'POST', path, { key: account.key, body });
    if (!response.isComplete) return false;
    if (response.status !== 200) report(`${account.key}: a poll returned ${response.status} ${response.text}`);
    else
      parseStatuses(record, json(response)).forEach((status, index) => {
        recordTaskStatus(account, record.ids[index], status);
      });
    return true;
  }

  async function credit(account, random) {
    const reason = `by hand ${nextMark()}`;
    const amount = random.chance(0.7) ? random.int(1, 500) : -random.int(1, account.isPoor ? 100 : 20);
    const record = { amount, state: 'sent' };
    account.grants.set(reason, record);
    const path = `${accountPath(account)}/credits`;
    const response = await send(account, 'credit', 'POST', path, { body: { amount, reason } });
    if (!response.isComplete) return false;
    record.state = response.status === 200 ? 'done' : 'refused';
    if (response.status !== 200 && !(response.status === 409 && account.isPoor))
      report(`${account.key}: credits returned ${response.status} ${response.text}`);
    return true;
  }

  async function end(account, random) {
    const record = pickOrder(account, random, () => true);
    if (!record) return true;
    const index = random.int(0, record.ids.length - 1);
    const how = random.pick(['complete', 'fail']);
    record[how === 'complete' ? 'completeRequested' : 'failRequested'] = true;
    const path = `${accountPath(account)}/tasks/${record.ids[index]}/${how}`;
    const response = await send(account, 'end', 'POST', path, { body: {} });
    if (!response.isComplete) return false;
    if (response.status === 200) recordTaskStatus(account, record.ids[index], json(response).status);
    else if (response.status !== 409) report(`${account.key}: ${how} returned ${response.status} ${response.text}`);
    return true;
  }

  async function advance(account, random) {
    if (account.mode === 'real') return poll(account, random);
    const body = random.chance(0.5) ? { toNext: true } : { ms: random.int(1, 20_000) };
    const response = await send(account, 'advance', 'POST', `${accountPath(account)}/clock/advance`, { body });
    if (!response.isComplete) return false;
    if (response.status !== 200) report(`${account.key}: advance returned ${response.status} ${response.text}`);
    else {
      recordClock(account, json(response).now);
      for (const { taskId, to } of json(response).transitions) recordTaskStatus(account, taskId, to);
    }
    return true;
  }

  /** A read must not reveal anything that a kill can take back. */
  async function readLedger(account, random) {
    const known = Math.max(0, ...account.seenEntries.keys());
    const path = `${accountPath(account)}/ledger?limit=20&after=${Math.max(0, known - random.int(0, 5))}`;
    const response = await send(account, 'read', 'GET', path);
    if (!response.isComplete) return false;
    for (const entry of json(response).entries) recordEntry(account, entry);
    return true;
  }

  async function readTasks(account) {
    const response = await send(account, 'read', 'GET', `${accountPath(account)}/tasks?status=processing&limit=20`);
    if (!response.isComplete) return false;
    for (const { id, status } of json(response).tasks) recordTaskStatus(account, id, status);
    return true;
  }

  async function readAccount(account) {
    const response = await send(account, 'read', 'GET', accountPath(account));
    if (!response.isComplete) return false;
    if (account.mode !== 'real') recordClock(account, json(response).clock.now);
    return true;
  }

  return (random) => {
    const account = random.pick(accounts);
    const name = random.weighted(CALLS);
    return calls[name](account, random);
  };
}

/** Reads all events until the server is gone. What they say must match the rows, as with any response. */
export async function listen(client, findAccount, report) {
  let rest = '';
  let eventCount = 0;
  await client.send('events', 'GET', '/__admin/events', {
    onText(text) {
      const events = (rest + text).split('\n\n');
      rest = events.pop();
      for (const message of events) {
        const [, type, data] = /^id: \d+\nevent: (\w+)\ndata: (.*)$/s.exec(message) ?? [];
        if (type !== 'task' && type !== 'ledger') continue;
        const { key, ...event } = JSON.parse(data);
        const account = findAccount(key);
        if (!account) continue;
        eventCount += 1;
        if (type === 'ledger') recordEntry(account, event);
        else recordTaskStatus(account, event.taskId, event.to);
      }
    },
  });
  if (rest.length > 1_000_000) report('an event has no end');
  return eventCount;
}
