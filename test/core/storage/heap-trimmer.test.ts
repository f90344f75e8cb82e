import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Database from 'better-sqlite3';
import { describe, expect, it, vi } from 'vitest';
import { createHeapTrimmer } from '../../../src/core/storage/heap-trimmer.ts';
import { createTestCore } from '../../support/core.ts';

const KIB = 1024;

describe.skipIf(process.platform !== 'linux')('heap trimmer', () => {
  it('returns memory that lies below what is still in use', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc');
    const trimmer = createHeapTrimmer();
    const kept: Buffer[] = [];
    let freed: Buffer[] = [];
    for (let n = 0; n < 1000; n++) {
      // Too small for pages of their own, which glibc would return by itself.
      freed.push(Buffer.allocUnsafeSlow(100 * KIB).fill(1));
      if (n % 10 === 0) kept.push(Buffer.allocUnsafeSlow(20 * KIB).fill(1));
    }
    const usedBytes = process.memoryUsage.rss();
    freed = [];
    // V8 frees buffers on a thread of its own, some time after the garbage collection.
    await vi.waitFor(() => {
      collectGarbage();
      trimmer.trim();
      expect(process.memoryUsage.rss()).toBeLessThan(usedBytes - 50 * 1024 * KIB);
    });
    // Alive until here.
    expect(kept).toHaveLength(100);
    trimmer.close();
  });

  it('is used at once and then every ten seconds, because it stops a busy emulator', () => {
    const loadExtension = vi.spyOn(Database.prototype, 'loadExtension');
    const core = createTestCore();
    core.worker.start(() => {});
    core.clock.advance(1000);
    expect(loadExtension).toHaveBeenCalledTimes(1);
    for (let second = 0; second < 20; second++) core.clock.advance(1000);
    expect(loadExtension).toHaveBeenCalledTimes(3);
    core.close();
    loadExtension.mockRestore();
  });

  it('can be called for days', () => {
    const trimmer = createHeapTrimmer();
    for (let n = 0; n < 1100; n++) trimmer.trim();
    trimmer.close();
    trimmer.trim();
    trimmer.close();
  });
});
