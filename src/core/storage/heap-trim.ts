import type { MemoryBudget } from '../memory-budget.ts';
import type { Db } from './database.ts';

/** Freed memory that is worth a search for pages to return. */
const MIN_FREED_BYTES = 32 * 1024 * 1024;

/**
 * Returns free memory of the C heap to the operating system. VACUUM and Node.js only free it, and glibc keeps whatever
 * lies below an allocation that is still in use: almost all of it. Node.js cannot call malloc_trim, but SQLite can, as
 * the entry point of an extension: it ignores its arguments, apart from keeping free memory at the top of the heap, and
 * SQLite takes its result, "memory was released", for an error. Other C libraries have no such function, or need none.
 */
export function trimHeap(db: Db): void {
  if (process.platform !== 'linux') return;
  try {
    // The types lack the second parameter.
    (db as { loadExtension(path: string, entryPoint: string): void }).loadExtension('libc.so.6', 'malloc_trim');
  } catch {
    // Expected, see above.
  }
}

/**
 * Returns memory to the operating system that clients needed for a while, such as for unfinished bodies. Call it at
 * intervals.
 */
export function trimHeapIfFreed(db: Db, memory: MemoryBudget): void {
  if (memory.takeFreedBytes() >= MIN_FREED_BYTES) trimHeap(db);
}
