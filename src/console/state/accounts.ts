import { signal } from '@preact/signals';
import type { Account } from '../../client/types.ts';
import { quoteForShell } from '../curl.ts';
import { scheduleEvery, wallMs } from '../time.ts';
import { accountNowMs } from '../task-progress.ts';
import { accountPath, ORIGIN, sendRequest } from './api.ts';
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

/** Whether any client has ever used this emulator; undefined while unknown. */
export const isUsed = signal<boolean | undefined>(undefined);
/** Number of requests with a missing or unknown key; a misconfigured client sends no others. */
export const unauthorizedCount = signal(0);
/** The key of the latest event while all accounts were watched. */
export const lastActiveKey = signal<string | undefined>(undefined);

/** Interval of reads for changes without an event: the end of a rate limiter's hour, an unauthorized request. */
const REFRESH_INTERVAL_MS = 3000;
/** Larger lists are not polled: they take more than one page. */
const MAX_REFRESHED_ACCOUNTS = 1000;

/** Keeps `accounts` and the usage counts up to date for as long as the page is open. */
export function followAccounts(): void {
  listen({
    onResync() {
      // Leaving a single account resyncs again.
      if (!isWatchingAll()) return;
      accounts.reload();
      void readUsage();
    },
    onEvent({ type, key, change }) {
      if (type === 'request') isUsed.value = true;
      if (key === null) return;
      if (change === 'removed') accounts.remove(key);
      else accounts.refresh([key]);
      lastActiveKey.value = key;
    },
  });
  scheduleEvery(REFRESH_INTERVAL_MS, () => {
    if (connection.peek() !== 'live' || !isWatchingAll()) return;
    void readUsage();
    if (accounts.items.peek().length <= MAX_REFRESHED_ACCOUNTS) accounts.reload();
  });
}

/** Reads the usage counts from the metrics; unauthorized requests are reported nowhere else. */
async function readUsage(): Promise<void> {
  const response = await sendRequest('GET', 'metrics').catch(() => undefined);
  if (!response) return;
  const text = await response.text();
  const sumMetric = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  unauthorizedCount.value = sumMetric('nanophoto_unauthorized_total');
  // The request count starts at zero with the process; tasks may be older.
  isUsed.value = sumMetric('nanophoto_requests_total') + sumMetric('nanophoto_tasks') > 0;
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
