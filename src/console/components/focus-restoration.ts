import { after } from '../time.ts';

// What has the focus can go: its row is removed, its view is left, its form closes. Browsers then let the focus fall to the whole
// page, and who goes by keys or listens to the page has to begin at its top. Here it goes to what was around: a list, else the
// heading that comes first there.

const PLACES = '[role=listbox], h1, h2, h3';

/** What had the focus last, and all that it stood in, the nearest first. */
let around: Element[] = [];

const isThere = (one: Element): boolean => one.isConnected && one.checkVisibility();

function placeIn(one: Element): HTMLElement | undefined {
  if (!isThere(one)) return undefined;
  const places = one.matches(PLACES) ? [one] : [...one.querySelectorAll(PLACES)];
  return places.find(isThere) as HTMLElement | undefined;
}

function keepFocus(): void {
  const [last] = around;
  const { activeElement, body } = document;
  if (last === undefined || (activeElement !== body && activeElement !== last) || isThere(last)) return;
  for (const one of around) {
    const place = placeIn(one);
    if (!place) continue;
    if (!place.hasAttribute('tabindex')) place.tabIndex = -1;
    // Who has scrolled meanwhile reads something.
    place.focus({ preventScroll: true });
    return;
  }
}

document.addEventListener('focusin', ({ target }) => {
  around = [];
  for (let one = target as Element | null; one; one = one.parentElement) around.push(one);
});
document.addEventListener('focusout', ({ target }) => {
  // What goes is still there while browsers tell of it.
  after(0, () => {
    // Who presses where nothing is, or goes on to what is around the page, wants the focus nowhere.
    const isGivenUp = document.activeElement === document.body && around[0] === target;
    if (isGivenUp && isThere(target as Element)) around = [];
  });
});
new MutationObserver(keepFocus).observe(document.body, {
  ...{ subtree: true, childList: true, attributeFilter: ['class'] },
});
