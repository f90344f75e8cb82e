import type { MemoryBudget } from '../../core/memory-budget.ts';

/** An entry of a log. */
export interface LogEntry {
  readonly log: { evictFirst(): void };
  /** Size of the entry as counted towards the limits. Maintained by the log. */
  bytes: number;
  /** False when the entry has been evicted. Maintained by the log. */
  isRetained: boolean;
  /** The entries of all logs form a list in order of time. Maintained by the group. */
  olderInGroup: LogEntry | null;
  newerInGroup: LogEntry | null;
  /** Releases the previous entry of the log, which has been evicted. */
  releasePrevious(): void;
}

/** Logs that share the memory budget. When it is exceeded, the oldest entries of all logs are evicted. */
export class LogGroup {
  readonly maxLogBytes: number;
  readonly #memory: MemoryBudget;
  #oldest: LogEntry | null = null;
  #newest: LogEntry | null = null;

  constructor(memory: MemoryBudget, maxLogBytes: number) {
    this.maxLogBytes = maxLogBytes;
    this.#memory = memory;
    memory.onPressure('journal', () => this.#evictOldest());
  }

  append(entry: LogEntry): void {
    entry.olderInGroup = this.#newest;
    if (this.#newest) this.#newest.newerInGroup = entry;
    else this.#oldest = entry;
    this.#newest = entry;
  }

  remove(entry: LogEntry): void {
    const { olderInGroup: older, newerInGroup: newer } = entry;
    if (older) older.newerInGroup = newer;
    else this.#oldest = newer;
    if (newer) newer.olderInGroup = older;
    else this.#newest = older;
    entry.olderInGroup = null;
    entry.newerInGroup = null;
  }

  /** Returns the latest entries of all logs, newest first. */
  listNewest(limit: number): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let entry = this.#newest; entry && entries.length < limit; entry = entry.olderInGroup) entries.push(entry);
    return entries;
  }

  /** Counts bytes that a log has added, or removed if negative. */
  addBytes(bytes: number): void {
    this.#memory.add('journal', bytes);
  }

  /** Returns false when no entry is left. */
  #evictOldest(): boolean {
    if (!this.#oldest) return false;
    // The oldest entry of all is also the oldest one in its log.
    this.#oldest.log.evictFirst();
    return true;
  }
}

/** Entries, oldest first. Over the limit of entries or the group's limits of bytes, the oldest ones are evicted. */
export class BoundedLog<Entry extends LogEntry> {
  readonly #group: LogGroup;
  readonly #maxEntries: number;
  /** Those before `#first` are evicted, and undefined: the log must not keep them in memory. */
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  #bytes = 0;

  constructor(group: LogGroup, maxEntries: number) {
    this.#group = group;
    this.#maxEntries = maxEntries;
  }

  /** The newest entry, unless it has been evicted. */
  get last(): Entry | null {
    return this.#entries.at(-1) ?? null;
  }

  add(entry: Entry, bytes: number): void {
    this.#entries.push(entry);
    this.#group.append(entry);
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
    this.#entries[this.#first] = undefined;
    this.#first += 1;
    entry.isRetained = false;
    this.#entries[this.#first]?.releasePrevious();
    this.#bytes -= entry.bytes;
    this.#group.remove(entry);
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

  /** Returns the entries, oldest first; with `isKnown`, only those after the newest one for which it is true. */
  list(isKnown?: (entry: Entry) => boolean): Entry[] {
    const known = isKnown ? this.#entries.findLastIndex((entry) => entry === undefined || isKnown(entry)) : -1;
    return this.#entries.slice(Math.max(this.#first, known + 1)) as Entry[];
  }

  get #length(): number {
    return this.#entries.length - this.#first;
  }
}
