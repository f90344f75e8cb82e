import { signal } from '@preact/signals';
import { createParser } from 'eventsource-parser';
import { after, pause } from '../time.ts';
import { isTokenWanted, Refusal, send } from './api.ts';

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
export const trouble = signal<Refusal | undefined>(undefined);

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;
/** The emulator says something every 15 seconds. */
const SILENT_FOR_MS = 35_000;

interface Listener {
  /** All may have changed meanwhile. */
  begin(): void;
  hear(event: LiveEvent): void;
}
const listeners = new Set<Listener>();

/** Hears of everything from now on; `begin` is called as soon as nothing can be missed any more, and again after each gap. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  if (connection.value === 'live') listener.begin();
  return () => void listeners.delete(listener);
}

let watched: string | undefined;
let current = new AbortController();

/** From now on of this account alone, or of all: who looks at one account has no use for what others do, and it can be much. */
export function watch(key: string | undefined): void {
  if (key === watched) return;
  watched = key;
  connection.value = 'connecting';
  current.abort();
}

/** Whether all accounts are listened to. */
export const isWatchingAll = (): boolean => watched === undefined;

/** A browser has six connections for an origin, whatever the number of its tabs: one that nobody sees leaves its own to others. */
const ASLEEP_AFTER_MS = 3000;
let stopWaiting = () => {};
document.addEventListener('visibilitychange', () => {
  stopWaiting();
  if (document.visibilityState === 'hidden') stopWaiting = after(ASLEEP_AFTER_MS, () => current.abort());
});

/**
 * Listens for as long as the page is open and seen. One connection at a time: browsers have few for one origin. EventSource
 * could not send a token.
 */
export async function follow(): Promise<void> {
  for (let pauseMs = FIRST_PAUSE_MS; ; ) {
    await seen();
    current = new AbortController();
    const { signal } = current;
    const query = watched === undefined ? '' : `?${new URLSearchParams({ key: watched })}`;
    try {
      const { body } = await send('GET', `__admin/events${query}`, undefined, signal);
      connection.value = 'live';
      trouble.value = undefined;
      pauseMs = FIRST_PAUSE_MS;
      begin();
      await read(body!);
    } catch (error) {
      if (error instanceof Refusal && !signal.aborted) trouble.value = error;
    }
    if (signal.aborted) {
      // Another account is to be watched, or nobody looks.
      connection.value = 'connecting';
      continue;
    }
    connection.value = 'lost';
    // There are enough who listen, and what they hear of can still be read.
    if (trouble.value?.code === 'TOO_MANY_LISTENERS') begin();
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    if (isTokenWanted.value) await given();
  }
}

function begin(): void {
  for (const listener of [...listeners]) listener.begin();
}

function seen(): Promise<void> {
  if (document.visibilityState === 'visible') return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', () => resolve(), { once: true });
  });
}

async function read(body: ReadableStream<Uint8Array>): Promise<void> {
  const parser = createParser({
    onEvent({ event, data }) {
      const told = { ...JSON.parse(data), type: event } as LiveEvent;
      for (const listener of [...listeners]) listener.hear(told);
    },
  });
  const reader = body
    .pipeThrough(new TextDecoderStream() as never)
    .getReader() as ReadableStreamDefaultReader<string>;
  for (;;) {
    // An emulator that stands still closes no connection.
    const stopWatching = after(SILENT_FOR_MS, () => void reader.cancel());
    const { value, done } = await reader.read().finally(stopWatching);
    if (done) return;
    parser.feed(value);
  }
}

/** A token that was wanted. */
function given(): Promise<void> {
  return new Promise((resolve) => {
    const stop = isTokenWanted.subscribe((isWanted) => {
      if (isWanted) return;
      queueMicrotask(() => stop());
      resolve();
    });
  });
}
