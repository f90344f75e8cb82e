import { type ReadonlySignal, signal } from '@preact/signals';
import { call, Refusal } from './api.ts';
import { createSync } from './single-flight.ts';

const PAGE = 1000;
/** More than so many are read page by page. */
const MOST_SINGLE = 16;

/** A list of the control plane, oldest first, kept up to date. */
export interface SyncedList<Item> {
  readonly items: ReadonlySignal<readonly Item[]>;
  /** Whether all of it has been read once. */
  readonly isWhole: ReadonlySignal<boolean>;
  find(id: string): Item | undefined;
  /** Reads all of it again. */
  reload(): void;
  /** Reads what has been added. */
  more(): void;
  /** Reads these again, or for the first time, not before now. */
  again(ids: Iterable<string>): void;
  drop(id: string): void;
  stop(): void;
}

interface Options<Item> {
  path: string;
  /** Of the field that has the items. */
  name: string;
  idOf: (item: Item) => string;
  pathOf: (id: string) => string;
  /** Whether what is new comes last; otherwise it can come anywhere. */
  isAppended?: boolean;
  /** Older ones are let go. */
  most?: number;
  /** Learns what else a page says. */
  tell?: (page: Record<string, unknown>) => void;
  /** Learns of each item when it is read. */
  seen?: (item: Item) => void;
}

export function createList<Item>(options: Options<Item>): SyncedList<Item> {
  const { path, name, idOf, pathOf, isAppended = true, most = Number.POSITIVE_INFINITY } = options;
  const { tell = () => {}, seen = () => {} } = options;
  let known = new Map<string, Item>();
  const items = signal<readonly Item[]>([]);
  const isWhole = signal(false);
  const nothing = () => ({ whole: false, more: false, again: new Set<string>() });
  let wanted = nothing();
  let isReadingAll = false;
  /** Gone since they were last asked for. */
  let drops = new Set<string>();

  const sync = createSync(async () => {
    const now = wanted;
    wanted = nothing();
    try {
      await readWanted(now);
    } catch (error) {
      // Less would not be enough next time.
      wanted.whole = true;
      throw error;
    }
  });

  async function readWanted({ whole, more, again }: typeof wanted): Promise<void> {
    // What was not known when it was asked for may be known by now, as it was before that.
    const stale = isAppended ? [...again].filter((id) => known.has(id)) : [...again];
    const isMuch = stale.length > MOST_SINGLE;
    if (whole || (isMuch && !isAppended)) return readAll();
    try {
      if (isMuch) await readOn(known, before(new Set(stale)), false);
      else await Promise.all(stale.map(readOne));
      if (more || stale.length < again.size) await readOn(known, lastOf(known), false);
    } catch (error) {
      // What it began at is not there any more: there was a reset.
      if (error instanceof Refusal && error.code.endsWith('_NOT_FOUND')) return readAll();
      throw error;
    }
    show();
  }

  function show(): void {
    if (sync.isStopped()) return;
    for (const id of known.keys()) {
      if (known.size <= most) break;
      known.delete(id);
    }
    items.value = [...known.values()];
  }

  /** Shown as it comes where there is nothing yet, and at once where there is something to look at. */
  async function readAll(): Promise<void> {
    const fresh = new Map<string, Item>();
    const isFirst = known.size === 0;
    if (isFirst) known = fresh;
    isReadingAll = true;
    drops = new Set();
    await readOn(fresh, undefined, isFirst).finally(() => {
      isReadingAll = false;
    });
    known = fresh;
    isWhole.value = true;
    show();
  }

  async function readOn(into: Map<string, Item>, from: string | undefined, isShown: boolean): Promise<void> {
    for (let after = from; ; ) {
      const query = new URLSearchParams({ limit: String(PAGE), ...(after !== undefined && { after }) });
      const page = await call<Record<string, unknown> & { next: string | null }>('GET', `${path}?${query}`);
      for (const item of page[name] as Item[]) take(into, idOf(item), item);
      if (isShown) show();
      tell(page);
      if (page.next === null || sync.isStopped()) return;
      after = page.next;
    }
  }

  async function readOne(id: string): Promise<void> {
    drops.delete(id);
    const item = await call<Item>('GET', pathOf(id));
    // The answer can come later than the news that what it tells of has gone.
    if (!drops.has(id)) take(known, id, item);
  }

  function take(into: Map<string, Item>, id: string, item: Item): void {
    into.set(id, item);
    seen(item);
  }

  /** What stands before the first of these, so that all of them come after it. */
  function before(ids: ReadonlySet<string>): string | undefined {
    let last: string | undefined;
    for (const id of known.keys()) {
      if (ids.has(id)) return last;
      last = id;
    }
    return last;
  }

  return {
    items,
    isWhole,
    find: (id) => known.get(id),
    reload() {
      wanted.whole = true;
      sync.request();
    },
    more() {
      wanted.more = true;
      sync.request();
    },
    again(ids) {
      for (const id of ids) wanted.again.add(id);
      if (wanted.again.size > 0) sync.request();
    },
    drop(id) {
      known.delete(id);
      wanted.again.delete(id);
      drops.add(id);
      show();
      // It may be in what is being read.
      if (isReadingAll) this.reload();
    },
    stop: sync.stop,
  };
}

const lastOf = (known: ReadonlyMap<string, unknown>): string | undefined => [...known.keys()].at(-1);
