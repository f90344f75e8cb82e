import { Readable } from 'node:stream';
import type { Core } from '../core/core.ts';
import type { CoreEvent } from '../core/events.ts';
import { stringBytes } from '../core/string-memory.ts';

/** Data that waits for a listener that does not read; beyond it, the listener is disconnected. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** Data that is handed to the connection at once. */
const MAX_CHUNK_LENGTH = 16 * 1024;
/** Data that all listeners together get in one turn of the event loop, because other clients wait meanwhile. */
const MAX_LENGTH_PER_TURN = 1024 * 1024;
/** Size of an event that waits for a listener, in the listener's queue. */
const QUEUE_ITEM_BYTES = 16;

const EMPTY_COMMENT = ':\n\n';

/** An event as text, which all listeners share that have not read it. */
interface SharedEvent {
  text: string;
  bytes: number;
  /** Number of listeners that have not read it. */
  holders: number;
}

export type EventBroadcast = ReturnType<typeof createEventBroadcast>;

/**
 * Sends events to any number of listeners as server-sent events. Each event is formatted once, and its text is kept in
 * memory once, until the last listener has read it. What listeners have not read counts towards the memory budget: when
 * that is exceeded, the listener with the most unread data is disconnected.
 */
export function createEventBroadcast(
  { clock, events, memory }: Pick<Core, 'clock' | 'events' | 'memory'>,
  toData: (event: CoreEvent) => object,
) {
  const listeners = new Set<Listener>();
  /** Listeners whose connections take more data than this turn had left. */
  const delayed = new Set<Listener>();
  let lengthInTurn = 0;
  let unsubscribe: (() => void) | undefined;

  const count = (bytes: number) => memory.add('listeners', bytes);
  memory.onPressure('listeners', () => {
    let slowest: Listener | undefined;
    for (const listener of listeners) {
      if (listener.unreadBytes > (slowest?.unreadBytes ?? 0)) slowest = listener;
    }
    slowest?.destroy();
    return slowest !== undefined;
  });

  function publish(event: CoreEvent, key: string | null): void {
    let shared: SharedEvent | undefined;
    for (const listener of [...listeners]) {
      if (listener.key !== undefined && key !== null && listener.key !== key) continue;
      if (!shared) {
        const text = `event: ${event.type}\ndata: ${JSON.stringify({ key, ...toData(event) })}\n\n`;
        shared = { text, bytes: stringBytes(text), holders: 0 };
      }
      listener.enqueue(shared);
    }
  }

  function startTurn(): void {
    lengthInTurn = 0;
    const turn = [...delayed];
    delayed.clear();
    for (const listener of turn) listener.continue();
  }

  function remove(listener: Listener): void {
    listeners.delete(listener);
    delayed.delete(listener);
    if (listeners.size > 0) return;
    unsubscribe?.();
    unsubscribe = undefined;
  }

  class Listener extends Readable {
    /** The key of the account whose events are sent; undefined for all events. */
    readonly key: string | undefined;
    #queue: SharedEvent[] = [];
    /** Size of the events in the queue. */
    unreadBytes = 0;
    #lastId = 0;
    /** Whether the connection takes more data. */
    #isReading = false;
    /** Sizes of the last two chunks, which the connection may still hold. */
    #chunkBytes = [0, 0];

    constructor(key: string | undefined) {
      // Without a buffer of its own, the stream is asked for a chunk only when the connection takes more data.
      super({ highWaterMark: 1 });
      this.key = key;
      listeners.add(this);
      unsubscribe ??= events.listen(publish);
      // Shows the client that it is subscribed.
      this.push(EMPTY_COMMENT);
    }

    enqueue(event: SharedEvent): void {
      if (this.destroyed) return;
      this.#queue.push(event);
      this.unreadBytes += event.bytes + QUEUE_ITEM_BYTES;
      event.holders += 1;
      count(QUEUE_ITEM_BYTES + (event.holders === 1 ? event.bytes : 0));
      // Counting may have disconnected this listener.
      if (this.destroyed) return;
      if (this.unreadBytes > MAX_UNREAD_BYTES) this.destroy();
      else if (this.#isReading) this.continue();
    }

    /** Sends the next chunk in this turn of the event loop, or in one that has enough data left. */
    continue(): void {
      if (lengthInTurn >= MAX_LENGTH_PER_TURN) {
        this.#isReading = false;
        delayed.add(this);
      } else this.#pushChunk();
    }

    /** Sends an empty comment, unless other data is waiting. */
    sendHeartbeat(): void {
      if (!this.#isReading) return;
      this.#isReading = false;
      this.push(EMPTY_COMMENT);
    }

    /** Ends the stream after the events so far. */
    end(): void {
      if (this.destroyed) return;
      remove(this);
      while (this.#queue.length > 0) this.#pushChunk();
      this.push(null);
    }

    override _read(): void {
      if (this.#queue.length > 0) this.continue();
      else {
        this.#isReading = true;
        this.#countChunk(0);
        this.#countChunk(0);
      }
    }

    override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
      this.#release(this.#queue);
      this.#queue = [];
      this.#countChunk(0);
      this.#countChunk(0);
      remove(this);
      callback(error);
    }

    #pushChunk(): void {
      let chunk = '';
      let length = 0;
      let taken = 0;
      while (taken < this.#queue.length && length < MAX_CHUNK_LENGTH) {
        const event = this.#queue[taken]!;
        this.#lastId += 1;
        chunk += `id: ${this.#lastId}\n${event.text}`;
        length = chunk.length;
        taken += 1;
      }
      this.#release(this.#queue.splice(0, taken));
      this.#countChunk(length);
      this.#isReading = false;
      if (lengthInTurn === 0) clock.atTurnEnd(startTurn);
      lengthInTurn += length;
      this.push(chunk);
    }

    #release(released: readonly SharedEvent[]): void {
      let bytes = 0;
      for (const event of released) {
        this.unreadBytes -= event.bytes + QUEUE_ITEM_BYTES;
        event.holders -= 1;
        bytes += QUEUE_ITEM_BYTES + (event.holders === 0 ? event.bytes : 0);
      }
      if (bytes > 0) count(-bytes);
    }

    #countChunk(bytes: number): void {
      const released = this.#chunkBytes.shift()!;
      this.#chunkBytes.push(bytes);
      if (bytes !== released) count(bytes - released);
    }
  }

  return {
    /** Creates a stream of the events of one account, or of all. It ends with `end` or `destroy`. */
    listen: (key: string | undefined): Listener => new Listener(key),
  };
}
