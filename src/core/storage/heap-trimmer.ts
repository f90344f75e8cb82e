import { connect, type Db } from './database.ts';

/** SQLite remembers each call that released nothing, until its connection closes. */
const MAX_CALLS_PER_CONNECTION = 1000;

export type HeapTrimmer = ReturnType<typeof createHeapTrimmer>;

/**
 * Returns free memory of the C heap to the operating system. VACUUM and Node.js only free it, and glibc keeps whatever
 * lies below an allocation that is still in use: almost all of it. A call takes 0.2 ms when there is nothing to return,
 * and several milliseconds in an emulator under load.
 *
 * Node.js cannot call malloc_trim, but SQLite can, as the entry point of an extension: it ignores its arguments, apart
 * from keeping free memory at the top of the heap, and SQLite takes its result, "memory was released", for an error.
 * Other C libraries have no such function, or need none.
 */
export function createHeapTrimmer() {
  let connection: Db | undefined;
  let calls = 0;

  function close(): void {
    connection?.close();
    connection = undefined;
    calls = 0;
  }

  return {
    trim(): void {
      if (process.platform !== 'linux') return;
      if (calls >= MAX_CALLS_PER_CONNECTION) close();
      connection ??= connect(':memory:');
      calls += 1;
      try {
        // The types lack the second parameter.
        (connection as { loadExtension(path: string, entryPoint: string): void }).loadExtension(
          'libc.so.6',
          'malloc_trim',
        );
      } catch {
        // Expected, see above.
      }
    },
    close,
  };
}
