import { type ReadonlySignal, signal } from '@preact/signals';
import { call } from './api.ts';
import { createSync } from './single-flight.ts';

/** One answer of the control plane, kept up to date: `refresh` reads it again, soon. */
export interface Value<T> {
  readonly value: ReadonlySignal<T | undefined>;
  refresh(): void;
  stop(): void;
}

export function createValue<T>(path: string, tell: (value: T) => void = () => {}): Value<T> {
  const value = signal<T | undefined>(undefined);
  const sync = createSync(async () => {
    const read = await call<T>('GET', path);
    if (sync.isStopped()) return;
    value.value = read;
    tell(read);
  });
  return { value, refresh: sync.request, stop: sync.stop };
}
