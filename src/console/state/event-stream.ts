import { signal } from '@preact/signals';
import { createParser } from 'eventsource-parser';
import { pause, schedule } from '../time.ts';
import { ApiError, isTokenRequired, sendRequest } from './api.ts';
import { readReadOnlyPath } from './read-only.ts';

/** An event of `GET /__admin/events`. */
export interface LiveEvent {
  type: 'task' | 'ledger' | 'request' | 'fault' | 'account';
  /** Null for events that concern all accounts. */
  key: string | null;
  taskId?: string | null;
  id?: string;
  taskIds?: string[];
  /** The id of the request to which the fault was applied. */
  request?: string;
  change?: string;
}

export const connection = signal<'connecting' | 'live' | 'lost'>('connecting');
/** The error that prevents a connection, with the emulator's own message. */
export const connectionError = signal<ApiError | undefined>(undefined);

const INITIAL_RETRY_MS = 500;
const MAX_RETRY_MS = 5000;
/** Silence after which the connection counts as lost; the emulator sends a keep-alive every 15 seconds. */
const SILENCE_TIMEOUT_MS = 35_000;

interface Listener {
  /** Called when events may have been missed, so everything must be read again. */
  onResync(): void;
  onEvent(event: LiveEvent): void;
}
const listeners = new Set<Listener>();

/**
 * Subscribes to events. Calls `onResync` as soon as no event can be missed anymore, and again after each gap.
 * Returns a function that unsubscribes.
 */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  if (connection.value === 'live') listener.onResync();
  return () => void listeners.delete(listener);
}

let watchedKey: string | undefined;
let controller = new AbortController();

/** Restricts the events to one account (undefined: all accounts), since a view of one has no use for the others'. */
export function watchAccount(key: string | undefined): void {
  if (key === watchedKey) return;
  watchedKey = key;
  connection.value = 'connecting';
  controller.abort();
}

/** Whether events of all accounts are received. */
export const isWatchingAll = (): boolean => watchedKey === undefined;

/** A hidden tab disconnects after this time: browsers allow six connections per origin across all tabs. */
const HIDDEN_DISCONNECT_MS = 3000;
let cancelDisconnect = () => {};
document.addEventListener('visibilitychange', () => {
  cancelDisconnect();
  if (document.visibilityState === 'hidden')
    cancelDisconnect = schedule(HIDDEN_DISCONNECT_MS, () => controller.abort());
});

/**
 * Receives events while the page is open and visible, and reconnects with backoff. Uses a single connection, because
 * browsers limit them per origin, and fetch, because EventSource cannot send the admin token.
 */
export async function runEventStream(): Promise<void> {
  for (let retryMs = INITIAL_RETRY_MS; ; ) {
    await waitUntilVisible();
    controller = new AbortController();
    const { signal } = controller;
    const query = watchedKey === undefined ? '' : `?${new URLSearchParams({ key: watchedKey })}`;
    try {
      const response = await sendRequest('GET', `__admin/events${query}`, undefined, signal);
      readReadOnlyPath(response);
      connection.value = 'live';
      connectionError.value = undefined;
      retryMs = INITIAL_RETRY_MS;
      resync();
      await readEvents(response.body!);
    } catch (error) {
      if (error instanceof ApiError && !signal.aborted) connectionError.value = error;
    }
    if (signal.aborted) {
      // The watched account changed, or the tab was hidden.
      connection.value = 'connecting';
      continue;
    }
    connection.value = 'lost';
    // The limit on listeners is reached, but the data itself can still be read.
    if (connectionError.value?.code === 'TOO_MANY_LISTENERS') resync();
    await pause(retryMs, signal);
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    if (isTokenRequired.value) await waitForToken();
  }
}

function resync(): void {
  for (const listener of [...listeners]) listener.onResync();
}

function waitUntilVisible(): Promise<void> {
  if (document.visibilityState === 'visible') return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', () => resolve(), { once: true });
  });
}

async function readEvents(body: ReadableStream<Uint8Array>): Promise<void> {
  const parser = createParser({
    onEvent({ event, data }) {
      const liveEvent = { ...JSON.parse(data), type: event } as LiveEvent;
      for (const listener of [...listeners]) listener.onEvent(liveEvent);
    },
  });
  const reader = body.pipeThrough(new TextDecoderStream() as never).getReader() as ReadableStreamDefaultReader<string>;
  for (;;) {
    // A stalled emulator does not close its connections.
    const cancelTimeout = schedule(SILENCE_TIMEOUT_MS, () => void reader.cancel());
    const { value, done } = await reader.read().finally(cancelTimeout);
    if (done) return;
    parser.feed(value);
  }
}

/** Resolves when a required token has been accepted. */
function waitForToken(): Promise<void> {
  return new Promise((resolve) => {
    const stop = isTokenRequired.subscribe((isRequired) => {
      if (isRequired) return;
      queueMicrotask(() => stop());
      resolve();
    });
  });
}
