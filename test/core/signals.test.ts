import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { firstOf } from '../../src/core/signals.ts';

const listenersOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

it('aborts with the first of its signals, whichever that is', () => {
  for (const place of [0, 1, 2]) {
    const controllers = [0, 1, 2].map(() => new AbortController());
    const first = firstOf(controllers.map(({ signal }) => signal));
    expect(first.aborted).toBe(false);
    controllers[place]!.abort();
    expect(first.aborted).toBe(true);
  }
  expect(firstOf([new AbortController().signal, AbortSignal.abort()]).aborted).toBe(true);
});

it('leaves nothing behind at signals that live on', () => {
  const long = new AbortController();
  const already = firstOf([long.signal, AbortSignal.abort()]);
  expect([already.aborted, listenersOf(long.signal)]).toEqual([true, 0]);
  for (let round = 0; round < 100; round++) {
    const short = new AbortController();
    firstOf([short.signal, long.signal]);
    expect(listenersOf(long.signal)).toBe(1);
    short.abort();
  }
  expect(listenersOf(long.signal)).toBe(0);
});
