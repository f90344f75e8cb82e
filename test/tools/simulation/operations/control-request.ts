import { balanceOf, currentWindow, type ModelTask, type ModelTransition } from '../model/account-model.ts';
import { HOUR_MS } from '../model/facts.ts';
import type { ModelAccount } from '../model/model.ts';
import type { Expectation, Operation, OperationContext } from './operation.ts';

export const toTimestamp = (ms: number) => new Date(ms).toISOString();
const toTimestampOrNull = (ms: number | null) => (ms === null ? null : toTimestamp(ms));

/** Returns an account as the control plane must show it. */
export function toAccountBody({ model }: Pick<OperationContext, 'model'>, { key, state }: ModelAccount): object {
  const now = model.now({ key, state } as ModelAccount);
  const window = currentWindow(state, now);
  return {
    key,
    credits: balanceOf(state),
    rateLimit: {
      limit: state.limit,
      remaining: state.limit === null ? null : Math.max(0, state.limit - (window?.count ?? 0)),
      resetAt: window ? toTimestamp(window.startedAt + HOUR_MS) : null,
    },
    clock: { mode: state.mode, now: toTimestamp(now) },
    speed: state.speed,
    seed: state.seed,
    revoked: state.revoked,
  };
}

export const toTransitions = (transitions: readonly ModelTransition[]) =>
  transitions.map(({ at, ...transition }) => ({ ...transition, at: toTimestamp(at) }));

export const toTaskBody = ({ id, family, status, price, dueAt, finishedAt, simulatedMs }: ModelTask) => ({
  ...{
    id,
    family,
    status,
    price,
    dueAt: toTimestampOrNull(dueAt),
    finishedAt: toTimestampOrNull(finishedAt),
    simulatedMs,
  },
});

export interface ControlRequest extends Pick<Operation, 'method' | 'body' | 'isAlone' | 'endsLifetime' | 'touches'> {
  /** Appended to the path of the account. */
  path: string;
  /** Runs when all that is due has been applied. */
  serve(account: ModelAccount): Expectation;
}

/** Expects the account as it is now. */
export const expectAccount = (context: OperationContext, account: ModelAccount): Expectation => ({
  status: 200,
  body: toAccountBody(context, account),
});
