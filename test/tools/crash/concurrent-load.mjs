// What many clients do at once with accounts that they share.
import { json } from './client.mjs';
import { showClock, showEntry, showTask } from './concurrent-account.mjs';
import { markOf, ORDERS, pollOf, statusesIn } from './orders.mjs';

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
  lookAtLedger: 5,
  lookAtTasks: 3,
  lookAtAccount: 3,
};

let numbers = 0;
const nextMark = () => {
  numbers += 1;
  return markOf(numbers);
};
const pathOf = ({ key }) => `/__admin/accounts/${encodeURIComponent(key)}`;

/**
 * One of the calls, drawn. `complain` is told what no emulator may answer. Answers whether the connection held: an
 * answer that breaks off without having been asked to is the end of the server.
 */
export function createOpenLoad({ client, accounts, complain }) {
  const calls = { order, poll, credit, end, advance, lookAtLedger, lookAtTasks, lookAtAccount };

  async function send(account, ...request) {
    const answer = await client.send(...request);
    if (answer.isWhole && answer.status >= 500 && json(answer)?.errorCode !== 'GENERATION_FAILED')
      complain(`${account.key}: ${request[1]} ${request[2]} was answered ${answer.status} ${answer.text}`);
    return answer;
  }

  async function order(account, random) {
    const family = random.weighted(FAMILIES);
    const mark = nextMark();
    const directive = random.chance(0.15) ? 'fail' : random.chance(0.05) ? 'refuse' : undefined;
    const words = { fail: 'fail', refuse: 'fail=GENERATION_FAILED' }[directive];
    const { path, body, ids, pollIds, ...known } = ORDERS[family](`A lighthouse ${mark} in a storm`, random);
    const record = { family, directive, state: 'sent', ...known };
    account.orders.set(mark, record);
    const leaveAfter = known.isStream && random.chance(0.1) ? random.int(1, 400) : undefined;
    const answer = await send(account, family, 'POST', path, {
      ...{ key: account.key, body, leaveAfter },
      ...(words && { headers: { 'x-emulator-fault': words } }),
    });
    if (!answer.isWhole) {
      if (answer.hasLeft) record.state = 'left';
      else if (answer.status === 200 && known.isStream) record.state = 'head';
      return answer.hasLeft || (known.isStream && directive === 'fail' && answer.status === 200);
    }
    if (answer.status === 200 && !(known.isStream && directive === 'fail')) {
      record.state = 'done';
      record.ids = ids?.(json(answer));
      record.pollIds = pollIds?.(json(answer));
    } else if (answer.status === 402 && account.isPoor) record.state = 'refused';
    else if (answer.status === 500 && directive === 'refuse') record.state = 'refused';
    else if (answer.status === 500 && directive === 'fail' && known.isInRequest) {
      record.state = 'done';
      record.toldFailure = true;
    } else complain(`${account.key}: ${path} was answered ${answer.status} ${answer.text.slice(0, 200)}`);
    return true;
  }

  const someOrder = (account, random, filter) => {
    const orders = [...account.orders.values()].filter((order) => order.ids && filter(order));
    // The latest are the ones that still run.
    return orders.length === 0 ? undefined : orders[Math.max(0, orders.length - random.int(1, 60))];
  };

  async function poll(account, random) {
    const record = someOrder(account, random, () => true);
    if (!record) return true;
    const { path, body } = pollOf(record);
    const answer = await send(account, 'poll', 'POST', path, { key: account.key, body });
    if (!answer.isWhole) return false;
    if (answer.status !== 200) complain(`${account.key}: a poll was answered ${answer.status} ${answer.text}`);
    else
      statusesIn(record, json(answer)).forEach((status, index) => {
        showTask(account, record.ids[index], status);
      });
    return true;
  }

  async function credit(account, random) {
    const reason = `by hand ${nextMark()}`;
    const amount = random.chance(0.7) ? random.int(1, 500) : -random.int(1, account.isPoor ? 100 : 20);
    const record = { amount, state: 'sent' };
    account.grants.set(reason, record);
    const path = `${pathOf(account)}/credits`;
    const answer = await send(account, 'credit', 'POST', path, { body: { amount, reason } });
    if (!answer.isWhole) return false;
    record.state = answer.status === 200 ? 'done' : 'refused';
    if (answer.status !== 200 && !(answer.status === 409 && account.isPoor))
      complain(`${account.key}: credits were answered ${answer.status} ${answer.text}`);
    return true;
  }

  async function end(account, random) {
    const record = someOrder(account, random, () => true);
    if (!record) return true;
    const index = random.int(0, record.ids.length - 1);
    const how = random.pick(['complete', 'fail']);
    record[how === 'complete' ? 'completeAsked' : 'failAsked'] = true;
    const path = `${pathOf(account)}/tasks/${record.ids[index]}/${how}`;
    const answer = await send(account, 'end', 'POST', path, { body: {} });
    if (!answer.isWhole) return false;
    if (answer.status === 200) showTask(account, record.ids[index], json(answer).status);
    else if (answer.status !== 409) complain(`${account.key}: ${how} was answered ${answer.status} ${answer.text}`);
    return true;
  }

  async function advance(account, random) {
    if (account.mode === 'real') return poll(account, random);
    const body = random.chance(0.5) ? { toNext: true } : { ms: random.int(1, 20_000) };
    const answer = await send(account, 'advance', 'POST', `${pathOf(account)}/clock/advance`, { body });
    if (!answer.isWhole) return false;
    if (answer.status !== 200) complain(`${account.key}: advance was answered ${answer.status} ${answer.text}`);
    else {
      showClock(account, json(answer).now);
      for (const { taskId, to } of json(answer).transitions) showTask(account, taskId, to);
    }
    return true;
  }

  /** Who only looks must not be shown what a kill can take back. */
  async function lookAtLedger(account, random) {
    const known = Math.max(0, ...account.shownEntries.keys());
    const path = `${pathOf(account)}/ledger?limit=20&after=${Math.max(0, known - random.int(0, 5))}`;
    const answer = await send(account, 'look', 'GET', path);
    if (!answer.isWhole) return false;
    for (const entry of json(answer).entries) showEntry(account, entry);
    return true;
  }

  async function lookAtTasks(account) {
    const answer = await send(account, 'look', 'GET', `${pathOf(account)}/tasks?status=processing&limit=20`);
    if (!answer.isWhole) return false;
    for (const { id, status } of json(answer).tasks) showTask(account, id, status);
    return true;
  }

  async function lookAtAccount(account) {
    const answer = await send(account, 'look', 'GET', pathOf(account));
    if (!answer.isWhole) return false;
    if (account.mode !== 'real') showClock(account, json(answer).clock.now);
    return true;
  }

  return (random) => {
    const account = random.pick(accounts);
    const name = random.weighted(CALLS);
    return calls[name](account, random);
  };
}

/** Listens to all that happens, until the server is gone; what is told is held against the rows like any answer. */
export async function listen(client, accountOf, complain) {
  let rest = '';
  let heard = 0;
  await client.send('events', 'GET', '/__admin/events', {
    onText(text) {
      const events = (rest + text).split('\n\n');
      rest = events.pop();
      for (const event of events) {
        const [, type, data] = /^id: \d+\nevent: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
        if (type !== 'task' && type !== 'ledger') continue;
        const { key, ...told } = JSON.parse(data);
        const account = accountOf(key);
        if (!account) continue;
        heard += 1;
        if (type === 'ledger') showEntry(account, told);
        else showTask(account, told.taskId, told.to);
      }
    },
  });
  if (rest.length > 1_000_000) complain('the events have no ends');
  return heard;
}
