import type { Advance } from '../../client/types.ts';
import type { AccountState } from '../control/account.ts';
import { accountPath, call } from '../control/call.ts';
import { counted, duration } from '../parts/words.ts';
import { untilEndMs } from '../timeline.ts';
import { exactNowOf } from './task-bar.tsx';

/** More steps than any plan has. */
const MOST_STEPS = 100;

const move = ({ key }: AccountState, by: { ms: number } | { toNext: true }) =>
  call<Advance>('POST', accountPath(key, '/clock/advance'), by);

const told = (count: number) => (count === 0 ? 'nothing fell due' : `${counted(count, 'change')} happened`);

/** Moves the account's clock forward. @throws Refusal */
export async function advance(state: AccountState, ms: number): Promise<string> {
  const wholeMs = Math.max(0, Math.ceil(ms));
  const { transitions } = await move(state, { ms: wholeMs });
  return `Moved on by ${duration(wholeMs)}: ${told(transitions.length)}.`;
}

export async function advanceToNext(state: AccountState): Promise<string> {
  const { transitions } = await move(state, { toNext: true });
  return transitions.length === 0
    ? 'No task has anything before it.'
    : `Moved on to the next change: ${told(transitions.length)}.`;
}

/** Until everything has ended that ever will. */
export async function advanceToEnd(state: AccountState): Promise<string> {
  const ms = untilEndMs(state.tasks.items.peek(), state.account.peek()!, exactNowOf(state));
  let count = 0;
  if (ms !== undefined) count += (await move(state, { ms })).transitions.length;
  // What this page did not know of yet.
  for (let step = 0; step < MOST_STEPS; step++) {
    const { transitions } = await move(state, { toNext: true });
    if (transitions.length === 0) break;
    count += transitions.length;
  }
  return `All that will end has ended: ${told(count)}.`;
}
