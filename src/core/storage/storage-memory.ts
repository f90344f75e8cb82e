import { CoreError } from '../errors.ts';
import type { MemoryBudget } from '../memory-budget.ts';
import type { Clock } from '../time/clock.ts';
import type { Db } from './database.ts';
import type { HeapTrimmer } from './heap-trimmer.ts';
import type { Transactions } from './transactions.ts';

/** Estimated bytes after which the size of the database is measured. */
const BYTES_PER_MEASUREMENT = 1024 * 1024;
/** Free pages below this size are never worth a VACUUM. */
const MIN_VACUUM_BYTES = 16 * 1024 * 1024;

export type StorageMemory = ReturnType<typeof createStorageMemory>;

/**
 * Counts a database that is kept in memory in the memory budget. Measuring it for each request would cost too much, so
 * writes are counted by estimates, which a measurement replaces after every megabyte. A database in a data directory is
 * not counted.
 */
export function createStorageMemory(
  db: Db,
  deps: { clock: Clock; transactions: Transactions; memory: MemoryBudget; heap: HeapTrimmer; isInMemory: boolean },
) {
  const { clock, transactions, memory, heap, isInMemory } = deps;
  const readPages = db.prepare<[], { count: number; free: number; size: number }>(
    `SELECT page_count AS count, freelist_count AS free, page_size AS size
     FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  );
  let estimatedBytes = 0;
  let isMeasurementDue = false;
  /** Frees the oldest data; set by `onPressure`. */
  let evict = (): boolean => false;

  /** Replaces the estimates by the size of the used pages. Returns the sizes in bytes. */
  function measure(): { usedBytes: number; freeBytes: number } {
    const { count, free, size } = readPages.get()!;
    const usedBytes = (count - free) * size;
    estimatedBytes = 0;
    memory.add('storage', usedBytes - memory.usedBytes.storage);
    return { usedBytes, freeBytes: free * size };
  }

  /** Measures, and returns free pages to the operating system when they are most of the database. */
  function measureAndVacuum(): void {
    const { usedBytes, freeBytes } = measure();
    if (freeBytes < MIN_VACUUM_BYTES || freeBytes < usedBytes) return;
    transactions.flush();
    try {
      db.exec('VACUUM');
      heap.trim();
    } catch {
      // The copy did not fit into memory. The free pages are used again.
    }
  }

  function measureAtTurnEnd(): void {
    if (!isInMemory || isMeasurementDue) return;
    isMeasurementDue = true;
    clock.atTurnEnd(() => {
      isMeasurementDue = false;
      if (db.open) measureAndVacuum();
    });
  }

  if (isInMemory) {
    measure();
    memory.onPressure('storage', () => {
      // Rows that the running transaction has read must not disappear.
      if (transactions.isInTransaction() || !evict()) return false;
      measure();
      measureAtTurnEnd();
      return true;
    });
  }

  return {
    /**
     * Runs `work`, a transaction that writes about `bytes`. Evicts older data first, unless `work` is part of another
     * transaction.
     * @throws OUT_OF_MEMORY when nothing is left to evict
     */
    write<T>(bytes: number, work: () => T): T {
      if (!isInMemory || transactions.isInTransaction()) return work();
      // Such a copy cannot fit beside its original: nothing is evicted in vain.
      if (bytes > memory.maxBytesOf('storage') / 2 || !memory.reserve('storage', bytes)) {
        throw new CoreError('OUT_OF_MEMORY', 'the memory for data of clients is full (--memory-budget-mb)');
      }
      try {
        return work();
      } catch (error) {
        memory.add('storage', -bytes);
        throw error;
      } finally {
        estimatedBytes += bytes;
        if (estimatedBytes >= BYTES_PER_MEASUREMENT) measureAtTurnEnd();
      }
    },
    /** Measures the database at the end of the event-loop turn, after writes that were not estimated. */
    measureAtTurnEnd,
    /** Sets the function that frees the oldest data. It returns false when nothing is left to free. */
    onPressure(evictOldest: () => boolean): void {
      evict = evictOldest;
    },
  };
}
