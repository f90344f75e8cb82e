import { signal } from '@preact/signals';

/** The file or directory that the emulator shows without changing it; undefined: it is not read-only. */
export const readOnlyPath = signal<string | undefined>(undefined);

export const isReadOnly = (): boolean => readOnlyPath.value !== undefined;

/** Reads the path from a response of the control plane. */
export function readReadOnlyPath({ headers }: Response): void {
  const encodedPath = headers.get('x-emulator-read-only');
  readOnlyPath.value = encodedPath === null ? undefined : decodeURIComponent(encodedPath);
}
