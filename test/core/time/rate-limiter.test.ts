import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WINDOW_MS } from '../../../src/core/time/rate-limiter.ts';
import { buildOrder, buildProfile, createTestCore } from '../../support/core.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { createTestClock } from '../../support/test-clock.ts';

describe('rate limiter', () => {
  it('starts a window of one hour with the first request, and a new one after its end', () => {
    const { rateLimiter, accounts } = createTestCore();
    const { id } = accounts.create('k', 'seed', buildProfile());
    expect(rateLimiter.peek(id, 0)).toEqual({ count: 0, resetAtMs: null });
    expect(rateLimiter.hit(id, 1000)).toEqual({ count: 1, leftMs: WINDOW_MS });
    expect(rateLimiter.hit(id, 1000 + WINDOW_MS - 1)).toEqual({ count: 2, leftMs: 1 });
    expect(rateLimiter.peek(id, 1000 + WINDOW_MS - 1)).toEqual({ count: 2, resetAtMs: 1000 + WINDOW_MS });
    expect(rateLimiter.hit(id, 1000 + WINDOW_MS)).toEqual({ count: 1, leftMs: WINDOW_MS });
  });

  it('does not lock an account out when the clock is set back', () => {
    const { rateLimiter } = createTestCore();
    rateLimiter.hit(1, 10 * WINDOW_MS);
    expect(rateLimiter.hit(1, 0)).toEqual({ count: 1, leftMs: WINDOW_MS });
  });

  it('keeps the end of the current window when all of its requests are given back', () => {
    const { rateLimiter } = createTestCore();
    rateLimiter.hit(1, 5000);
    rateLimiter.set(1, 0, 6000);
    expect(rateLimiter.hit(1, 7000)).toEqual({ count: 1, leftMs: WINDOW_MS - 2000 });
  });

  it('starts no window when the count is set to zero', () => {
    const { rateLimiter } = createTestCore();
    rateLimiter.set(1, 0, 5000);
    expect(rateLimiter.peek(1, 5000)).toEqual({ count: 0, resetAtMs: null });
  });

  it('discards the window of a removed account', () => {
    const { rateLimiter, accounts, resets } = createTestCore();
    const { id } = accounts.create('k', 'seed', buildProfile());
    rateLimiter.hit(id, 5000);
    resets.remove(id);
    expect(rateLimiter.peek(id, 5000)).toEqual({ count: 0, resetAtMs: null });
  });

  it('does not commit the submissions of a turn early when no window has changed', () => {
    const { rateLimiter, accounts, tasks, transactions } = createTestCore();
    tasks.submit(accounts.create('k', 'seed', buildProfile()).id, [buildOrder()]);
    rateLimiter.save();
    expect(transactions.hasPendingBatch()).toBe(true);
  });

  it('keeps windows and counts across a graceful restart', () => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const { id } = before.accounts.create('k', 'seed', buildProfile());
    before.rateLimiter.hit(id, 5000);
    before.rateLimiter.hit(id, 6000);
    before.close();
    const after = createTestCore(clock, dir);
    expect(after.rateLimiter.hit(id, 7000)).toEqual({ count: 3, leftMs: WINDOW_MS - 2000 });
    expect(after.rateLimiter.hit(id, 7000)).toEqual({ count: 4, leftMs: WINDOW_MS - 2000 });
    after.close();
  });

  it('is persisted every second, so that a killed process loses at most one second', () => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const { id } = before.accounts.create('k', 'seed', buildProfile());
    before.worker.start(() => expect.unreachable());
    before.rateLimiter.hit(id, 5000);
    before.rateLimiter.hit(id, 6000);
    clock.advance(1000);
    before.rateLimiter.hit(id, 6500);
    // A killed process does not run core.close().
    before.db.close();
    const after = createTestCore(clock, dir);
    expect(after.rateLimiter.hit(id, 7000)).toEqual({ count: 3, leftMs: WINDOW_MS - 2000 });
    after.close();
  });

  it('persists windows that were set, copied or cleared', () => {
    const dir = tempDir();
    const clock = createTestClock();
    const before = createTestCore(clock, dir);
    const [one, two, three] = ['1', '2', '3'].map((key) => before.accounts.create(key, 'seed', buildProfile()).id);
    before.rateLimiter.hit(one!, 5000);
    before.rateLimiter.hit(three!, 5000);
    before.rateLimiter.set(one!, 90, 6000);
    before.rateLimiter.copy(one!, two!);
    before.rateLimiter.save();
    before.rateLimiter.set(one!, 0, 7000);
    before.resets.remove(three!);
    before.close();
    const after = createTestCore(clock, dir);
    // A window without requests ends when it would have ended without the restart.
    expect(after.rateLimiter.peek(one!, 7000)).toEqual({ count: 0, resetAtMs: 5000 + WINDOW_MS });
    expect(after.rateLimiter.peek(two!, 7000)).toEqual({ count: 90, resetAtMs: 5000 + WINDOW_MS });
    expect(after.rateLimiter.peek(three!, 7000)).toEqual({ count: 0, resetAtMs: null });
    after.close();
  });

  it('matches a plain model under random requests of several accounts', () => {
    const request = fc.record({ account: fc.nat(2), waitMs: fc.oneof(fc.nat(1000), fc.nat(WINDOW_MS)) });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 200 }), (requests) => {
        const { rateLimiter } = createTestCore();
        const model = new Map<number, { start: number; count: number }>();
        let nowMs = 0;
        for (const { account, waitMs } of requests) {
          nowMs += waitMs;
          const known = model.get(account);
          const window = known && nowMs - known.start < WINDOW_MS ? known : { start: nowMs, count: 0 };
          window.count += 1;
          model.set(account, window);
          expect(rateLimiter.hit(account, nowMs)).toEqual({
            count: window.count,
            leftMs: window.start + WINDOW_MS - nowMs,
          });
        }
      }),
      { numRuns: 50 },
    );
  });
});
