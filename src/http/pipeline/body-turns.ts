import type { Readable } from 'node:stream';
import type { Clock } from '../../core/time/clock.ts';

/** Chunks of at least this size cost a turn. Most bodies are smaller. */
const LARGE_CHUNK_BYTES = 16 * 1024;

/** A long turn resumes one more body for each such period. Reading a chunk takes less than a tenth of it. */
const MS_PER_BODY = 2;
const MAX_BODIES_PER_TURN = 16;

/**
 * Shares the event loop between large bodies and everything else. libuv reads up to 2 MB of one connection at once, so
 * a few hundred connections that send bodies would occupy the event loop for a second. Therefore a body pauses after
 * each large chunk, and one paused body resumes in each turn of the event loop, in the order of their pauses. More
 * would delay new connections, because libuv accepts one in each turn. A turn that other work has made long resumes
 * more of them; otherwise a large body would take minutes under load.
 */
export class BodyTurns {
  readonly #clock: Clock;
  #paused: Readable[] = [];
  #turnStartedAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Pauses a body that has delivered a large chunk until its turn comes. */
  onChunk(body: Readable, bytes: number): void {
    if (bytes < LARGE_CHUNK_BYTES) return;
    body.pause();
    if (this.#paused.length === 0) this.#scheduleTurn();
    this.#paused.push(body);
  }

  #scheduleTurn(): void {
    this.#turnStartedAtMs = this.#clock.nowMs();
    this.#clock.atTurnEnd(() => {
      const turnMs = this.#clock.nowMs() - this.#turnStartedAtMs;
      const count = Math.min(1 + Math.floor(turnMs / MS_PER_BODY), MAX_BODIES_PER_TURN);
      for (const body of this.#paused.splice(0, count)) body.resume();
      if (this.#paused.length > 0) this.#scheduleTurn();
    });
  }
}
