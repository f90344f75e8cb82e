import type { Clock } from '../core/clock.ts';

/**
 * Lets the answers of one turn of the event loop leave one right after the other, when all requests of the turn are dealt with. The
 * first wakes the client's machine, and the others find it awake: where each leaves by itself, waking costs more than the rest
 * of a poll.
 */
export function createTogether(clock: Clock) {
  let leaving: (() => void)[] = [];

  function leave(): void {
    const those = leaving;
    leaving = [];
    // Each by itself: what one throws is none of the others' business.
    for (const send of those) queueMicrotask(send);
  }

  return function together(send: () => void): void {
    if (leaving.length === 0) clock.afterTurn(leave);
    leaving.push(send);
  };
}
