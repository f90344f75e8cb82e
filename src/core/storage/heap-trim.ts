import type { Db } from './database.ts';

/**
 * Returns free memory of the C heap to the operating system. VACUUM and Node.js only free it, and glibc keeps whatever
 * lies below an allocation that is still in use: almost all of it. Takes 0.2 ms, plus 1 ms for each 13 MB that is
 * returned.
 *
 * Node.js cannot call malloc_trim, but SQLite can, as the entry point of an extension: it ignores its arguments, apart
 * from keeping free memory at the top of the heap, and SQLite takes its result, "memory was released", for an error.
 * Other C libraries have no such function, or need none.
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
