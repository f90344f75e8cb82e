import { type ReadonlySignal, signal } from '@preact/signals';
import { ApiError, requestJson } from './api.ts';
import { createSingleFlight } from './single-flight.ts';

const PAGE_SIZE = 1000;
/** Above this number, changed items are read page by page instead of one by one. */
const MAX_SINGLE_READS = 16;

/** A list of the control plane that is kept up to date, oldest item first. */
export interface SyncedList<Item> {
  readonly items: ReadonlySignal<readonly Item[]>;
  /** Whether the whole list has been read at least once. */
  readonly isLoaded: ReadonlySignal<boolean>;
  find(id: string): Item | undefined;
  reload(): void;
  /** Reads the items after the last known one. */
  loadNew(): void;
  /** Reads these items, known or new. The read starts after this call, so it sees the change that caused it. */
  refresh(ids: Iterable<string>): void;
  remove(id: string): void;
  stop(): void;
}

interface Options<Item> {
  path: string;
  /** The response field that contains the items. */
  name: string;
  getId: (item: Item) => string;
  pathFor: (id: string) => string;
  /** Whether new items are always last; otherwise they can be anywhere. */
  isAppended?: boolean;
  /** Older items are dropped. */
  maxItems?: number;
  /** Called with each page, for its other fields. */
  onPage?: (page: Record<string, unknown>) => void;
  /** Called with each item when it is read. */
  onItem?: (item: Item) => void;
}

export function createSyncedList<Item>(options: Options<Item>): SyncedList<Item> {
  const { path, name, getId, pathFor, isAppended = true, maxItems = Number.POSITIVE_INFINITY } = options;
  const { onPage = () => {}, onItem = () => {} } = options;
  let known = new Map<string, Item>();
  const items = signal<readonly Item[]>([]);
  const isLoaded = signal(false);
  const noWork = () => ({ reloadAll: false, loadNew: false, refreshIds: new Set<string>() });
  let pending = noWork();
  let isReloading = false;
  /** Items removed since their last read started. */
  let removedIds = new Set<string>();

  const singleFlight = createSingleFlight(async () => {
    const work = pending;
    pending = noWork();
    try {
      await runPending(work);
    } catch (error) {
      // Part of the work may be done: start over.
      pending.reloadAll = true;
      throw error;
    }
  });

  async function runPending({ reloadAll, loadNew, refreshIds }: typeof pending): Promise<void> {
    // Unknown ids of an append-only list are read with its new items below. Filter here, not in refresh(): an item that
    // has become known since then may be outdated.
    const stale = isAppended ? [...refreshIds].filter((id) => known.has(id)) : [...refreshIds];
    const isBulk = stale.length > MAX_SINGLE_READS;
    if (reloadAll || (isBulk && !isAppended)) return readAll();
    try {
      if (isBulk) await readPages(known, idBefore(new Set(stale)), false);
      else await Promise.all(stale.map(readOne));
      if (loadNew || stale.length < refreshIds.size) await readPages(known, lastKey(known), false);
    } catch (error) {
      // The item to continue after no longer exists: the account was reset.
      if (error instanceof ApiError && error.code.endsWith('_NOT_FOUND')) return readAll();
      throw error;
    }
    publish();
  }

  function publish(): void {
    if (singleFlight.isStopped()) return;
    for (const id of known.keys()) {
      if (known.size <= maxItems) break;
      known.delete(id);
    }
    items.value = [...known.values()];
  }

  /** Reads the whole list. Publishes page by page if the list was empty, otherwise all at once at the end. */
  async function readAll(): Promise<void> {
    const fresh = new Map<string, Item>();
    const isFirst = known.size === 0;
    if (isFirst) known = fresh;
    isReloading = true;
    removedIds = new Set();
    await readPages(fresh, undefined, isFirst).finally(() => {
      isReloading = false;
    });
    known = fresh;
    isLoaded.value = true;
    publish();
  }

  async function readPages(into: Map<string, Item>, from: string | undefined, publishesPages: boolean): Promise<void> {
    for (let after = from; ; ) {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(after !== undefined && { after }) });
      const page = await requestJson<Record<string, unknown> & { next: string | null }>('GET', `${path}?${query}`);
      for (const item of page[name] as Item[]) storeItem(into, getId(item), item);
      if (publishesPages) publish();
      onPage(page);
      if (page.next === null || singleFlight.isStopped()) return;
      after = page.next;
    }
  }

  async function readOne(id: string): Promise<void> {
    removedIds.delete(id);
    const item = await requestJson<Item>('GET', pathFor(id));
    // The response may arrive after the event that the item was removed.
    if (!removedIds.has(id)) storeItem(known, id, item);
  }

  function storeItem(into: Map<string, Item>, id: string, item: Item): void {
    into.set(id, item);
    onItem(item);
  }

  /** The id before the first of these ids, so that reading after it returns all of them. */
  function idBefore(ids: ReadonlySet<string>): string | undefined {
    let last: string | undefined;
    for (const id of known.keys()) {
      if (ids.has(id)) return last;
      last = id;
    }
    return last;
  }

  return {
    items,
    isLoaded,
    find: (id) => known.get(id),
    reload() {
      pending.reloadAll = true;
      singleFlight.request();
    },
    loadNew() {
      pending.loadNew = true;
      singleFlight.request();
    },
    refresh(ids) {
      for (const id of ids) pending.refreshIds.add(id);
      if (pending.refreshIds.size > 0) singleFlight.request();
    },
    remove(id) {
      known.delete(id);
      pending.refreshIds.delete(id);
      removedIds.add(id);
      publish();
      // The list that is being read may still contain it.
      if (isReloading) this.reload();
    },
    stop: singleFlight.stop,
  };
}

const lastKey = (known: ReadonlyMap<string, unknown>): string | undefined => [...known.keys()].at(-1);
