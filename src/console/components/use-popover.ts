import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';

/** Calls `close` on Escape, or when the user clicks or moves the focus outside of `container`. */
export function useDismiss(
  container: RefObject<HTMLElement | null>,
  isOpen: boolean,
  close: (isEscaped: boolean) => void,
) {
  useEffect(() => {
    const element = container.current;
    if (!isOpen || !element) return;
    const handleOutside = ({ target }: Event) => {
      if (!element.contains(target as Node)) close(false);
    };
    const handleKeyDown = ({ key }: KeyboardEvent) => {
      if (key === 'Escape') close(true);
    };
    document.addEventListener('pointerdown', handleOutside);
    document.addEventListener('keydown', handleKeyDown);
    document.addEventListener('focusin', handleOutside);
    return () => {
      document.removeEventListener('pointerdown', handleOutside);
      document.removeEventListener('keydown', handleKeyDown);
      document.removeEventListener('focusin', handleOutside);
    };
  }, [isOpen]);
}

/** The style that shifts a popover to the left until its right side is visible; undefined if no shift is needed. */
export function useViewportShift(
  popover: RefObject<HTMLElement | null>,
  isOpen: boolean,
): { left: string } | undefined {
  const [shiftPx, setShiftPx] = useState(0);
  useLayoutEffect(() => {
    const element = popover.current;
    setShiftPx(0);
    // On a phone the popover takes up the whole width.
    if (!isOpen || !element || getComputedStyle(element).position !== 'absolute') return;
    const bounds = element.getBoundingClientRect();
    const container = element.closest('.split-detail, .page');
    if (!container) return;
    const left = container.getBoundingClientRect().left + container.clientLeft;
    setShiftPx(Math.max(0, Math.min(bounds.right - left - container.clientWidth, bounds.left - left)));
  }, [isOpen]);
  return shiftPx > 0 ? { left: `${-shiftPx}px` } : undefined;
}
