/**
 * The kinds of memory that the emulator holds on behalf of clients:
 *
 * - `journal`: recorded requests with their responses
 * - `storage`: accounts, tasks and ledgers, unless a data directory holds them
 * - `bodies`: request bodies that are not processed yet
 * - `responses`: responses that their clients have not read yet
 * - `listeners`: events that their listeners have not read yet
 */
export type MemoryUse = 'journal' | 'storage' | 'bodies' | 'responses' | 'listeners';

/** Frees some memory of one use, such as its oldest part. Returns false when nothing is left to free. */
type Evict = () => boolean;

/** A part of the budget that several uses have together. */
interface Share {
  readonly uses: readonly MemoryUse[];
  readonly maxBytes: number;
  bytes: number;
}

/**
 * Accounts for all memory held on behalf of clients. Stored data gets at most half of the budget, and so does data in
 * flight (bodies, responses and listeners): neither can displace the other. The journal gets what they leave.
 *
 * Over its share, a use is evicted if it has an evictor; over the budget, the journal is. When nothing is left to
 * evict, `reserve` returns false; its caller then refuses the request or stops reading.
 *
 * Sizes are estimates: until the garbage collector runs, the process holds more. Code and caches with limits of their
 * own, such as the one of rendered images, are not counted.
 */
export class MemoryBudget {
  readonly maxBytes: number;
  readonly #usedBytes: Record<MemoryUse, number> = { journal: 0, storage: 0, bodies: 0, responses: 0, listeners: 0 };
  readonly #shares: Record<MemoryUse, Share>;
  #totalBytes = 0;
  readonly #evictors = new Map<MemoryUse, Evict>();
  #isEvicting = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
    const journal: Share = { uses: ['journal'], maxBytes, bytes: 0 };
    const stored: Share = { uses: ['storage'], maxBytes: maxBytes / 2, bytes: 0 };
    const inFlight: Share = { uses: ['bodies', 'responses', 'listeners'], maxBytes: maxBytes / 2, bytes: 0 };
    this.#shares = { journal, storage: stored, bodies: inFlight, responses: inFlight, listeners: inFlight };
  }

  /** Bytes held at present, by use. */
  get usedBytes(): Readonly<Record<MemoryUse, number>> {
    return this.#usedBytes;
  }

  /** The most that a use may hold. */
  maxBytesOf(use: MemoryUse): number {
    return this.#shares[use].maxBytes;
  }

  /** Registers how to free memory of a use, which must also call `add` with the freed bytes. */
  onPressure(use: MemoryUse, evict: Evict): void {
    this.#evictors.set(use, evict);
  }

  /** Counts bytes that are already held, or that were freed if negative. Evicts when the budget is exceeded. */
  add(use: MemoryUse, bytes: number): void {
    this.#count(use, bytes);
    if (bytes > 0) this.#evictUntilFree(this.#shares[use], 0);
  }

  /** Counts bytes that will be held. Returns false, and counts nothing, when they exceed the share of the use. */
  reserve(use: MemoryUse, bytes: number): boolean {
    const isFree = this.#evictUntilFree(this.#shares[use], bytes);
    if (isFree) this.#count(use, bytes);
    return isFree;
  }

  #count(use: MemoryUse, bytes: number): void {
    this.#usedBytes[use] += bytes;
    this.#shares[use].bytes += bytes;
    this.#totalBytes += bytes;
  }

  /** Evicts until `bytes` more fit into the share and into the budget. Returns false when nothing is left to evict. */
  #evictUntilFree(share: Share, bytes: number): boolean {
    const isShareFree = () => share.bytes + bytes <= share.maxBytes;
    const isBudgetFree = () => this.#totalBytes + bytes <= this.maxBytes;
    const isFree = () => isShareFree() && isBudgetFree();
    // Evicting would be in vain; and an evictor that counts bytes, such as those of an event, must not start another.
    if (isFree() || bytes > share.maxBytes || this.#isEvicting) return isFree();
    this.#isEvicting = true;
    try {
      while (!isShareFree() && this.#evictOnce(share.uses));
      // Evicting the journal frees only the budget: for a reservation over its share, it would be in vain.
      if (bytes > 0 && !isShareFree()) return false;
      while (!isBudgetFree() && this.#evictOnce(['journal']));
      return isFree();
    } finally {
      this.#isEvicting = false;
    }
  }

  #evictOnce(uses: readonly MemoryUse[]): boolean {
    return uses.some((use) => this.#evictors.get(use)?.() === true);
  }
}
