import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';

/** What has opened under a button closes by Escape, and when one presses or goes by Tab beside it. */
export function useClosing(
  box: RefObject<HTMLElement | null>,
  isOpen: boolean,
  close: (isEscaped: boolean) => void,
) {
  useEffect(() => {
    const own = box.current;
    if (!isOpen || !own) return;
    const beside = ({ target }: Event) => {
      if (!own.contains(target as Node)) close(false);
    };
    const pressed = ({ key }: KeyboardEvent) => {
      if (key === 'Escape') close(true);
    };
    document.addEventListener('pointerdown', beside);
    document.addEventListener('keydown', pressed);
    document.addEventListener('focusin', beside);
    return () => {
      document.removeEventListener('pointerdown', beside);
      document.removeEventListener('keydown', pressed);
      document.removeEventListener('focusin', beside);
    };
  }, [isOpen]);
}

/** How far to the left something has to open so that its right side is still seen; undefined: it stands well. */
export function useShift(
  opened: RefObject<HTMLElement | null>,
  isOpen: boolean,
): { left: string } | undefined {
  const [shiftPx, setShiftPx] = useState(0);
  useLayoutEffect(() => {
    const own = opened.current;
    setShiftPx(0);
    // On a phone it has the whole width.
    if (!isOpen || !own || getComputedStyle(own).position !== 'absolute') return;
    const place = own.getBoundingClientRect();
    const room = own.closest('.split-detail, .page');
    if (!room) return;
    const left = room.getBoundingClientRect().left + room.clientLeft;
    setShiftPx(Math.max(0, Math.min(place.right - left - room.clientWidth, place.left - left)));
  }, [isOpen]);
  return shiftPx > 0 ? { left: `${-shiftPx}px` } : undefined;
}
