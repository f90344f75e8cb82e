// What one client does with an account of its own, one call after the other.
import { json } from './client.mjs';
import { markOf, ORDERS } from './orders.mjs';
import { applied, freshState } from './serial-account.mjs';

const CALLS = {
  ...{
    order: 30,
    stream: 8,
    credit: 12,
    advance: 14,
    end: 8,
    change: 4,
    limit: 5,
    addFault: 6,
    clearFaults: 1,
  },
  ...{ snapshot: 8, restore: 6, reset: 2, remove: 2, fork: 3 },
};
const FAMILIES = ['sora-2', 'veo-3', 'seedance-1-5-pro', 'nano-banana-2'];
const FEWEST_CREDITS = 500;
const MOST_TASKS = 120;

/** Away from those of accounts that are shared. */
let marks = 5_000_000_000;

export function createExactAccount(key) {
  // Made with every call that creates it, so that a reset leads to the same.
  return { key, made: undefined, state: null, pending: undefined };
}

/** Answers a function that makes the next call; false: the connection broke. */
export function createExactLoad({ client, complain, addFork }) {
  const pathOf = (exact) => `/__admin/accounts/${encodeURIComponent(exact.key)}`;

  /**
   * Sends, and keeps what the state becomes. `effect`: what the call does, where it is answered with `expected`.
   * `readAnswer`: what of the answer the effect needs.
   */
  async function make(exact, effect, [kind, method, path, request = {}], expected, readAnswer = json) {
    exact.pending = { name: effect.name, after: effect.after ?? [applied(exact.state, effect)] };
    const answer = await client.send(kind, method, path, request);
    if (!answer.isWhole) return false;
    exact.pending = undefined;
    if (answer.status !== expected) {
      complain(`${exact.key}: ${method} ${path} was answered ${answer.status} ${answer.text.slice(0, 300)}`);
      return true;
    }
    exact.state = effect.state ? effect.state() : applied(exact.state, effect, readAnswer(answer));
    return true;
  }

  async function create(exact, random) {
    const now = Date.UTC(2027, random.int(0, 11), random.int(1, 28));
    const made = {
      credits: random.int(5000, 9000),
      now,
      seed: `seed ${random.int(1, 9)}`,
      speed: random.int(1, 90),
    };
    exact.made = made;
    const body = {
      ...{ key: exact.key, credits: made.credits, rateLimit: null, speed: made.speed, seed: made.seed },
      clock: { mode: 'frozen', now: new Date(now).toISOString() },
    };
    const after = freshState(made);
    const effect = { name: 'create', after: [after], state: () => after };
    return make(exact, effect, ['create', 'POST', '/__admin/accounts', { body }], 201);
  }

  async function order(exact, random) {
    marks += 1;
    const family = random.pick(FAMILIES);
    const { path, body, price, count, ids } = ORDERS[family](`A lighthouse ${markOf(marks)}`, random);
    const request = [family, 'POST', path, { key: exact.key, body }];
    const rule = exact.state.faults.findIndex(({ rule, fired }) => {
      const { match, times } = JSON.parse(rule);
      return match.family === family && fired < times;
    });
    if (rule >= 0) return make(exact, { name: 'refusal', rule }, request, 500);
    return make(exact, { name: 'order', family, price, count }, request, 200, (answer) => ({
      ids: ids(json(answer)),
    }));
  }

  /** A text that comes at once, because the clock stands. Its answer does not name the task; the next look does. */
  async function stream(exact, random) {
    marks += 1;
    const family = random.pick(['prompt-generator', 'reverse-prompt']);
    const { path, body, price } = ORDERS[family](`A lighthouse ${markOf(marks)}`, random);
    const under = { name: 'order', family, price, count: 1, isStream: true };
    const effect = {
      ...under,
      completes: true,
      after: [applied(exact.state, under), applied(exact.state, { ...under, completes: true })],
    };
    return make(exact, effect, [family, 'POST', path, { key: exact.key, body }], 200, () => undefined);
  }

  async function credit(exact, random) {
    marks += 1;
    const amount = exact.state.credits < FEWEST_CREDITS ? 3000 : random.pick([random.int(1, 90), -random.int(1, 90)]);
    const body = { amount, reason: `by hand ${marks}` };
    return make(exact, { name: 'credit', ...body }, ['credit', 'POST', `${pathOf(exact)}/credits`, { body }], 200);
  }

  async function advance(exact, random) {
    const ms = random.int(1, 150_000);
    const request = ['advance', 'POST', `${pathOf(exact)}/clock/advance`, { body: { ms } }];
    return make(exact, { name: 'advance', ms }, request, 200);
  }

  async function end(exact, random) {
    const running = exact.state.tasks.filter(({ id, status }) => id !== null && status === 'processing');
    if (running.length === 0) return order(exact, random);
    const { id } = random.pick(running);
    const how = random.pick(['complete', 'fail']);
    const path = `${pathOf(exact)}/tasks/${id}/${how}`;
    return make(exact, { name: 'end', id, how }, ['end', 'POST', path, { body: {} }], 200);
  }

  async function change(exact, random) {
    const settings = { seed: `seed ${random.int(1, 9)}`, speed: random.int(1, 90) };
    const limit = random.pick([null, 1_000_000]);
    const body = { ...settings, rateLimit: limit };
    const effect = { name: 'change', settings: { ...settings, limit } };
    return make(exact, effect, ['change', 'PATCH', pathOf(exact), { body }], 200);
  }

  async function limit(exact, random) {
    const body = { limit: 1_000_000, remaining: random.int(900_000, 999_990) };
    const effect = { name: 'limit', limit: body.limit, counted: body.limit - body.remaining };
    return make(exact, effect, ['limit', 'PUT', `${pathOf(exact)}/rate-limit`, { body }], 200);
  }

  async function addFault(exact, random) {
    if (exact.state.faults.length >= 5) return clearFaults(exact);
    const body = {
      match: { family: random.pick(FAMILIES) },
      at: 'charge',
      effect: { errorCode: 'GENERATION_FAILED' },
      times: random.int(1, 3),
    };
    const request = ['fault', 'POST', `${pathOf(exact)}/faults`, { body }];
    return make(exact, { name: 'addFault', rule: JSON.stringify(body) }, request, 201);
  }

  const clearFaults = (exact) =>
    make(exact, { name: 'clearFaults' }, ['fault', 'DELETE', `${pathOf(exact)}/faults`], 204);

  async function snapshot(exact, random) {
    const body = { name: random.pick(['one', 'two', 'three']) };
    const request = ['snapshot', 'POST', `${pathOf(exact)}/snapshots`, { body }];
    return make(exact, { name: 'snapshot', as: body.name }, request, 201);
  }

  async function restore(exact, random) {
    const names = Object.keys(exact.state.snapshots);
    if (names.length === 0) return snapshot(exact, random);
    const name = random.pick(names);
    const request = ['restore', 'POST', `${pathOf(exact)}/snapshots/${name}/restore`, { body: {} }];
    return make(exact, { name: 'restore', as: name }, request, 200);
  }

  async function fork(exact) {
    marks += 1;
    const copy = { ...createExactAccount(`${exact.key}-fork-${marks}`), made: exact.made };
    const { snapshots: _none, ...kept } = structuredClone(exact.state);
    const forked = { ...kept, snapshots: {} };
    copy.pending = { name: 'fork', after: [forked] };
    addFork(copy);
    const answer = await client.send('fork', 'POST', `${pathOf(exact)}/fork`, { body: { to: copy.key } });
    if (!answer.isWhole) return false;
    copy.pending = undefined;
    if (answer.status === 201) copy.state = forked;
    else complain(`${exact.key}: the fork was answered ${answer.status} ${answer.text.slice(0, 300)}`);
    return true;
  }

  const reset = (exact) =>
    make(exact, { name: 'reset', made: exact.made }, ['reset', 'POST', `${pathOf(exact)}/reset`, { body: {} }], 200);

  const remove = (exact) =>
    make(exact, { name: 'remove', after: [null], state: () => null }, ['remove', 'DELETE', pathOf(exact)], 204);

  const calls = {
    ...{ order, stream, credit, advance, end, change, limit, addFault, clearFaults },
    ...{ snapshot, restore, reset, remove, fork },
  };

  return (exact, random) => {
    if (exact.state === null) return create(exact, random);
    if (exact.state.tasks.length >= MOST_TASKS) return reset(exact);
    return calls[random.weighted(CALLS)](exact, random);
  };
}
