import type { LedgerEntry } from './ledger/ledger-entry.ts';
import type { Transactions } from './storage/transactions.ts';
import type { Transition } from './tasks/task.ts';

/** What can happen to an account that no other event tells. */
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

/** Something that happened to an account. */
export type CoreEvent =
  | { type: 'task'; accountId: number; transition: Transition }
  | { type: 'ledger'; accountId: number; entry: LedgerEntry }
  /** `accountId`: null where it concerns everybody. `goneKey`: of an account that is not there any more. */
  | { type: 'account'; accountId: number | null; change: AccountChange; removedKey?: string }
  /** For what happens outside of the core; `detail` is shown as it is. */
  | { type: 'request' | 'fault'; accountId: number; detail: object };

type Listener = (event: CoreEvent) => void;

export type Events = ReturnType<typeof createEvents>;

/**
 * Tells who listens what has happened, once that is committed; what is undone has not happened. Costs nothing while nobody
 * listens.
 */
export function createEvents(transactions: Transactions) {
  const listeners = new Set<Listener>();

  return {
    /** To be called inside the transaction that the event is part of, if it is part of one. */
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
