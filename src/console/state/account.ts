import { type ReadonlySignal, signal } from '@preact/signals';
import type {
  Account,
  Fault,
  JournalEntry,
  LedgerEntry,
  Snapshot,
  Task,
  Verdict,
} from '../../client/types.ts';
import { every, wallMs } from '../time.ts';
import { accountPath, call, Refusal } from './api.ts';
import { connection, type LiveEvent, listen } from './event-stream.ts';
import { createValue, type Value } from './resource.ts';
import { forgetFiles } from './result-cache.ts';
import { createSync } from './single-flight.ts';
import { createList, type SyncedList } from './synced-list.ts';

/** What is kept of a journal that keeps more. */
const MOST_REQUESTS = 5000;
const LOOK_EVERY_MS = 3000;

/** One account with all that is its own, kept up with what happens to it. */
export interface AccountState {
  readonly key: string;
  readonly account: ReadonlySignal<Account | undefined>;
  /** In wall time. */
  readonly readAtMs: ReadonlySignal<number>;
  readonly isMissing: ReadonlySignal<boolean>;
  readonly heldCredits: ReadonlySignal<number>;
  readonly tasks: SyncedList<Task>;
  readonly ledger: SyncedList<LedgerEntry>;
  readonly requests: SyncedList<JournalEntry>;
  readonly verdict: Value<Verdict>;
  readonly faults: Value<{ faults: Fault[] }>;
  readonly snapshots: Value<{ snapshots: Snapshot[] }>;
  stop(): void;
}

export function openAccount(key: string): AccountState {
  const at = (rest: string) => accountPath(key, rest);
  const account = signal<Account | undefined>(undefined);
  const readAtMs = signal(wallMs());
  const isMissing = signal(false);
  const heldCredits = signal(0);

  const listOf = <Item extends { id: string }>(name: string, more: object = {}) =>
    createList<Item>({
      ...{
        path: at(`/${name}`),
        name,
        idOf: ({ id }) => id,
        pathOf: (id) => at(`/${name}/${encodeURIComponent(id)}`),
      },
      ...more,
    });
  const tasks = listOf<Task>('tasks');
  const requests = listOf<JournalEntry>('requests', { most: MOST_REQUESTS });
  const tell = ({ held }: Record<string, unknown>) => {
    heldCredits.value = held as number;
  };
  const ledger = listOf<LedgerEntry>('ledger', { name: 'entries', tell });
  const verdict = createValue<Verdict>(at('/verdict'));
  const faults = createValue<{ faults: Fault[] }>(at('/faults?limit=1000'));
  const snapshots = createValue<{ snapshots: Snapshot[] }>(at('/snapshots?limit=1000'));

  const own = createSync(async () => {
    try {
      account.value = await call<Account>('GET', at(''));
      readAtMs.value = wallMs();
      isMissing.value = false;
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'ACCOUNT_NOT_FOUND') throw error;
      isMissing.value = true;
      account.value = undefined;
    }
  });

  function reload(): void {
    own.request();
    for (const list of [tasks, ledger, requests]) list.reload();
    for (const value of [verdict, faults, snapshots]) value.refresh();
  }

  /** Those that have not ended: a changed clock or speed changes when they will. */
  const rereadRunning = () =>
    tasks.again(tasks.items.peek().flatMap(({ id, status }) => (status === 'processing' ? [id] : [])));

  function touch(ids: readonly (string | null | undefined)[] = []): void {
    tasks.again(ids.filter((id) => typeof id === 'string'));
  }

  function look(id: string | undefined): void {
    if (id !== undefined) requests.again([id]);
  }

  function hear(event: LiveEvent): void {
    if (event.key === null ? event.change !== 'faults' : event.key !== key) return;
    switch (event.type) {
      case 'task':
        touch([event.taskId]);
        verdict.refresh();
        break;
      case 'ledger':
        touch([event.taskId]);
        ledger.more();
        break;
      case 'request':
        look(event.id);
        touch(event.taskIds?.filter((id) => !tasks.find(id)));
        verdict.refresh();
        break;
      case 'fault':
        faults.refresh();
        // Nobody tells of a request that gets no answer.
        look(event.request);
        break;
      case 'account':
        changed(event.change);
        return;
    }
    own.request();
  }

  function changed(change: string | undefined): void {
    if (change === 'faults') faults.refresh();
    else if (change === 'snapshots') snapshots.refresh();
    else if (change === 'journal') {
      requests.reload();
      verdict.refresh();
    } else if (change === 'changed' || change === 'clock') {
      own.request();
      rereadRunning();
      verdict.refresh();
    } else {
      // The same ids and times may mean other files now.
      forgetFiles();
      reload();
    }
  }

  const stopListening = listen({
    begin() {
      forgetFiles();
      reload();
    },
    hear,
  });
  // What time alone changes nobody tells: the hour of the limiter ends, a result is not fetched.
  const stopLooking = every(LOOK_EVERY_MS, () => {
    if (account.peek()?.clock.mode !== 'real' || connection.peek() !== 'live') return;
    own.request();
    verdict.refresh();
  });
  return {
    ...{
      key,
      account,
      readAtMs,
      isMissing,
      heldCredits,
      tasks,
      ledger,
      requests,
      verdict,
      faults,
      snapshots,
    },
    stop() {
      stopListening();
      stopLooking();
      for (const one of [own, tasks, ledger, requests, verdict, faults, snapshots]) one.stop();
    },
  };
}

/** Whether nobody has ever asked for anything with this key, as far as can be seen. The journal can be off, empty, or new. */
export function isUntouched({ account, tasks, ledger, requests }: AccountState): boolean {
  const { limit = null, remaining = null } = account.value?.rateLimit ?? {};
  return (
    requests.items.value.length === 0 &&
    tasks.items.value.length === 0 &&
    ledger.items.value.every(({ kind }) => kind === 'grant' || kind === 'adjust') &&
    remaining === limit
  );
}
