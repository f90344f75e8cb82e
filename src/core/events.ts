import type { AccountCache } from './accounts/account-cache.ts';
import type { LedgerEntry } from './ledger/ledger-entry.ts';
import type { Transactions } from './storage/transactions.ts';
import type { Transition } from './tasks/task.ts';

/** Changes of an account that no other event type reports. */
export type AccountChange =
  | 'created'
  | 'changed'
  | 'clock'
  | 'reset'
  | 'restored'
  | 'removed'
  | 'faults'
  | 'snapshots'
  | 'journal';

/** A committed change of an account, or something that the HTTP layer reports about it. */
export type CoreEvent =
  | { type: 'task'; accountId: number; transition: Transition }
  | { type: 'ledger'; accountId: number; entry: LedgerEntry }
  /** `accountId` is null when the change concerns all accounts. */
  | { type: 'account'; accountId: number | null; change: AccountChange }
  /** Reported by other layers; `detail` is passed to the listeners unchanged. */
  | { type: 'request' | 'fault'; accountId: number; detail: object };

/** Receives an event and the key that its account had when it was emitted; null when it concerns all accounts. */
type Listener = (event: CoreEvent, key: string | null) => void;

export type Events = ReturnType<typeof createEvents>;

/**
 * Publishes events to listeners once the change is committed; a change that is rolled back is never published.
 * Emitting costs next to nothing without listeners.
 */
export function createEvents(transactions: Transactions, accountCache: AccountCache) {
  const listeners = new Set<Listener>();
  return {
    /**
     * Publishes an event, unless it concerns a snapshot or an account that no longer exists. An event that belongs to a
     * transaction must be emitted inside of it.
     */
    emit(event: CoreEvent): void {
      if (listeners.size === 0) return;
      // Not after the commit: the next transaction may have removed the account by then.
      const key = event.accountId === null ? null : accountCache.findKey(event.accountId);
      if (key === undefined) return;
      transactions.afterCommit((failure) => {
        if (failure === null) for (const listener of [...listeners]) listener(event, key);
      });
    },
    hasListeners: (): boolean => listeners.size > 0,
    /** Calls `listener` with every event until the returned function is called. */
    listen(listener: Listener): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
