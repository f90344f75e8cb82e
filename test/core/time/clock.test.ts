import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createMonotonicClock, systemClock } from '../../../src/core/time/clock.ts';
import { buildProfile, createTestCore } from '../../support/core.ts';

// The real module keeps Node's own functions, which fake timers do not replace.
vi.mock('../../../src/core/globals.ts', async (importOriginal) => ({
  ...(await importOriginal<object>()),
  now: () => Date.now(),
  setTimeout: (work: () => void, ms: number) => setTimeout(work, ms),
  clearTimeout: (timer: NodeJS.Timeout) => clearTimeout(timer),
  setInterval: (work: () => void, ms: number) => setInterval(work, ms),
  clearInterval: (timer: NodeJS.Timeout) => clearInterval(timer),
}));

beforeEach(() => void vi.useFakeTimers({ now: 1000 }));
afterEach(() => void vi.useRealTimers());

describe('system clock', () => {
  it('returns wall time', () => {
    expect(systemClock.nowMs()).toBe(1000);
  });

  it('sleeps for the given time and removes its timer and listener', async () => {
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const sleep = systemClock.sleep(50, controller.signal);
    await vi.advanceTimersByTimeAsync(50);
    expect(await sleep).toBe(true);
    expect(remove).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sleeps for the maximum timer delay when the given time is longer', async () => {
    const controller = new AbortController();
    let isAwake = false;
    const sleep = systemClock.sleep(2 ** 40, controller.signal).then((completed) => {
      isAwake = true;
      return completed;
    });
    await vi.advanceTimersByTimeAsync(86_400_000);
    expect(isAwake).toBe(false);
    controller.abort();
    expect(await sleep).toBe(false);
  });

  it('stops sleeping immediately when the signal aborts', async () => {
    const controller = new AbortController();
    const sleep = systemClock.sleep(1_000_000, controller.signal);
    controller.abort();
    expect(await sleep).toBe(false);
    expect(await systemClock.sleep(1_000_000, controller.signal)).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('calls repeated and one-off work until it is cancelled', () => {
    const work = vi.fn();
    const stopRepeat = systemClock.repeat(10, work);
    const stopAfter = systemClock.after(10, work);
    systemClock.after(25, work);
    stopAfter();
    vi.advanceTimersByTime(30);
    expect(work).toHaveBeenCalledTimes(4);
    stopRepeat();
    vi.advanceTimersByTime(100);
    expect(work).toHaveBeenCalledTimes(4);
  });
});

describe("an account's clock", () => {
  it('starts at the given time in every mode', () => {
    const core = createTestCore();
    for (const mode of ['real', 'frozen', 'auto'] as const) {
      const account = core.accounts.create(mode, 'seed', buildProfile({ clock: { mode, nowMs: 5000 } }));
      expect(account.createdAtMs).toBe(5000);
      expect(core.timeline.nowMs(account)).toBe(5000);
      core.clock.advance(100);
      expect(core.timeline.nowMs(account)).toBe(mode === 'real' ? 5100 : 5000);
    }
  });
});

describe('monotonic clock', () => {
  it('continues from its last value when the system clock is set back, and follows it forward', () => {
    let systemMs = 1000;
    const clock = createMonotonicClock();
    const seen: number[] = [];
    for (const move of [0, 10, -500, 10, 10, -5, 3000, 1]) {
      systemMs += move;
      vi.setSystemTime(systemMs);
      seen.push(clock.nowMs());
    }
    expect(seen).toEqual([1000, 1010, 1010, 1020, 1030, 1030, 4030, 4031]);
  });

  it('does not affect the time of another clock', () => {
    const clock = createMonotonicClock();
    vi.setSystemTime(5000);
    expect(clock.nowMs()).toBe(5000);
    vi.setSystemTime(2000);
    expect(clock.nowMs()).toBe(5000);
    expect(createMonotonicClock().nowMs()).toBe(2000);
  });
});
