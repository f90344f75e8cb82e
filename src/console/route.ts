import { signal } from '@preact/signals';

/** What an account is looked at by. */
export const TABS = ['tasks', 'ledger', 'requests', 'verdict', 'faults', 'states'] as const;
export type Tab = (typeof TABS)[number];

export type Route =
  | { view: 'accounts' }
  | { view: 'faults' }
  | { view: 'account'; key: string; tab: Tab; id: string | undefined };

/** What takes an address out of the place that it stands in. */
export const isStep = (part: string): boolean => part === '.' || part === '..';

/** Behind the #, so that keys are in no address that a server or a log sees. */
function readRoute(hash: string): Route {
  const [, view, key, tab, id] = hash.split('/').map(decoded);
  if (view === 'faults') return { view };
  // No key is a step up in an address.
  if (view !== 'accounts' || !key || isStep(key)) return { view: 'accounts' };
  return { view: 'account', key, tab: TABS.find((one) => one === tab) ?? 'tasks', id: id || undefined };
}

export const accountHref = (key: string, tab: Tab = 'tasks', id?: string): string =>
  `#/accounts/${encodeURIComponent(key)}/${tab}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;

/** Text that is no encoded text is meant as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal(readRoute(location.hash));
addEventListener('hashchange', () => {
  route.value = readRoute(location.hash);
});

export function goTo(href: string): void {
  location.hash = href;
}
