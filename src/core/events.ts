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
  /** `accountId` is null when the change concerns all accounts; `removedKey` is the key of a removed account. */
  | { type: 'account'; accountId: number | null; change: AccountChange; removedKey?: string }
  /** Reported by other layers; `detail` is passed to the listeners unchanged. */
  | { type: 'request' | 'fault'; accountId: number; detail: object };

type Listener = (event: CoreEvent) => void;

export type Events = ReturnType<typeof createEvents>;

/**
 * Publishes events to listeners once the change is committed; a change that is rolled back is never published.
 * Emitting costs next to nothing without listeners.
 */
export function createEvents(transactions: Transactions) {
  const listeners = new Set<Listener>();
  return {
    /** Publishes an event. An event that belongs to a transaction must be emitted inside of it. */
    emit(event: CoreEvent): void {
      if (listeners.size === 0) return;
      transactions.afterCommit((failure) => {
        if (failure === null) for (const listener of [...listeners]) listener(event);
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
