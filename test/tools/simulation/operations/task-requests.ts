import type { Random } from '../../../../src/core/random.ts';
import { type AccountState, isRunning, type Mode, type ModelTask } from '../model/account-model.ts';
import { HOUR_MS, TASK_FAMILIES } from '../model/facts.ts';
import type { ModelAccount } from '../model/model.ts';
import { advanceTo, changeScale, earliestDue, elapsed, finish } from '../model/transitions.ts';
import { type ControlRequest, toTaskBody, toTimestamp, toTransitions } from './control-request.ts';
import { findDifference, type OperationContext } from './operation.ts';

export function advance({ random, model }: OperationContext, { key }: ModelAccount): ControlRequest {
  const ms = random.pick([undefined, 0, 1, 30_000, 200_000, HOUR_MS, -1]);
  return {
    ...{ method: 'POST', path: '/clock/advance', touches: [key], body: ms === undefined ? { toNext: true } : { ms } },
    serve(account) {
      const { state } = account;
      if (ms === -1) return { status: 409, body: { code: 'CLOCK_BACKWARDS' } };
      const now = model.now(account);
      const toMs = ms === undefined ? (earliestDue(state)?.dueAt ?? now) : now + ms;
      const transitions = advanceTo(state, toMs, model.wallMs(), model.emit(key));
      return { status: 200, body: { now: toTimestamp(toMs), transitions: toTransitions(transitions) } };
    },
  };
}

export function setClock({ random, model }: OperationContext, { key, state }: ModelAccount): ControlRequest {
  const mode: Mode = random.pick(['real', 'frozen', 'auto']);
  const aheadMs = random.pick([undefined, undefined, 100_000]);
  const toMs = aheadMs && model.now({ key, state } as ModelAccount) + aheadMs;
  const now = toMs ? { now: toTimestamp(toMs) } : {};
  return {
    ...{ method: 'PUT', path: '/clock', touches: [key], body: { mode, ...now } },
    serve(account) {
      if (toMs && toMs < model.now(account)) return { status: 409, body: { code: 'CLOCK_BACKWARDS' } };
      changeScale(account.state, { mode }, model.wallMs());
      const transitions = toMs ? advanceTo(account.state, toMs, model.wallMs(), model.emit(key)) : [];
      const body = { mode, now: toTimestamp(model.now(account)), transitions: toTransitions(transitions) };
      return { status: 200, body };
    },
  };
}

/** Picks a task; those that run, and of these those that wait for another one, more often than others. */
function pickTask(random: Random, { tasks }: AccountState): ModelTask {
  const running = tasks.filter(isRunning);
  const waiting = running.filter(({ startedAt }) => startedAt === null);
  return random.pick(random.pick([waiting, running, tasks].filter(({ length }) => length > 0)));
}

export function endTask({ random, model }: OperationContext, { key, state }: ModelAccount): ControlRequest | undefined {
  if (state.tasks.length === 0) return undefined;
  const { id } = pickTask(random, state);
  const isCompleted = random.next() < 0.5;
  return {
    ...{ method: 'POST', path: `/tasks/${id}/${isCompleted ? 'complete' : 'fail'}`, touches: [key] },
    ...(isCompleted ? {} : { body: { error: 'OUT_OF_LUCK' } }),
    serve(account) {
      const { state } = account;
      const task = state.tasks.find((task) => task.id === id);
      if (!task) return { status: 404, body: { code: 'TASK_NOT_FOUND' } };
      if (!isRunning(task)) return { status: 409, body: { code: 'TASK_ENDED' } };
      const now = model.now(account);
      const errorCode = isCompleted ? null : 'OUT_OF_LUCK';
      finish(state, task, errorCode, now, elapsed(state, task, now), model.emit(key));
      return { status: 200, body: toTaskBody(task) };
    },
  };
}

/** A wait for the end of a task; its response is checked when it comes. */
export function wait({ random, model }: OperationContext, { key, state }: ModelAccount): ControlRequest | undefined {
  if (state.tasks.length === 0) return undefined;
  const { id } = pickTask(random, state);
  const timeoutMs = random.pick([0, 5000, 600_000, 600_000]);
  const find = () => model.accounts.get(key)?.state.tasks.find((task) => task.id === id);
  return {
    ...{ method: 'GET', path: `/wait?task=${id}&timeoutMs=${timeoutMs}`, touches: [key] },
    serve() {
      const task = find();
      if (!task) return { status: 404, body: { code: 'TASK_NOT_FOUND' } };
      if (!isRunning(task)) return { status: 200, body: toTaskBody(task) };
      const untilMs = model.wallMs() + timeoutMs;
      return {
        status: [200, 408, 503],
        untilMs,
        check({ status, json }) {
          const account = model.accounts.get(key);
          if (account) model.catchUp(account);
          const task = find();
          if (status === 503) return findDifference(json, { code: 'STOPPING' });
          if (status === 408 && model.wallMs() < untilMs) return 'it came too early';
          if (!task || isRunning(task) === (status === 200)) return `the task is ${task?.status}`;
          return status === 200 ? findDifference(json, toTaskBody(task)) : undefined;
        },
      };
    },
  };
}

export function addRule({ random }: OperationContext, { key }: ModelAccount): ControlRequest {
  const family = random.pick(TASK_FAMILIES).name;
  const times = random.int(1, 2);
  return {
    ...{ method: 'POST', path: '/faults', touches: [key] },
    body: { at: 'charge', match: { family }, effect: { errorCode: 'GENERATION_FAILED' }, times },
    serve({ state }) {
      state.rules.push({ family, times, fired: 0 });
      return { status: 201, body: { fired: 0, times } };
    },
  };
}

export function removeRules(_context: OperationContext, { key }: ModelAccount): ControlRequest {
  return {
    ...{ method: 'DELETE', path: '/faults', touches: [key] },
    serve({ state }) {
      state.rules = [];
      return { status: 204 };
    },
  };
}
