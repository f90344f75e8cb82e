import type { MemoryBudget } from '../../core/memory-budget.ts';

/** An entry of a log. */
export interface LogEntry {
  readonly log: { evictFirst(): void };
  /** Size of the entry as counted towards the limits. Maintained by the log. */
  bytes: number;
  /** False when the entry has been evicted. Maintained by the log. */
  isRetained: boolean;
}

/** Queue length below which evicted entries need not be removed from the queue. */
const MIN_COMPACT_LENGTH = 2000;

/** Logs that share the memory budget. When it is exceeded, the oldest entries of all logs are evicted. */
export class LogGroup<Entry extends LogEntry> {
  readonly maxLogBytes: number;
  readonly #memory: MemoryBudget;
  /** Entries of all logs, oldest first. Those before `#oldest` are evicted, later ones may be. */
  #queue: Entry[] = [];
  #oldest = 0;
  #compactLength = MIN_COMPACT_LENGTH;

  constructor(memory: MemoryBudget, maxLogBytes: number) {
    this.maxLogBytes = maxLogBytes;
    this.#memory = memory;
    memory.onPressure('journal', () => this.#evictOldest());
  }

  enqueue(entry: Entry): void {
    this.#queue.push(entry);
    if (this.#queue.length > this.#compactLength) this.#compact();
  }

  /** Counts bytes that a log has added, or removed if negative. */
  addBytes(bytes: number): void {
    this.#memory.add('journal', bytes);
  }

  /** Returns false when no entry is left. */
  #evictOldest(): boolean {
    while (this.#oldest < this.#queue.length) {
      const entry = this.#queue[this.#oldest++]!;
      if (!entry.isRetained) continue;
      // The oldest entry of all is also the oldest one in its log.
      entry.log.evictFirst();
      return true;
    }
    return false;
  }

  #compact(): void {
    this.#queue = this.#queue.slice(this.#oldest).filter(({ isRetained }) => isRetained);
    this.#oldest = 0;
    this.#compactLength = Math.max(MIN_COMPACT_LENGTH, this.#queue.length * 2);
  }
}

/** Entries, oldest first. Over the limit of entries or the group's limits of bytes, the oldest ones are evicted. */
export class BoundedLog<Entry extends LogEntry> {
  readonly #group: LogGroup<Entry>;
  readonly #maxEntries: number;
  /** Entries before `#first` are evicted. */
  #entries: Entry[] = [];
  #first = 0;
  #bytes = 0;

  constructor(group: LogGroup<Entry>, maxEntries: number) {
    this.#group = group;
    this.#maxEntries = maxEntries;
  }

  /** The newest entry, even if it has been evicted. */
  get last(): Entry | null {
    return this.#entries.at(-1) ?? null;
  }

  add(entry: Entry, bytes: number): void {
    this.#entries.push(entry);
    this.#group.enqueue(entry);
    this.grow(entry, bytes);
  }

  /** Counts bytes that have been added to an entry. */
  grow(entry: Entry, bytes: number): void {
    if (!entry.isRetained) return;
    entry.bytes += bytes;
    this.#bytes += bytes;
    while (this.#length > this.#maxEntries || this.#bytes > this.#group.maxLogBytes) this.evictFirst();
    this.#group.addBytes(bytes);
  }

  evictFirst(): void {
    const entry = this.#entries[this.#first]!;
    this.#first += 1;
    entry.isRetained = false;
    this.#bytes -= entry.bytes;
    this.#group.addBytes(-entry.bytes);
    // Compacts only now and then, because moving all remaining entries costs more than the rest of an eviction.
    if (this.#first > this.#maxEntries) {
      this.#entries.splice(0, this.#first);
      this.#first = 0;
    }
  }

  clear(): void {
    while (this.#length > 0) this.evictFirst();
  }

  list(): Entry[] {
    return this.#entries.slice(this.#first);
  }

  get #length(): number {
    return this.#entries.length - this.#first;
  }
}
