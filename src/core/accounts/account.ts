import type { AccountClock } from '../time/clock.ts';

/** How an account came to be: from the seed file, by a first request, or over the control plane. */
export type AccountOrigin = 'seed' | 'self' | 'control';

export interface Account extends AccountClock {
  id: number;
  key: string;
  origin: AccountOrigin;
  /** Credits that can still be spent. */
  balance: number;
  /** Requests an hour; null: no limit. */
  rateLimit: number | null;
  seed: string;
  revoked: boolean;
  /** On the account's clock. */
  createdAtMs: number;
  /** Entries in its ledger. */
  entryCount: number;
  taskCount: number;
  /** Wall time at which something falls due; null when nothing does by itself. */
  wakeAtMs: number | null;
}
