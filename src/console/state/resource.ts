import { type ReadonlySignal, signal } from '@preact/signals';
import { requestJson } from './api.ts';
import { createSingleFlight, isNotFound } from './single-flight.ts';

/** A control-plane response that is kept up to date; `refresh` schedules another read. */
export interface Resource<T> {
  /** Undefined before it has been read; null if it does not exist. */
  readonly value: ReadonlySignal<T | null | undefined>;
  refresh(): void;
  stop(): void;
}

export function createResource<T>(path: string): Resource<T> {
  const value = signal<T | null | undefined>(undefined);
  const singleFlight = createSingleFlight(async () => {
    const loaded = await requestJson<T>('GET', path).catch((error) => {
      if (isNotFound(error)) return null;
      throw error;
    });
    if (!singleFlight.isStopped()) value.value = loaded;
  });
  return { value, refresh: singleFlight.request, stop: singleFlight.stop };
}
