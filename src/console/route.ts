import { signal } from '@preact/signals';

/** What an account is looked at by. */
export const TABS = ['tasks', 'ledger', 'requests', 'verdict', 'faults', 'states'] as const;
export type Tab = (typeof TABS)[number];

export type Route =
  | { view: 'accounts' }
  | { view: 'faults' }
  | { view: 'account'; key: string; tab: Tab; id: string | undefined };

/** What takes an address out of the place that it stands in. */
export const isDotSegment = (part: string): boolean => part === '.' || part === '..';

/** Behind the #, so that keys are in no address that a server or a log sees. */
function parseRoute(hash: string): Route {
  const [, view, key, tab, id] = hash.split('/').map(decodeOrKeep);
  if (view === 'faults') return { view };
  // No key is a step up in an address.
  if (view !== 'accounts' || !key || isDotSegment(key)) return { view: 'accounts' };
  return { view: 'account', key, tab: TABS.find((one) => one === tab) ?? 'tasks', id: id || undefined };
}

export const accountHref = (key: string, tab: Tab = 'tasks', id?: string): string =>
  `#/accounts/${encodeURIComponent(key)}/${tab}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;

/** Text that is no encoded text is meant as it is. */
function decodeOrKeep(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal(parseRoute(location.hash));
addEventListener('hashchange', () => {
  route.value = parseRoute(location.hash);
});

export function navigate(href: string): void {
  location.hash = href;
}
