import type { AccountClock } from '../time/clock.ts';

/** Where an account comes from: `seed` is the seed file, `self` is auto-created, `control` is the control plane. */
export type AccountOrigin = 'seed' | 'self' | 'control';

export interface Account extends AccountClock {
  id: number;
  key: string;
  origin: AccountOrigin;
  /** Credits that can still be spent. */
  balance: number;
  /** Requests per hour; null means no limit. */
  rateLimit: number | null;
  /** Share of tasks that fail without a fault, from 0 to 1. */
  failureRate: number;
  seed: string;
  revoked: boolean;
  /** On the account's clock. */
  createdAtMs: number;
  /** Number of ledger entries. */
  entryCount: number;
  /** Number of tasks that the account has ever had. */
  taskCount: number;
  /** Wall time of the next due transition; null when there is none, or the clock must be advanced first. */
  wakeAtMs: number | null;
}
