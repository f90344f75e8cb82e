import { type ReadonlySignal, signal } from '@preact/signals';
import { ApiError, requestJson } from './api.ts';
import { createSingleFlight } from './single-flight.ts';

const PAGE_SIZE = 1000;
/** More than so many are read page by page. */
const MAX_SINGLE_READS = 16;

/** A list of the control plane, oldest first, kept up to date. */
export interface SyncedList<Item> {
  readonly items: ReadonlySignal<readonly Item[]>;
  /** Whether all of it has been read once. */
  readonly isLoaded: ReadonlySignal<boolean>;
  find(id: string): Item | undefined;
  /** Reads all of it again. */
  reload(): void;
  /** Reads what has been added. */
  loadNew(): void;
  /** Reads these again, or for the first time, not before now. */
  refresh(ids: Iterable<string>): void;
  remove(id: string): void;
  stop(): void;
}

interface Options<Item> {
  path: string;
  /** Of the field that has the items. */
  name: string;
  getId: (item: Item) => string;
  pathFor: (id: string) => string;
  /** Whether what is new comes last; otherwise it can come anywhere. */
  isAppended?: boolean;
  /** Older ones are let go. */
  maxItems?: number;
  /** Learns what else a page says. */
  onPage?: (page: Record<string, unknown>) => void;
  /** Learns of each item when it is read. */
  onItem?: (item: Item) => void;
}

export function createList<Item>(options: Options<Item>): SyncedList<Item> {
  const { path, name, getId, pathFor, isAppended = true, maxItems = Number.POSITIVE_INFINITY } = options;
  const { onPage = () => {}, onItem = () => {} } = options;
  let known = new Map<string, Item>();
  const items = signal<readonly Item[]>([]);
  const isLoaded = signal(false);
  const noWork = () => ({ reloadAll: false, loadNew: false, refreshIds: new Set<string>() });
  let pending = noWork();
  let isReloading = false;
  /** Gone since they were last asked for. */
  let removedIds = new Set<string>();

  const singleFlight = createSingleFlight(async () => {
    const work = pending;
    pending = noWork();
    try {
      await runPending(work);
    } catch (error) {
      // Less would not be enough next time.
      pending.reloadAll = true;
      throw error;
    }
  });

  async function runPending({ reloadAll, loadNew, refreshIds }: typeof pending): Promise<void> {
    // What was not known when it was asked for may be known by now, as it was before that.
    const stale = isAppended ? [...refreshIds].filter((id) => known.has(id)) : [...refreshIds];
    const isBulk = stale.length > MAX_SINGLE_READS;
    if (reloadAll || (isBulk && !isAppended)) return readAll();
    try {
      if (isBulk) await readPages(known, idBefore(new Set(stale)), false);
      else await Promise.all(stale.map(readOne));
      if (loadNew || stale.length < refreshIds.size) await readPages(known, lastKey(known), false);
    } catch (error) {
      // What it began at is not there any more: there was a reset.
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

  /** Shown as it comes where there is nothing yet, and at once where there is something to look at. */
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
    // The answer can come later than the news that what it tells of has gone.
    if (!removedIds.has(id)) storeItem(known, id, item);
  }

  function storeItem(into: Map<string, Item>, id: string, item: Item): void {
    into.set(id, item);
    onItem(item);
  }

  /** What stands before the first of these, so that all of them come after it. */
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
      // It may be in what is being read.
      if (isReloading) this.reload();
    },
    stop: singleFlight.stop,
  };
}

const lastKey = (known: ReadonlyMap<string, unknown>): string | undefined => [...known.keys()].at(-1);
