import type { HttpContext } from '../../http/context.ts';
import type { ListedEntry } from '../../http/journal/entry.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { Activity } from '../response-schemas.ts';
import { toTimestamp, toTimestampOrNull } from '../schemas.ts';

/** Number of the latest requests. */
const MAX_REQUESTS = 50;
/** Every path of the API is shorter. */
const MAX_PATH_LENGTH = 200;
/** Number of the busiest accounts. */
const MAX_ACCOUNTS = 1000;

/** The tasks and requests of an account. */
interface Use {
  processing: number;
  failed: number;
  requestCount: number;
  lastWallMs: number | null;
}

interface KeyedEntry {
  accountId: number;
  entry: ListedEntry;
}

/** The operation that returns the latest activity of all accounts. */
export const activityOperations = (context: HttpContext): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/activity',
    name: 'getActivity',
    tag: 'emulator',
    summary: 'Get the latest activity of all accounts',
    description:
      'The busiest 1000 accounts, the latest 50 requests of all accounts, and the latest 50 requests without a valid ' +
      'key, of which no journal has an entry.',
    responses: { 200: Activity },
    async handler() {
      const { core, journal } = context;
      const requestCount = journal.getResponseCounts().reduce((sum, [, count]) => sum + count, 0);
      const keyOf = (accountId: number) => core.accounts.findKey(accountId);
      return {
        now: toTimestamp(core.clock.nowMs()),
        requestCount,
        accounts: listBusiest(context, keyOf),
        requests: listLatest(context).flatMap(({ accountId, entry }) => {
          const key = keyOf(accountId);
          return key === undefined ? [] : [{ key, ...toRequestJson(entry) }];
        }),
        unauthorized: journal
          .listUnauthorized()
          .map(({ wallMs, ...request }) => ({ receivedAt: toTimestamp(wallMs), ...request })),
      };
    },
  }),
];

function listBusiest({ core, journal, settings }: HttpContext, keyOf: (accountId: number) => string | undefined) {
  const uses = new Map<number, Use>();
  const useOf = (accountId: number): Use => {
    const use = uses.get(accountId) ?? { processing: 0, failed: 0, requestCount: 0, lastWallMs: null };
    uses.set(accountId, use);
    return use;
  };
  for (const { accountId, ...counts } of core.tasks.countsByAccount()) Object.assign(useOf(accountId), counts);
  for (const { accountId, count: requestCount, lastWallMs } of journal.listUses()) {
    Object.assign(useOf(accountId), { requestCount, lastWallMs });
  }
  for (const [accountId, { requests }] of settings.opened?.journals ?? []) {
    const lastWallMs = requests.at(-1)?.wallMs ?? null;
    Object.assign(useOf(accountId), { requestCount: requests.length, lastWallMs });
  }
  const accounts = [];
  const busiestFirst = [...uses].sort(
    ([, one], [, other]) => other.processing - one.processing || lastMs(other) - lastMs(one),
  );
  for (const [accountId, { lastWallMs, ...counts }] of busiestFirst) {
    // There can be many accounts, and each key is read from the database.
    if (accounts.length === MAX_ACCOUNTS) break;
    const key = keyOf(accountId);
    // A snapshot has tasks, but no key.
    if (key !== undefined) accounts.push({ key, ...counts, lastRequestAt: toTimestampOrNull(lastWallMs) });
  }
  return accounts;
}

const lastMs = ({ lastWallMs }: Use) => lastWallMs ?? 0;

/** Lists the latest requests, newest first. */
function listLatest({ journal, settings }: HttpContext): KeyedEntry[] {
  if (!settings.opened) return journal.listLatest(MAX_REQUESTS);
  return [...settings.opened.journals]
    .flatMap(([accountId, { requests }]) => requests.slice(-MAX_REQUESTS).map((entry) => ({ accountId, entry })))
    .sort((one, other) => other.entry.wallMs - one.entry.wallMs)
    .slice(0, MAX_REQUESTS);
}

function toRequestJson(entry: ListedEntry) {
  const { seq, requestId, wallMs, method, status, errorCode, durationMs } = entry;
  const path = entry.path.slice(0, MAX_PATH_LENGTH);
  return { id: String(seq), requestId, receivedAt: toTimestamp(wallMs), method, path, status, errorCode, durationMs };
}
