import { signal } from '@preact/signals';
import type { Account } from '../../client/types.ts';
import { quoteForShell } from '../curl.ts';
import { scheduleEvery, wallMs } from '../time.ts';
import { accountNowMs } from '../timeline.ts';
import { accountPath, ORIGIN, sendRequest } from './api.ts';
import { connection, isWatchingAll, listen } from './event-stream.ts';
import { createList } from './synced-list.ts';

export const accounts = createList<Account>({
  path: '__admin/accounts',
  name: 'accounts',
  getId: ({ key }) => key,
  pathFor: (key) => accountPath(key),
  isAppended: false,
  onItem: (account) => void readAt.set(account, wallMs()),
});
/** In wall time, by the account as it was read. */
const readAt = new WeakMap<Account, number>();

/** What time it is for an account, at this wall time. */
export const accountTimeMs = (account: Account, atMs: number): number =>
  accountNowMs(account, atMs - (readAt.get(account) ?? atMs));

/** Whether any client has ever used this emulator; undefined: not known yet. */
export const isUsed = signal<boolean | undefined>(undefined);
/** Requests that came with a key that nobody knows: a client that is set up wrong sends nothing else. */
export const unauthorizedCount = signal(0);
/** The key at which something happened last while all were listened to. */
export const lastActiveKey = signal<string | undefined>(undefined);

/** Of limiters whose hour ends and of clients with a wrong key nobody tells. */
const REFRESH_INTERVAL_MS = 3000;
/** More than one page is not read again and again. */
const MAX_REFRESHED_ACCOUNTS = 1000;

/** From now on, for as long as the page is open. */
export function followAccounts(): void {
  listen({
    onResync() {
      // While one is watched, the others can wait.
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

/** Nothing tells of requests with unknown keys but the counts. */
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
  // Requests are counted from the start on; tasks may be older.
  isUsed.value = sumMetric('nanophoto_requests_total') + sumMetric('nanophoto_tasks') > 0;
}

/** What to paste so that a client uses this emulator: its settings, and a first request. */
export const quickstart = (key: string): { settings: string; request: string } => ({
  settings: `export NANOPHOTO_API_BASE_URL=${quoteForShell(ORIGIN)} NANOPHOTO_API_KEY=${quoteForShell(key)}`,
  request: [
    `curl -sS ${quoteForShell(`${ORIGIN}/api/sora-2/generate`)}`,
    `-H ${quoteForShell(`Authorization: Bearer ${key}`)} -H 'Content-Type: application/json'`,
    `-d '{"prompt":"A golden retriever on a beach","mode":"textToVideo"}'`,
  ].join(' '),
});
