import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';

/** Descriptors that a module, an image or a certificate opens at most at the same time, with a margin. */
const MIN_FREE = 32;
const OUT_OF_DESCRIPTORS_CODES: unknown[] = ['EMFILE', 'ENFILE'];

/** Returns how many more files and connections the process may open; `Infinity` where the system does not say. */
export function countFreeDescriptors(): number {
  try {
    return readMaxDescriptors() - readdirSync('/dev/fd').length;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Node has no getrlimit(). Linux shows the limit in a file; elsewhere a diagnostic report has it, but takes 10 ms. */
function readMaxDescriptors(): number {
  if (process.platform === 'linux') return parseLimit(readFileSync('/proc/self/limits', 'utf8'));
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files: { soft: number | 'unlimited' } } };
  const { soft = 'unlimited' } = userLimits?.open_files ?? {};
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : soft;
}

function parseLimit(limits: string): number {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

/**
 * Checks that enough descriptors are free for work that must not fail halfway.
 * @throws Error EMFILE or ENFILE when there are not
 */
export function assertFreeDescriptors(): void {
  const opened: number[] = [];
  try {
    while (opened.length < MIN_FREE) opened.push(openSync(devNull, 'r'));
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** Whether the process or the machine had too many open files. */
export function isOutOfDescriptors(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return OUT_OF_DESCRIPTORS_CODES.includes(code) || (cause != null && isOutOfDescriptors(cause));
}

/**
 * Returns a function that loads something on first use, to keep the start fast. After a failure, the next call tries
 * again.
 *
 * Node never retries the `import()` of a file that it could not open, and remembers a package.json that it could not
 * open as missing. Running out of descriptors would therefore do lasting damage: `load` only runs when enough are free.
 */
export function lazy<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  const start = async () => {
    assertFreeDescriptors();
    return load();
  };
  return () => {
    loading ??= start().catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}
