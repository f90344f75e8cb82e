import type { Advance } from '../../client/types.ts';
import { counted, duration } from '../components/format.ts';
import type { AccountState } from '../state/account.ts';
import { accountPath, call, Refusal } from '../state/api.ts';
import { untilEndMs } from '../timeline.ts';
import { exactNowOf } from './task-bar.tsx';

/** More steps than any plan has. */
const MOST_STEPS = 100;
/** What the control plane takes in one go. */
const MOST_MS = 3_200_000_000_000;

const move = ({ key }: AccountState, by: { ms: number } | { toNext: true }) =>
  call<Advance>('POST', accountPath(key, '/clock/advance'), by);

const told = (count: number) => (count === 0 ? 'nothing fell due' : `${counted(count, 'change')} happened`);

/** However far it is. Gives how many changes happened on the way. */
async function moveOn(state: AccountState, ms: number): Promise<number> {
  let count = 0;
  let leftMs = ms;
  do {
    const partMs = Math.min(leftMs, MOST_MS);
    count += (await move(state, { ms: partMs })).transitions.length;
    leftMs -= partMs;
  } while (leftMs > 0);
  return count;
}

/** Moves the account's clock forward. @throws Refusal */
export async function advance(state: AccountState, ms: number): Promise<string> {
  const wholeMs = Math.max(0, Math.ceil(ms));
  const count = await moveOn(state, wholeMs);
  return `Moved on by ${duration(wholeMs)}: ${told(count)}.`;
}

export async function advanceToNext(state: AccountState): Promise<string> {
  const { transitions } = await move(state, { toNext: true });
  return transitions.length === 0
    ? 'No task has anything before it.'
    : `Moved on to the next change: ${told(transitions.length)}.`;
}

/** What is due after the last moment that a clock can have will never be. */
function unlessTooFar(error: Error): Pick<Advance, 'transitions'> {
  if (error instanceof Refusal && error.code === 'CLOCK_TOO_FAR') return { transitions: [] };
  throw error;
}

/** Until everything has ended that ever will. */
export async function advanceToEnd(state: AccountState): Promise<string> {
  const ms = untilEndMs(state.tasks.items.peek(), state.account.peek()!, exactNowOf(state));
  let count = ms === undefined ? 0 : await moveOn(state, ms);
  // What this page did not know of yet.
  for (let step = 0; step < MOST_STEPS; step++) {
    const { transitions } = await move(state, { toNext: true }).catch(unlessTooFar);
    if (transitions.length === 0) break;
    count += transitions.length;
  }
  return `All that will end has ended: ${told(count)}.`;
}
