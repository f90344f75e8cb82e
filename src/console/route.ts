import { signal } from '@preact/signals';

/** The views of an account, in the order of their tabs. */
export const TABS = ['tasks', 'timeline', 'ledger', 'requests', 'verdict', 'faults', 'states'] as const;
export type Tab = (typeof TABS)[number];

export type Route =
  | { view: 'accounts' }
  | { view: 'faults' }
  | { view: 'account'; key: string; tab: Tab; id: string | undefined };

/** Whether URL resolution would drop this path segment or step up a level for it. */
export const isDotSegment = (part: string): boolean => part === '.' || part === '..';

/** Parses `location.hash`. Routes are in the fragment because browsers never send it, so keys reach no server log. */
function parseRoute(hash: string): Route {
  const [, view, key, tab, id] = hash.split('/').map(decodeOrKeep);
  if (view === 'faults') return { view };
  // A dot segment is not a valid key.
  if (view !== 'accounts' || !key || isDotSegment(key)) return { view: 'accounts' };
  return { view: 'account', key, tab: TABS.find((one) => one === tab) ?? 'tasks', id: id || undefined };
}

export const accountHref = (key: string, tab: Tab = 'tasks', id?: string): string =>
  `#/accounts/${encodeURIComponent(key)}/${tab}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;

/** Decodes percent-encoding; returns malformed text unchanged. */
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
