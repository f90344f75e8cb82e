import { signal } from '@preact/signals';
import type { Account } from '../../client/types.ts';
import { quoted } from '../curl.ts';
import { every, wallMs } from '../time.ts';
import { accountNowMs } from '../timeline.ts';
import { accountPath, ORIGIN, send } from './api.ts';
import { connection, isWatchingAll, listen } from './event-stream.ts';
import { createList } from './synced-list.ts';

export const accounts = createList<Account>({
  path: '__admin/accounts',
  name: 'accounts',
  idOf: ({ key }) => key,
  pathOf: (key) => accountPath(key),
  isAppended: false,
  seen: (account) => void readAt.set(account, wallMs()),
});
/** In wall time, by the account as it was read. */
const readAt = new WeakMap<Account, number>();

/** What time it is for an account, at this wall time. */
export const nowFor = (account: Account, atMs: number): number =>
  accountNowMs(account, atMs - (readAt.get(account) ?? atMs));

/** Whether any client has ever used this emulator; undefined: not known yet. */
export const isUsed = signal<boolean | undefined>(undefined);
/** Requests that came with a key that nobody knows: a client that is set up wrong sends nothing else. */
export const strangers = signal(0);
/** The key at which something happened last while all were listened to. */
export const active = signal<string | undefined>(undefined);

/** Of limiters whose hour ends and of clients with a wrong key nobody tells. */
const LOOK_EVERY_MS = 3000;
/** More than one page is not read again and again. */
const MOST_LOOKED_AT = 1000;

/** From now on, for as long as the page is open. */
export function followAccounts(): void {
  listen({
    begin() {
      // While one is watched, the others can wait.
      if (!isWatchingAll()) return;
      accounts.reload();
      void readUse();
    },
    hear({ type, key, change }) {
      if (type === 'request') isUsed.value = true;
      if (key === null) return;
      if (change === 'removed') accounts.drop(key);
      else accounts.again([key]);
      active.value = key;
    },
  });
  every(LOOK_EVERY_MS, () => {
    if (connection.peek() !== 'live' || !isWatchingAll()) return;
    void readUse();
    if (accounts.items.peek().length <= MOST_LOOKED_AT) accounts.reload();
  });
}

/** Nothing tells of requests with unknown keys but the counts. */
async function readUse(): Promise<void> {
  const response = await send('GET', 'metrics').catch(() => undefined);
  if (!response) return;
  const text = await response.text();
  const sumOf = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  strangers.value = sumOf('nanophoto_unauthorized_total');
  // Requests are counted from the start on; tasks may be older.
  isUsed.value = sumOf('nanophoto_requests_total') + sumOf('nanophoto_tasks') > 0;
}

/** What to paste so that a client uses this emulator: its settings, and a first request. */
export const firstLines = (key: string): { settings: string; request: string } => ({
  settings: `export NANOPHOTO_API_BASE_URL=${quoted(ORIGIN)} NANOPHOTO_API_KEY=${quoted(key)}`,
  request: [
    `curl -sS ${quoted(`${ORIGIN}/api/sora-2/generate`)}`,
    `-H ${quoted(`Authorization: Bearer ${key}`)} -H 'Content-Type: application/json'`,
    `-d '{"prompt":"A golden retriever on a beach","mode":"textToVideo"}'`,
  ].join(' '),
});
