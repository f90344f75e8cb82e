import { schedule } from '../time.ts';

// What has the focus can go: its row is removed, its view is left, its form closes. Browsers then let the focus fall to the whole
// page, and who goes by keys or listens to the page has to begin at its top. Here it goes to what was around: a list, else the
// heading that comes first there.

const FOCUS_TARGETS = '[role=listbox], h1, h2, h3';

/** What had the focus last, and all that it stood in, the nearest first. */
let focusPath: Element[] = [];

const isVisible = (one: Element): boolean => one.isConnected && one.checkVisibility();

function findFocusTarget(one: Element): HTMLElement | undefined {
  if (!isVisible(one)) return undefined;
  const targets = one.matches(FOCUS_TARGETS) ? [one] : [...one.querySelectorAll(FOCUS_TARGETS)];
  return targets.find(isVisible) as HTMLElement | undefined;
}

function restoreFocus(): void {
  const [last] = focusPath;
  const { activeElement, body } = document;
  if (last === undefined || (activeElement !== body && activeElement !== last) || isVisible(last)) return;
  for (const one of focusPath) {
    const target = findFocusTarget(one);
    if (!target) continue;
    if (!target.hasAttribute('tabindex')) target.tabIndex = -1;
    // Who has scrolled meanwhile reads something.
    target.focus({ preventScroll: true });
    return;
  }
}

document.addEventListener('focusin', ({ target }) => {
  focusPath = [];
  for (let one = target as Element | null; one; one = one.parentElement) focusPath.push(one);
});
document.addEventListener('focusout', ({ target }) => {
  // What goes is still there while browsers tell of it.
  schedule(0, () => {
    // Who presses where nothing is, or goes on to what is around the page, wants the focus nowhere.
    const isBlurredByUser = document.activeElement === document.body && focusPath[0] === target;
    if (isBlurredByUser && isVisible(target as Element)) focusPath = [];
  });
});
new MutationObserver(restoreFocus).observe(document.body, {
  ...{ subtree: true, childList: true, attributeFilter: ['class'] },
});
