/**
 * The kinds of memory that the emulator holds on behalf of clients:
 *
 * - `journal`: recorded requests with their responses
 * - `storage`: accounts, tasks and ledgers, unless a data directory holds them
 * - `bodies`: request bodies that are not processed yet
 * - `responses`: responses that their clients have not read yet
 * - `listeners`: events that their listeners have not read yet
 */
export const MEMORY_USES = ['journal', 'storage', 'bodies', 'responses', 'listeners'] as const;
export type MemoryUse = (typeof MEMORY_USES)[number];

/** Frees the oldest part of the memory of one use. Returns false when nothing is left to free. */
type Evict = () => boolean;

/**
 * Accounts for all memory held on behalf of clients. Over `maxBytes`, the oldest data is evicted from the largest use
 * that supports eviction. When nothing is left to evict, `reserve` returns false; its caller then refuses the request
 * or stops reading.
 *
 * Sizes are estimates: until the garbage collector runs, the process holds more. Code and caches with limits of their
 * own, such as the one of rendered images, are not counted.
 */
export class MemoryBudget {
  readonly maxBytes: number;
  readonly #usedBytes: Record<MemoryUse, number> = { journal: 0, storage: 0, bodies: 0, responses: 0, listeners: 0 };
  #totalBytes = 0;
  readonly #evictors = new Map<MemoryUse, Evict>();
  #isEvicting = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Bytes held at present, by use. */
  get usedBytes(): Readonly<Record<MemoryUse, number>> {
    return this.#usedBytes;
  }

  /** Registers how to free memory of a use, which must also call `add` with the freed bytes. */
  onPressure(use: MemoryUse, evict: Evict): void {
    this.#evictors.set(use, evict);
  }

  /** Counts bytes that are already held, or that were freed if negative. Evicts when the budget is exceeded. */
  add(use: MemoryUse, bytes: number): void {
    this.#count(use, bytes);
    if (bytes > 0) this.#evictUntilFree(0);
  }

  /** Counts bytes that will be held. Returns false, and counts nothing, when they exceed the budget. */
  reserve(use: MemoryUse, bytes: number): boolean {
    const isFree = this.#evictUntilFree(bytes);
    if (isFree) this.#count(use, bytes);
    return isFree;
  }

  #count(use: MemoryUse, bytes: number): void {
    this.#usedBytes[use] += bytes;
    this.#totalBytes += bytes;
  }

  /** Evicts until `bytes` are free. Returns false when nothing is left to evict. */
  #evictUntilFree(bytes: number): boolean {
    const isFree = () => this.#totalBytes + bytes <= this.maxBytes;
    // An evictor that counts bytes, such as those of an event, must not start another round.
    if (isFree() || this.#isEvicting) return isFree();
    this.#isEvicting = true;
    try {
      const evictable = new Map(this.#evictors);
      while (!isFree() && evictable.size > 0) {
        const [[use, evict]] = [...evictable].sort(
          ([one], [other]) => this.#usedBytes[other] - this.#usedBytes[one],
        ) as [[MemoryUse, Evict]];
        if (!evict()) evictable.delete(use);
      }
      return isFree();
    } finally {
      this.#isEvicting = false;
    }
  }
}
