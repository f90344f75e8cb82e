import type { Account } from '../../client/types.ts';
import { quoteForShell } from '../curl.ts';
import { accountNowMs } from '../task-progress.ts';
import { scheduleEvery, wallMs } from '../time.ts';
import { refreshActivity } from './activity.ts';
import { accountPath, ORIGIN } from './api.ts';
import { connection, isWatchingAll, listen } from './event-stream.ts';
import { createSyncedList } from './synced-list.ts';

export const accounts = createSyncedList<Account>({
  path: '__admin/accounts',
  name: 'accounts',
  getId: ({ key }) => key,
  pathFor: (key) => accountPath(key),
  isAppended: false,
  onItem: (account) => void readAt.set(account, wallMs()),
});
/** Wall time at which each account object was read. */
const readAt = new WeakMap<Account, number>();

/** The account's time at the wall time `atMs`. */
export const accountTimeMs = (account: Account, atMs: number): number =>
  accountNowMs(account, atMs - (readAt.get(account) ?? atMs));

/** Interval of reads for changes without an event: the end of a rate limiter's hour, an unauthorized request. */
const REFRESH_INTERVAL_MS = 3000;
/** Larger lists are not polled: they take more than one page. */
const MAX_REFRESHED_ACCOUNTS = 1000;

/** Keeps `accounts` and `activity` up to date for as long as the page is open. */
export function followAccounts(): void {
  listen({
    onResync() {
      // Leaving a single account resyncs again.
      if (!isWatchingAll()) return;
      accounts.reload();
      refreshActivity();
    },
    onEvent({ key, change }) {
      if (isWatchingAll()) refreshActivity();
      if (key === null) return;
      if (change === 'removed') accounts.remove(key);
      else accounts.refresh([key]);
    },
  });
  scheduleEvery(REFRESH_INTERVAL_MS, () => {
    if (connection.peek() !== 'live' || !isWatchingAll()) return;
    refreshActivity();
    if (accounts.items.peek().length <= MAX_REFRESHED_ACCOUNTS) accounts.reload();
  });
}

/** Shell lines for a client of this emulator: its environment variables, and a first request. */
export const quickstart = (key: string): { settings: string; request: string } => ({
  settings: `export NANOPHOTO_API_BASE_URL=${quoteForShell(ORIGIN)} NANOPHOTO_API_KEY=${quoteForShell(key)}`,
  request: [
    `curl -sS ${quoteForShell(`${ORIGIN}/api/sora-2/generate`)}`,
    `-H ${quoteForShell(`Authorization: Bearer ${key}`)} -H 'Content-Type: application/json'`,
    `-d '{"prompt":"A golden retriever on a beach","mode":"textToVideo"}'`,
  ].join(' '),
});
