import type { Events } from './events.ts';
import type { Db } from './storage/database.ts';
import type { StorageMemory } from './storage/storage-memory.ts';
import type { Transactions } from './storage/transactions.ts';
import type { Clock } from './time/clock.ts';

/** Objects that most parts of the core need, such as the ledger, tasks and snapshots. */
export interface CoreContext {
  db: Db;
  transactions: Transactions;
  clock: Clock;
  events: Events;
  storage: StorageMemory;
}
