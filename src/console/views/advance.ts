import type { Advance } from '../../client/types.ts';
import { formatDuration, pluralize } from '../components/format.ts';
import type { AccountState } from '../state/account.ts';
import { ApiError, accountPath, requestJson } from '../state/api.ts';
import { untilEndMs } from '../task-progress.ts';
import { exactTimeMs } from './task-bar.tsx';

/** Maximum number of transitions after the known end; more than any plan has steps. */
const MAX_STEPS = 100;
/** The longest advance that the control plane accepts in a single request. */
const MAX_ADVANCE_MS = 3_200_000_000_000;

const postAdvance = ({ key }: AccountState, by: { ms: number } | { toNext: true }) =>
  requestJson<Advance>('POST', accountPath(key, '/clock/advance'), by);

const describeTransitions = (count: number) => (count === 0 ? 'no transitions' : pluralize(count, 'transition'));

/** Advances the clock in as many requests as needed. Returns the number of transitions. */
async function advanceBy(state: AccountState, ms: number): Promise<number> {
  let count = 0;
  let leftMs = ms;
  do {
    const partMs = Math.min(leftMs, MAX_ADVANCE_MS);
    count += (await postAdvance(state, { ms: partMs })).transitions.length;
    leftMs -= partMs;
  } while (leftMs > 0);
  return count;
}

/** Advances the account's clock. Returns a message for the toast. @throws ApiError */
export async function advance(state: AccountState, ms: number): Promise<string> {
  const wholeMs = Math.max(0, Math.ceil(ms));
  const count = await advanceBy(state, wholeMs);
  return `Advanced by ${formatDuration(wholeMs)}: ${describeTransitions(count)}.`;
}

export async function advanceToNext(state: AccountState): Promise<string> {
  const { transitions } = await postAdvance(state, { toNext: true });
  return transitions.length === 0
    ? 'No task has a pending step.'
    : `Advanced to the next step: ${describeTransitions(transitions.length)}.`;
}

/** Treats a transition beyond the latest time of a clock as one that never happens. */
function ignoreTooFar(error: Error): Pick<Advance, 'transitions'> {
  if (error instanceof ApiError && error.code === 'CLOCK_TOO_FAR') return { transitions: [] };
  throw error;
}

/** Advances the clock until every task that can finish has finished. Returns a message for the toast. */
export async function advanceToEnd(state: AccountState): Promise<string> {
  const ms = untilEndMs(state.tasks.items.peek(), state.account.peek()!, exactTimeMs(state));
  let count = ms === undefined ? 0 : await advanceBy(state, ms);
  // Tasks that this page did not know about yet.
  for (let step = 0; step < MAX_STEPS; step++) {
    const { transitions } = await postAdvance(state, { toNext: true }).catch(ignoreTooFar);
    if (transitions.length === 0) break;
    count += transitions.length;
  }
  return `Advanced to the end of all tasks: ${describeTransitions(count)}.`;
}
