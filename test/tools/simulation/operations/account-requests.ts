import { balanceOf, currentWindow, isRunning, record } from '../model/account-model.ts';
import type { ModelAccount } from '../model/model.ts';
import { changeScale, copyState } from '../model/transitions.ts';
import { type ControlRequest, expectAccount, toAccountBody, toTimestamp } from './control-request.ts';
import type { OperationContext } from './operation.ts';

export function read(context: OperationContext, { key }: ModelAccount): ControlRequest {
  return { ...{ method: 'GET', path: '', touches: [key] }, serve: (account) => expectAccount(context, account) };
}

export function credits(context: OperationContext, { key }: ModelAccount): ControlRequest {
  const { random, model } = context;
  const amount = random.pick([1, 50, 200, -1, -30, -500]);
  return {
    ...{ method: 'POST', path: '/credits', touches: [key], body: { amount, reason: 'a test' } },
    serve(account) {
      const { state } = account;
      if (balanceOf(state) + amount < 0) return { status: 409, body: { code: 'BALANCE_TOO_LOW' } };
      record(state, amount > 0 ? 'grant' : 'adjust', amount, null, 'a test', model.now(account), model.emit(key));
      return expectAccount(context, account);
    },
  };
}

export function ledger(_context: OperationContext, { key }: ModelAccount): ControlRequest {
  return {
    ...{ method: 'GET', path: '/ledger?limit=1000', touches: [key] },
    serve: ({ state }) => ({
      status: 200,
      body: {
        balance: balanceOf(state),
        held: state.tasks.filter(isRunning).reduce((sum, { price }) => sum + price, 0),
        entries: state.entries.map(({ at, ...entry }, index) => ({
          ...entry,
          id: String(index + 1),
          at: toTimestamp(at),
        })),
      },
    }),
  };
}

export function setRateLimit(context: OperationContext, { key }: ModelAccount): ControlRequest {
  const limit = context.random.pick([1, 5, 100, null]);
  const remaining = limit === null ? undefined : context.random.pick([undefined, 0, limit]);
  return {
    ...{ method: 'PUT', path: '/rate-limit', touches: [key] },
    body: { limit, ...(remaining === undefined ? {} : { remaining }) },
    serve(account) {
      const { state } = account;
      state.limit = limit;
      if (limit !== null && remaining !== undefined) {
        const now = context.model.now(account);
        const count = limit - remaining;
        const window = currentWindow(state, now);
        state.window = count === 0 && !window ? null : { startedAt: window?.startedAt ?? now, count };
      }
      return expectAccount(context, account);
    },
  };
}

export function change(context: OperationContext, { key }: ModelAccount): ControlRequest {
  const { random, model } = context;
  const body = random.pick([
    { speed: 1 },
    { speed: 60 },
    { speed: 7 },
    { revoked: true },
    { revoked: false },
    { seed: 'b' },
  ]);
  return {
    ...{ method: 'PATCH', path: '', touches: [key], body },
    serve(account) {
      if ('speed' in body) changeScale(account.state, { speed: body.speed }, model.wallMs());
      else Object.assign(account.state, body);
      return expectAccount(context, account);
    },
  };
}

export function takeSnapshot({ random, model }: OperationContext, { key }: ModelAccount): ControlRequest {
  const name = random.pick(['one', 'two']);
  return {
    ...{ method: 'POST', path: '/snapshots', touches: [key], body: { name } },
    serve(account) {
      const takenAt = model.now(account);
      account.snapshots.set(name, { state: copyState(account.state, model.wallMs(), () => {}), takenAt });
      return { status: 201, body: { name } };
    },
  };
}

export function restore(context: OperationContext, { key, snapshots }: ModelAccount): ControlRequest {
  const { model } = context;
  const [name = 'one'] = snapshots.keys();
  return {
    ...{ method: 'POST', path: `/snapshots/${name}/restore`, touches: [key], isAlone: true, endsLifetime: true },
    serve(account) {
      const snapshot = account.snapshots.get(name);
      if (!snapshot) return { status: 404, body: { code: 'SNAPSHOT_NOT_FOUND' } };
      const { takenAt, state } = snapshot;
      account.state = structuredClone(state);
      account.state.clockMs = state.mode === 'real' ? takenAt - model.wallMs() : takenAt;
      model.catchUp(account);
      return expectAccount(context, account);
    },
  };
}

export function fork(context: OperationContext, { key }: ModelAccount): ControlRequest {
  const { random, model } = context;
  const to = `np_test_fork${random.int(1, 3)}`;
  return {
    ...{ method: 'POST', path: '/fork', touches: [key, to], body: { to }, isAlone: true },
    serve({ state }) {
      if (model.accounts.has(to)) return { status: 409, body: { code: 'ACCOUNT_EXISTS' } };
      const copy = copyState(state, model.wallMs(), model.emit(to));
      const account: ModelAccount = { key: to, isAutoCreated: false, state: copy, snapshots: new Map(), journal: [] };
      model.accounts.set(to, account);
      return { status: 201, body: toAccountBody(context, account) };
    },
  };
}

export function reset(context: OperationContext, { key }: ModelAccount): ControlRequest {
  return {
    ...{ method: 'POST', path: '/reset', touches: [key], isAlone: true, endsLifetime: true },
    serve(account) {
      context.model.reset(account);
      return expectAccount(context, account);
    },
  };
}

export function remove({ model }: OperationContext, { key }: ModelAccount): ControlRequest {
  return {
    ...{ method: 'DELETE', path: '', touches: [key], isAlone: true, endsLifetime: true },
    serve() {
      model.accounts.delete(key);
      return { status: 204 };
    },
  };
}
