import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';

interface Props<Item> {
  items: readonly Item[];
  idOf: (item: Item) => string;
  label: string;
  /** What stands in a row; nothing in it can be focused. */
  row: (item: Item) => ComponentChildren;
  rowPx: number;
  /** The id of the one that is open. */
  open?: string | undefined;
  onOpen?: (item: Item) => void;
  /** Said when there are none. */
  empty: ComponentChildren;
}

/**
 * A list of which only what is seen is there. The list has the focus, and tells which row is meant: rows come and go while one
 * scrolls, and a focus would go with them.
 */
export function VirtualList<Item>({ items, idOf, label, row, rowPx, open, onOpen, empty }: Props<Item>) {
  const scroller = useRef<HTMLDivElement>(null);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [virtualizer] = useState(
    () =>
      new Virtualizer<HTMLDivElement, Element>({
        count: items.length,
        getScrollElement: () => scroller.current,
        estimateSize: () => rowPx,
        overscan: 6,
        ...{ observeElementRect, observeElementOffset, scrollToFn: elementScroll },
        onChange: () => redraw(undefined),
      }),
  );
  virtualizer.setOptions({ ...virtualizer.options, count: items.length, estimateSize: () => rowPx });
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());

  const [activeId, setActiveId] = useState<string | undefined>(open);
  useEffect(() => {
    if (open !== undefined) setActiveId(open);
  }, [open]);
  const place = activeId === undefined ? -1 : items.findIndex((item) => idOf(item) === activeId);
  useKeptPlace(scroller, items, idOf, rowPx);
  // What is open by its address may be far away, and may come later.
  const openPlace = open === undefined ? -1 : items.findIndex((item) => idOf(item) === open);
  const isOpenThere = openPlace >= 0;
  useEffect(() => {
    if (isOpenThere) virtualizer.scrollToIndex(openPlace, { align: 'auto' });
  }, [open, isOpenThere]);

  function moveTo(index: number): void {
    const target = Math.max(0, Math.min(items.length - 1, index));
    const item = items[target];
    if (item === undefined) return;
    setActiveId(idOf(item));
    virtualizer.scrollToIndex(target, { align: 'auto' });
  }

  function pressed(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? rowPx) / rowPx) - 1);
    const moves: Record<string, number> = {
      ...{ ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + page, PageUp: place - page },
      ...{ Home: 0, End: items.length - 1 },
    };
    const target = moves[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target !== undefined) moveTo(target);
    else if ((event.key === 'Enter' || event.key === ' ') && items[place]) onOpen?.(items[place]);
    else return;
    event.preventDefault();
  }

  const id = useId();
  // No list box: what is said may have buttons.
  if (items.length === 0) return <div class="list empty">{empty}</div>;
  return (
    <div
      ref={scroller}
      class="list"
      role="listbox"
      aria-label={label}
      aria-activedescendant={place >= 0 ? `${id}-${place}` : undefined}
      tabIndex={0}
      onKeyDown={pressed}
    >
      <div class="rows" role="presentation" style={{ height: `${virtualizer.getTotalSize()}px` }}>
        {virtualizer.getVirtualItems().map(({ index, start }) => {
          const item = items[index];
          if (item === undefined) return null;
          const own = idOf(item);
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the list has the focus and takes the keys
            <div
              key={own}
              id={`${id}-${index}`}
              class={own === activeId ? 'row active' : 'row'}
              role="option"
              tabIndex={-1}
              aria-selected={own === open}
              aria-setsize={items.length}
              aria-posinset={index + 1}
              style={{ height: `${rowPx}px`, transform: `translateY(${start}px)` }}
              onClick={() => {
                setActiveId(own);
                onOpen?.(item);
              }}
            >
              {row(item)}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** What comes above must not push away what somebody reads; who looks at the top wants to see what comes. */
function useKeptPlace<Item>(
  scroller: { current: HTMLDivElement | null },
  items: readonly Item[],
  idOf: (item: Item) => string,
  rowPx: number,
): void {
  const first = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const was = first.current;
    first.current = items[0] && idOf(items[0]);
    const element = scroller.current;
    if (was === undefined || was === first.current || !element || element.scrollTop === 0) return;
    const added = items.findIndex((item) => idOf(item) === was);
    if (added > 0) element.scrollTop += added * rowPx;
  }, [items]);
}
