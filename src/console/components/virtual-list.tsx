import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';

interface Props<Item> {
  items: readonly Item[];
  getId: (item: Item) => string;
  label: string;
  /** Renders the content of a row, without focusable elements. */
  renderRow: (item: Item) => ComponentChildren;
  rowPx: number;
  /** The id of the open item. */
  openId?: string | undefined;
  onOpen?: (item: Item) => void;
  /** Shown when the list is empty. */
  empty: ComponentChildren;
}

/**
 * A list that only renders the visible rows. The list keeps the focus and names the active row with
 * `aria-activedescendant`, because a focused row would lose the focus when scrolling removes it.
 */
export function VirtualList<Item>({ items, getId, label, renderRow, rowPx, openId, onOpen, empty }: Props<Item>) {
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

  const [activeId, setActiveId] = useState<string | undefined>(openId);
  // A layout effect: a passive effect could run after a key press and undo it.
  useLayoutEffect(() => {
    if (openId !== undefined) setActiveId(openId);
  }, [openId]);
  const activeIndex = activeId === undefined ? -1 : items.findIndex((item) => getId(item) === activeId);
  useStableScroll(scroller, items, getId, rowPx);
  // An item that was opened by its address may be outside of the view, and may be loaded later.
  const openIndex = openId === undefined ? -1 : items.findIndex((item) => getId(item) === openId);
  const isOpenLoaded = openIndex >= 0;
  useEffect(() => {
    if (isOpenLoaded) virtualizer.scrollToIndex(openIndex, { align: 'auto' });
  }, [openId, isOpenLoaded]);

  function moveTo(index: number): void {
    const target = Math.max(0, Math.min(items.length - 1, index));
    const item = items[target];
    if (item === undefined) return;
    setActiveId(getId(item));
    virtualizer.scrollToIndex(target, { align: 'auto' });
  }

  function handleKeyDown(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? rowPx) / rowPx) - 1);
    const moves: Record<string, number> = {
      ArrowDown: activeIndex + 1,
      ArrowUp: activeIndex - 1,
      PageDown: activeIndex + page,
      PageUp: activeIndex - page,
      ...{ Home: 0, End: items.length - 1 },
    };
    const target = moves[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target !== undefined) moveTo(target);
    else if ((event.key === 'Enter' || event.key === ' ') && items[activeIndex]) onOpen?.(items[activeIndex]);
    else return;
    event.preventDefault();
  }

  const id = useId();
  // Not a listbox: `empty` may contain buttons.
  if (items.length === 0) return <div class="list empty">{empty}</div>;
  return (
    <div
      ref={scroller}
      class="list"
      role="listbox"
      aria-label={label}
      aria-activedescendant={activeIndex >= 0 ? `${id}-${activeIndex}` : undefined}
      tabIndex={0}
      onKeyDown={handleKeyDown}
    >
      <div class="rows" role="presentation" style={{ height: `${virtualizer.getTotalSize()}px` }}>
        {virtualizer.getVirtualItems().map(({ index, start }) => {
          const item = items[index];
          if (item === undefined) return null;
          const itemId = getId(item);
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the list has the focus and handles the keys
            <div
              key={itemId}
              id={`${id}-${index}`}
              class={itemId === activeId ? 'row active' : 'row'}
              role="option"
              tabIndex={-1}
              aria-selected={itemId === openId}
              aria-setsize={items.length}
              aria-posinset={index + 1}
              style={{ height: `${rowPx}px`, transform: `translateY(${start}px)` }}
              onClick={() => {
                setActiveId(itemId);
                onOpen?.(item);
              }}
            >
              {renderRow(item)}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Keeps the visible rows in place when items are added above them, unless the list is scrolled to the top. */
function useStableScroll<Item>(
  scroller: { current: HTMLDivElement | null },
  items: readonly Item[],
  getId: (item: Item) => string,
  rowPx: number,
): void {
  const firstId = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const previousFirstId = firstId.current;
    firstId.current = items[0] && getId(items[0]);
    const element = scroller.current;
    if (previousFirstId === undefined || previousFirstId === firstId.current || !element || element.scrollTop === 0)
      return;
    const added = items.findIndex((item) => getId(item) === previousFirstId);
    if (added > 0) element.scrollTop += added * rowPx;
  }, [items]);
}
