import type { Advance } from '../../client/types.ts';
import { formatDuration, pluralize } from '../components/format.ts';
import type { AccountState } from '../state/account.ts';
import { ApiError, accountPath, requestJson } from '../state/api.ts';
import { untilEndMs } from '../timeline.ts';
import { exactTimeMs } from './task-bar.tsx';

/** More steps than any plan has. */
const MAX_STEPS = 100;
/** What the control plane takes in one go. */
const MAX_ADVANCE_MS = 3_200_000_000_000;

const postAdvance = ({ key }: AccountState, by: { ms: number } | { toNext: true }) =>
  requestJson<Advance>('POST', accountPath(key, '/clock/advance'), by);

const describeChanges = (count: number) =>
  count === 0 ? 'nothing fell due' : `${pluralize(count, 'change')} happened`;

/** However far it is. Gives how many changes happened on the way. */
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

/** Moves the account's clock forward. @throws Refusal */
export async function advance(state: AccountState, ms: number): Promise<string> {
  const wholeMs = Math.max(0, Math.ceil(ms));
  const count = await advanceBy(state, wholeMs);
  return `Moved on by ${formatDuration(wholeMs)}: ${describeChanges(count)}.`;
}

export async function advanceToNext(state: AccountState): Promise<string> {
  const { transitions } = await postAdvance(state, { toNext: true });
  return transitions.length === 0
    ? 'No task has anything before it.'
    : `Moved on to the next change: ${describeChanges(transitions.length)}.`;
}

/** What is due after the last moment that a clock can have will never be. */
function ignoreTooFar(error: Error): Pick<Advance, 'transitions'> {
  if (error instanceof ApiError && error.code === 'CLOCK_TOO_FAR') return { transitions: [] };
  throw error;
}

/** Until everything has ended that ever will. */
export async function advanceToEnd(state: AccountState): Promise<string> {
  const ms = untilEndMs(state.tasks.items.peek(), state.account.peek()!, exactTimeMs(state));
  let count = ms === undefined ? 0 : await advanceBy(state, ms);
  // What this page did not know of yet.
  for (let step = 0; step < MAX_STEPS; step++) {
    const { transitions } = await postAdvance(state, { toNext: true }).catch(ignoreTooFar);
    if (transitions.length === 0) break;
    count += transitions.length;
  }
  return `All that will end has ended: ${describeChanges(count)}.`;
}
