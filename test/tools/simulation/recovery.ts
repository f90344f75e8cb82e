import { DEFAULT_PROFILE } from './model/facts.ts';
import { adoptEndedStreams, adoptInterruptedStreams, adoptSavedWindow, findRowDifference } from './model/rows.ts';
import { findFault } from './operations/operation.ts';
import type { Pending, SimulationContext } from './simulation.ts';

/**
 * Starts a process on the files of the one that died, and compares them with the model: each request that got no
 * response took effect completely or not at all, and everything else is as it was.
 */
export async function recoverFromDeath(
  context: SimulationContext,
  lost: readonly Pending[],
  step: number,
): Promise<void> {
  const { world, model, line, find } = context;
  await world.reopen();
  const isFirst = ({ step: sentIn }: Pending) => sentIn === step;
  const unexpected = lost.filter(({ id, response, expectation }) => {
    if (!response) return false;
    line(`${id} < ${response.status} ${response.text}`);
    return findFault(response, expectation) !== undefined;
  });
  const undecided = lost.filter((request) => isFirst(request) && !request.response);
  for (const request of undecided) if (!decide(context, request)) keepLifetimes(request, lost);
  /** How many requests the saved window may count more; a request of the control plane may have set it. */
  const countUncertain = (key: string) => {
    const own = undecided.filter(({ operation }) => operation.touches.includes(key));
    return own.some(({ operation }) => operation.key === undefined) ? Number.POSITIVE_INFINITY : own.length;
  };
  model.restart();
  for (const account of model.accounts.values()) {
    const problem =
      adoptInterruptedStreams(world.rows, model, account) ??
      adoptSavedWindow(world.rows, account, countUncertain(account.key)) ??
      findRowDifference(world.rows, model, account.key);
    if (problem) find(`after a death: ${problem}`);
  }
  // A wait may have seen the end of a task that the model has only now read.
  for (const { id, response, expectation, operation, orphanedIn } of unexpected) {
    if (orphanedIn !== undefined) continue;
    const problem = findFault(response!, expectation);
    if (problem) find(`${id} ${operation.method} ${operation.path}: ${problem}; it is ${response!.text}`);
  }
}

/** Continues the lifetimes that a request would have ended, because it took no effect. */
export function keepLifetimes(
  { operation, step }: Pick<Pending, 'operation' | 'step'>,
  others: readonly Pending[],
): void {
  if (!operation.endsLifetime) return;
  const { touches } = operation;
  for (const other of others) {
    const isSameAccount = other.operation.touches.some((key) => touches.includes(key));
    if (isSameAccount && other.orphanedIn === step) other.orphanedIn = undefined;
  }
}

/** Finds out whether a request without a response, or with an error, took effect, and adapts the model. */
export function decide(
  { world, model, line, find }: SimulationContext,
  { operation, undo, id }: Pick<Pending, 'operation' | 'undo' | 'id'>,
): boolean {
  const { touches, key } = operation;
  const compare = () => {
    for (const touched of touches) {
      const account = model.accounts.get(touched);
      const problem =
        (account && adoptEndedStreams(world.rows, model, account, true)) ??
        findRowDifference(world.rows, model, touched);
      if (problem) return problem;
    }
    return undefined;
  };
  undo();
  const withoutIt = compare();
  line(`${id} took ${withoutIt ? 'effect' : 'no effect'}`);
  if (!withoutIt) return false;
  undo();
  operation.apply();
  const withIt = operation.adopt?.(world.rows) ?? compare();
  if (!withIt) return true;
  undo();
  // The account of an unknown key is created first, and stays.
  if (key !== undefined && !model.accounts.has(key)) {
    model.create(key, { ...DEFAULT_PROFILE }, true);
    if (!compare()) return false;
  }
  find(`${id} ${operation.method} ${operation.path} took effect in part: ${withoutIt}; ${withIt}`);
  return true;
}
