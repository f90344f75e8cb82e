import type { Readable } from 'node:stream';
import type { Clock } from '../../core/time/clock.ts';

/** Chunks of at least this size cost a turn. Most bodies are smaller. */
const LARGE_CHUNK_BYTES = 16 * 1024;

/**
 * Shares the event loop between large bodies and everything else. libuv reads up to 2 MB of one connection at once, so
 * a few hundred connections that send bodies would occupy the event loop for a second. Therefore a body pauses after
 * each large chunk, and one paused body resumes in each turn of the event loop, in the order of their pauses. More
 * would delay new connections, because libuv accepts one in each turn.
 */
export class BodyTurns {
  readonly #clock: Clock;
  #paused: Readable[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Pauses a body that has delivered a large chunk until its turn comes. */
  onChunk(body: Readable, bytes: number): void {
    if (bytes < LARGE_CHUNK_BYTES) return;
    body.pause();
    if (this.#paused.length === 0) this.#clock.atTurnEnd(() => this.#resumeNext());
    this.#paused.push(body);
  }

  #resumeNext(): void {
    this.#paused.shift()?.resume();
    if (this.#paused.length > 0) this.#clock.atTurnEnd(() => this.#resumeNext());
  }
}
