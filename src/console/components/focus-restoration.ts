import { schedule } from '../time.ts';

// When the focused element disappears (a row is removed, a view changes, a form closes), browsers move the focus to the
// body, and users of a keyboard or screen reader have to start at the top of the page. This module moves it to the
// nearest surrounding element with a list or heading instead.

const FOCUS_TARGETS = '[role=listbox], h1, h2, h3';

/** The element that had the focus last, followed by its ancestors. */
let focusPath: Element[] = [];

const isVisible = (element: Element): boolean => element.isConnected && element.checkVisibility();

function findFocusTarget(element: Element): HTMLElement | undefined {
  if (!isVisible(element)) return undefined;
  const targets = element.matches(FOCUS_TARGETS) ? [element] : [...element.querySelectorAll(FOCUS_TARGETS)];
  return targets.find(isVisible) as HTMLElement | undefined;
}

function restoreFocus(): void {
  const [last] = focusPath;
  const { activeElement, body } = document;
  if (last === undefined || (activeElement !== body && activeElement !== last) || isVisible(last)) return;
  for (const element of focusPath) {
    const target = findFocusTarget(element);
    if (!target) continue;
    if (!target.hasAttribute('tabindex')) target.tabIndex = -1;
    // The user may have scrolled elsewhere.
    target.focus({ preventScroll: true });
    return;
  }
}

document.addEventListener('focusin', ({ target }) => {
  focusPath = [];
  for (let element = target as Element | null; element; element = element.parentElement) focusPath.push(element);
});
document.addEventListener('focusout', ({ target }) => {
  // A removed element is still in the document during this event.
  schedule(0, () => {
    // The user clicked on an empty area or moved on to the browser UI: do not restore the focus.
    const isBlurredByUser = document.activeElement === document.body && focusPath[0] === target;
    if (isBlurredByUser && isVisible(target as Element)) focusPath = [];
  });
});
const OBSERVED = { subtree: true, childList: true, attributeFilter: ['class'] };
new MutationObserver(restoreFocus).observe(document.body, OBSERVED);
