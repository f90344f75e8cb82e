// The load of one client with an account of its own, one request at a time.
import { json } from './client.mjs';
import { formatMark, ORDERS } from './orders.mjs';
import { applyCall, initialState } from './serial-account.mjs';

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
const MIN_CREDITS = 500;
const MAX_TASKS = 120;

/** Starts far above the markCount of the shared accounts. */
let markCount = 5_000_000_000;

export function createSerialAccount(key) {
  // `profile` is set by every call that creates the account, so that a reset can be predicted.
  return { key, profile: undefined, state: null, pending: undefined };
}

/** Returns a function that makes the next call; it resolves to false when the connection broke. */
export function createSerialLoad({ client, report, addFork }) {
  const accountPath = (serial) => `/__admin/accounts/${encodeURIComponent(serial.key)}`;

  /**
   * Sends a request and updates the expected state. `effect`: what the call does if the response has status `expected`.
   * `readResponse`: extracts what the effect needs from the response.
   */
  async function make(serial, effect, [kind, method, path, request = {}], expected, readResponse = json) {
    serial.pending = { name: effect.name, after: effect.after ?? [applyCall(serial.state, effect)] };
    const response = await client.send(kind, method, path, request);
    if (!response.isComplete) return false;
    serial.pending = undefined;
    if (response.status !== expected) {
      report(`${serial.key}: ${method} ${path} returned ${response.status} ${response.text.slice(0, 300)}`);
      return true;
    }
    serial.state = effect.state ? effect.state() : applyCall(serial.state, effect, readResponse(response));
    return true;
  }

  async function create(serial, random) {
    const now = Date.UTC(2027, random.int(0, 11), random.int(1, 28));
    const profile = {
      credits: random.int(5000, 9000),
      now,
      seed: `seed ${random.int(1, 9)}`,
      speed: random.int(1, 90),
    };
    serial.profile = profile;
    const body = {
      ...{ key: serial.key, credits: profile.credits, rateLimit: null, speed: profile.speed, seed: profile.seed },
      clock: { mode: 'frozen', now: new Date(now).toISOString() },
    };
    const after = initialState(profile);
    const effect = { name: 'create', after: [after], state: () => after };
    return make(serial, effect, ['create', 'POST', '/__admin/accounts', { body }], 201);
  }

  async function order(serial, random) {
    markCount += 1;
    const family = random.pick(FAMILIES);
    const { path, body, price, count, ids } = ORDERS[family](`A lighthouse ${formatMark(markCount)}`, random);
    const request = [family, 'POST', path, { key: serial.key, body }];
    const rule = serial.state.faults.findIndex(({ rule, fired }) => {
      const { match, times } = JSON.parse(rule);
      return match.family === family && fired < times;
    });
    if (rule >= 0) return make(serial, { name: 'refusal', rule }, request, 500);
    return make(serial, { name: 'order', family, price, count }, request, 200, (response) => ({
      ids: ids(json(response)),
    }));
  }

  /** A text that arrives at once because the clock is frozen. Its response does not contain the task id. */
  async function stream(serial, random) {
    markCount += 1;
    const family = random.pick(['prompt-generator', 'reverse-prompt']);
    const { path, body, price } = ORDERS[family](`A lighthouse ${formatMark(markCount)}`, random);
    const under = { name: 'order', family, price, count: 1, isStream: true };
    const effect = {
      ...under,
      completes: true,
      after: [applyCall(serial.state, under), applyCall(serial.state, { ...under, completes: true })],
    };
    return make(serial, effect, [family, 'POST', path, { key: serial.key, body }], 200, () => undefined);
  }

  async function credit(serial, random) {
    markCount += 1;
    const amount = serial.state.credits < MIN_CREDITS ? 3000 : random.pick([random.int(1, 90), -random.int(1, 90)]);
    const body = { amount, reason: `by hand ${markCount}` };
    return make(
      serial,
      { name: 'credit', ...body },
      ['credit', 'POST', `${accountPath(serial)}/credits`, { body }],
      200,
    );
  }

  async function advance(serial, random) {
    const ms = random.int(1, 150_000);
    const request = ['advance', 'POST', `${accountPath(serial)}/clock/advance`, { body: { ms } }];
    return make(serial, { name: 'advance', ms }, request, 200);
  }

  async function end(serial, random) {
    const running = serial.state.tasks.filter(({ id, status }) => id !== null && status === 'processing');
    if (running.length === 0) return order(serial, random);
    const { id } = random.pick(running);
    const how = random.pick(['complete', 'fail']);
    const path = `${accountPath(serial)}/tasks/${id}/${how}`;
    return make(serial, { name: 'end', id, how }, ['end', 'POST', path, { body: {} }], 200);
  }

  async function change(serial, random) {
    const settings = { seed: `seed ${random.int(1, 9)}`, speed: random.int(1, 90) };
    const limit = random.pick([null, 1_000_000]);
    const body = { ...settings, rateLimit: limit };
    const effect = { name: 'change', settings: { ...settings, limit } };
    return make(serial, effect, ['change', 'PATCH', accountPath(serial), { body }], 200);
  }

  async function limit(serial, random) {
    const body = { limit: 1_000_000, remaining: random.int(900_000, 999_990) };
    const effect = { name: 'limit', limit: body.limit, counted: body.limit - body.remaining };
    return make(serial, effect, ['limit', 'PUT', `${accountPath(serial)}/rate-limit`, { body }], 200);
  }

  async function addFault(serial, random) {
    if (serial.state.faults.length >= 5) return clearFaults(serial);
    const body = {
      match: { family: random.pick(FAMILIES) },
      at: 'charge',
      effect: { errorCode: 'GENERATION_FAILED' },
      times: random.int(1, 3),
    };
    const request = ['fault', 'POST', `${accountPath(serial)}/faults`, { body }];
    return make(serial, { name: 'addFault', rule: JSON.stringify(body) }, request, 201);
  }

  const clearFaults = (serial) =>
    make(serial, { name: 'clearFaults' }, ['fault', 'DELETE', `${accountPath(serial)}/faults`], 204);

  async function snapshot(serial, random) {
    const body = { name: random.pick(['one', 'two', 'three']) };
    const request = ['snapshot', 'POST', `${accountPath(serial)}/snapshots`, { body }];
    return make(serial, { name: 'snapshot', as: body.name }, request, 201);
  }

  async function restore(serial, random) {
    const names = Object.keys(serial.state.snapshots);
    if (names.length === 0) return snapshot(serial, random);
    const name = random.pick(names);
    const request = ['restore', 'POST', `${accountPath(serial)}/snapshots/${name}/restore`, { body: {} }];
    return make(serial, { name: 'restore', as: name }, request, 200);
  }

  async function fork(serial) {
    markCount += 1;
    const copy = { ...createSerialAccount(`${serial.key}-fork-${markCount}`), profile: serial.profile };
    const { snapshots: _none, ...kept } = structuredClone(serial.state);
    const forked = { ...kept, snapshots: {} };
    copy.pending = { name: 'fork', after: [forked] };
    addFork(copy);
    const response = await client.send('fork', 'POST', `${accountPath(serial)}/fork`, { body: { to: copy.key } });
    if (!response.isComplete) return false;
    copy.pending = undefined;
    if (response.status === 201) copy.state = forked;
    else report(`${serial.key}: the fork returned ${response.status} ${response.text.slice(0, 300)}`);
    return true;
  }

  const reset = (serial) =>
    make(
      serial,
      { name: 'reset', profile: serial.profile },
      ['reset', 'POST', `${accountPath(serial)}/reset`, { body: {} }],
      200,
    );

  const remove = (serial) =>
    make(serial, { name: 'remove', after: [null], state: () => null }, ['remove', 'DELETE', accountPath(serial)], 204);

  const calls = {
    ...{ order, stream, credit, advance, end, change, limit, addFault, clearFaults },
    ...{ snapshot, restore, reset, remove, fork },
  };

  return (serial, random) => {
    if (serial.state === null) return create(serial, random);
    if (serial.state.tasks.length >= MAX_TASKS) return reset(serial);
    return calls[random.weighted(CALLS)](serial, random);
  };
}
