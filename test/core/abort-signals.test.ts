import { getEventListeners, setMaxListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { anySignal } from '../../src/core/abort-signals.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const countListeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

describe('anySignal', () => {
  it('aborts with the first of its signals, regardless of their order', () => {
    for (const index of [0, 1, 2]) {
      const controllers = [0, 1, 2].map(() => new AbortController());
      const first = anySignal(controllers.map(({ signal }) => signal));
      expect(first.aborted).toBe(false);
      controllers[index]!.abort();
      expect(first.aborted).toBe(true);
      // An Error's stack would retain the frames that created it.
      expect(first.reason).not.toBeInstanceOf(Error);
    }
    expect(anySignal([new AbortController().signal, AbortSignal.abort()]).aborted).toBe(true);
  });

  it('removes its listeners from the signals that did not abort', () => {
    const long = new AbortController();
    const aborted = anySignal([long.signal, AbortSignal.abort()]);
    expect([aborted.aborted, countListeners(long.signal)]).toEqual([true, 0]);
    for (let round = 0; round < 100; round++) {
      const short = new AbortController();
      anySignal([short.signal, long.signal]);
      expect(countListeners(long.signal)).toBe(1);
      short.abort();
    }
    expect(countListeners(long.signal)).toBe(0);
  });

  it('removes its listeners when garbage is collected before it aborts', async () => {
    const long = new AbortController();
    // Node would warn of a leak.
    setMaxListeners(0, long.signal);
    const short = Array.from({ length: 20 }, () => new AbortController());
    for (const { signal } of short) anySignal([signal, long.signal]);
    for (let round = 0; round < 3; round++) {
      collectGarbage();
      await nextTurn();
    }
    for (const controller of short) controller.abort();
    expect(countListeners(long.signal)).toBe(0);
  });
});
