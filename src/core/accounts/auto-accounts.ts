import { EmulatorError } from '../errors.ts';
import type { Db } from '../storage/database.ts';
import type { Lives } from './account-lifetimes.ts';
import type { Resets } from './account-reset.ts';
import type { Account, AccountProfile, Accounts } from './accounts.ts';

/** Bounds what one new account can cost where most of the others are at work. */
const MOST_LOOKS = 1000;

export type SelfMade = ReturnType<typeof createSelfMade>;

/**
 * The accounts that made themselves at their first request, `most` at once: for one more the least recently used one goes, with
 * all that is its own. One whose tasks run is in use. The order lives in memory, so that a request costs no write; after a
 * restart it is the order of their last tasks.
 */
export function createSelfMade(
  db: Db,
  parts: { accounts: Accounts; resets: Resets; lives: Lives; most: number },
) {
  const { accounts, resets, lives, most } = parts;
  const byLastTask = db.prepare<[], { id: number; key: string }>(`
    SELECT id, key FROM accounts AS account WHERE origin = 'self' AND snapshot_of IS NULL
    ORDER BY (SELECT rowid FROM tasks WHERE account_id = account.id ORDER BY seq DESC LIMIT 1), id`);
  const running = db
    .prepare<[number], number>(
      "SELECT 1 FROM tasks WHERE account_id = ? AND status = 'processing' ORDER BY seq DESC LIMIT 1",
    )
    .pluck();

  const order = createOrder();
  /** Keys whose account has ended: after a reset there is another one. */
  const ended = new Set<string>();
  for (const { id, key } of byLastTask.all()) order.use(id, key);
  lives.listen((endedId) => {
    const key = order.remove(endedId);
    if (key !== undefined) ended.add(key);
  });

  function takeUpTheReborn(): void {
    for (const key of ended) {
      const account = accounts.find(key);
      if (account?.origin === 'self' && !order.has(account.id)) order.use(account.id, key);
    }
    ended.clear();
  }

  /** @throws EmulatorError TOO_MANY_ACCOUNTS */
  function makeRoom(): void {
    // There can be more than one too many, when the limit was another at an earlier start.
    for (let looks = Math.min(order.size(), MOST_LOOKS); order.size() >= most && looks > 0; looks -= 1) {
      const { id, key } = order.oldest();
      if (running.get(id) === undefined) resets.remove(id);
      // At work, so in use: the next one that comes need not look at it again.
      else order.use(id, key);
    }
    if (order.size() < most) return;
    throw new EmulatorError(
      'TOO_MANY_ACCOUNTS',
      `${most} accounts have made themselves, and the tasks of the least recently used ones run (--auto-account-limit)`,
    );
  }

  return {
    /** An account whose client sends something. Only those that made themselves matter. */
    used(account: Account): void {
      if (account.origin === 'self') order.use(account.id, account.key);
    },
    /** Makes one, and room for it. @throws EmulatorError TOO_MANY_ACCOUNTS when there is none to be had */
    make(key: string, profile: AccountProfile): Account {
      if (ended.size > 0) takeUpTheReborn();
      if (order.size() >= most) makeRoom();
      const account = accounts.create(key, 'self', profile);
      order.use(account.id, key);
      // Those that went to make room do not come back.
      ended.clear();
      return account;
    },
  };
}

interface Place {
  id: number;
  key: string;
  before: Place;
  after: Place;
}

/**
 * Keys by id in the order of their use, as a ring. A Map whose entries are taken out and put in again has an order, too, but gets
 * slow: what was taken out of it stays in the way until it is built anew.
 */
function createOrder() {
  const places = new Map<number, Place>();
  /** Between the newest and the oldest. */
  const end = { id: 0, key: '' } as Place;
  end.before = end;
  end.after = end;

  function unlink({ before, after }: Place): void {
    before.after = after;
    after.before = before;
  }

  return {
    size: (): number => places.size,
    has: (id: number): boolean => places.has(id),
    /** Only where there is one. */
    oldest: (): Pick<Place, 'id' | 'key'> => end.after,
    /** The newest from now on. */
    use(id: number, key: string): void {
      let place = places.get(id);
      if (place !== undefined && place === end.before) return;
      if (place) unlink(place);
      else {
        place = { id, key } as Place;
        places.set(id, place);
      }
      place.before = end.before;
      place.after = end;
      place.before.after = place;
      end.before = place;
    },
    /** Its key; undefined where there was none. */
    remove(id: number): string | undefined {
      const place = places.get(id);
      if (!place) return undefined;
      unlink(place);
      places.delete(id);
      return place.key;
    },
  };
}
