import { type ReadonlySignal, signal } from '@preact/signals';
import { requestJson } from './api.ts';
import { createSingleFlight } from './single-flight.ts';

/** A control-plane response that is kept up to date; `refresh` schedules another read. */
export interface Resource<T> {
  readonly value: ReadonlySignal<T | undefined>;
  refresh(): void;
  stop(): void;
}

export function createResource<T>(path: string, onRead: (value: T) => void = () => {}): Resource<T> {
  const value = signal<T | undefined>(undefined);
  const singleFlight = createSingleFlight(async () => {
    const loaded = await requestJson<T>('GET', path);
    if (singleFlight.isStopped()) return;
    value.value = loaded;
    onRead(loaded);
  });
  return { value, refresh: singleFlight.request, stop: singleFlight.stop };
}
