import { signal } from '@preact/signals';
import { createParser } from 'eventsource-parser';
import { pause, schedule } from '../time.ts';
import { ApiError, isTokenRequired, sendRequest } from './api.ts';

/** Something that the emulator tells: see `GET /__admin/events`. Null: of all accounts. */
export interface LiveEvent {
  type: 'task' | 'ledger' | 'request' | 'fault' | 'account';
  key: string | null;
  taskId?: string | null;
  id?: string;
  taskIds?: string[];
  /** The id of the one that was struck. */
  request?: string;
  change?: string;
}

export const connection = signal<'connecting' | 'live' | 'lost'>('connecting');
/** Why there is no connection, in the emulator's words. */
export const connectionError = signal<ApiError | undefined>(undefined);

const INITIAL_RETRY_MS = 500;
const MAX_RETRY_MS = 5000;
/** The emulator says something every 15 seconds. */
const SILENCE_TIMEOUT_MS = 35_000;

interface Listener {
  /** All may have changed meanwhile. */
  onResync(): void;
  onEvent(event: LiveEvent): void;
}
const listeners = new Set<Listener>();

/** Hears of everything from now on; `begin` is called as soon as nothing can be missed any more, and again after each gap. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  if (connection.value === 'live') listener.onResync();
  return () => void listeners.delete(listener);
}

let watchedKey: string | undefined;
let controller = new AbortController();

/** From now on of this account alone, or of all: who looks at one account has no use for what others do, and it can be much. */
export function watchAccount(key: string | undefined): void {
  if (key === watchedKey) return;
  watchedKey = key;
  connection.value = 'connecting';
  controller.abort();
}

/** Whether all accounts are listened to. */
export const isWatchingAll = (): boolean => watchedKey === undefined;

/** A browser has six connections for an origin, whatever the number of its tabs: one that nobody sees leaves its own to others. */
const HIDDEN_DISCONNECT_MS = 3000;
let cancelDisconnect = () => {};
document.addEventListener('visibilitychange', () => {
  cancelDisconnect();
  if (document.visibilityState === 'hidden')
    cancelDisconnect = schedule(HIDDEN_DISCONNECT_MS, () => controller.abort());
});

/**
 * Listens for as long as the page is open and seen. One connection at a time: browsers have few for one origin. EventSource
 * could not send a token.
 */
export async function runEventStream(): Promise<void> {
  for (let retryMs = INITIAL_RETRY_MS; ; ) {
    await waitUntilVisible();
    controller = new AbortController();
    const { signal } = controller;
    const query = watchedKey === undefined ? '' : `?${new URLSearchParams({ key: watchedKey })}`;
    try {
      const { body } = await sendRequest('GET', `__admin/events${query}`, undefined, signal);
      connection.value = 'live';
      connectionError.value = undefined;
      retryMs = INITIAL_RETRY_MS;
      resync();
      await readEvents(body!);
    } catch (error) {
      if (error instanceof ApiError && !signal.aborted) connectionError.value = error;
    }
    if (signal.aborted) {
      // Another account is to be watched, or nobody looks.
      connection.value = 'connecting';
      continue;
    }
    connection.value = 'lost';
    // There are enough who listen, and what they hear of can still be read.
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
    // An emulator that stands still closes no connection.
    const cancelTimeout = schedule(SILENCE_TIMEOUT_MS, () => void reader.cancel());
    const { value, done } = await reader.read().finally(cancelTimeout);
    if (done) return;
    parser.feed(value);
  }
}

/** A token that was wanted. */
function waitForToken(): Promise<void> {
  return new Promise((resolve) => {
    const stop = isTokenRequired.subscribe((isRequired) => {
      if (isRequired) return;
      queueMicrotask(() => stop());
      resolve();
    });
  });
}
