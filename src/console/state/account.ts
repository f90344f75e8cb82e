import { computed, signal } from '@preact/signals';
import type { Account, Fault, JournalEntry, LedgerEntry, Snapshot, Task, Verdict } from '../../client/types.ts';
import { isWaitingShot } from '../task-progress.ts';
import { scheduleEvery, wallMs } from '../time.ts';
import { ApiError, accountPath, requestJson } from './api.ts';
import { connection, type LiveEvent, listen } from './event-stream.ts';
import { isReadOnly } from './read-only.ts';
import { createResource } from './resource.ts';
import { clearResultCache } from './result-cache.ts';
import { createSingleFlight } from './single-flight.ts';
import { createSyncedList } from './synced-list.ts';

/** Maximum number of journal entries that the page keeps; the journal itself may hold more. */
const MAX_REQUESTS = 5000;
const REFRESH_INTERVAL_MS = 3000;

export type AccountState = ReturnType<typeof openAccount>;

/** Opens an account and everything that belongs to it, kept up to date until `stop`. */
export function openAccount(key: string) {
  const subPath = (rest: string) => accountPath(key, rest);
  const account = signal<Account | undefined>(undefined);
  /** Wall time at which `account` was read. */
  const readAtMs = signal(wallMs());
  const isMissing = signal(false);
  const heldCredits = signal(0);

  const createAccountList = <Item extends { id: string }>(name: string, options: object = {}) =>
    createSyncedList<Item>({
      path: subPath(`/${name}`),
      name,
      getId: ({ id }) => id,
      pathFor: (id) => subPath(`/${name}/${encodeURIComponent(id)}`),
      ...options,
    });
  const tasks = createAccountList<Task>('tasks');
  const requests = createAccountList<JournalEntry>('requests', { maxItems: MAX_REQUESTS });
  const onPage = ({ held }: Record<string, unknown>) => {
    heldCredits.value = held as number;
  };
  const ledger = createAccountList<LedgerEntry>('ledger', { name: 'entries', onPage });
  /** The task for which each waiting shot waits: the shot before it in the same request, whose tasks are neighbours. */
  const previousShots = computed<ReadonlyMap<string, Task>>(
    () =>
      new Map(
        tasks.items.value.flatMap((task, index, all) => {
          const previous = all[index - 1];
          return previous && isWaitingShot(task) ? [[task.id, previous] as const] : [];
        }),
      ),
  );
  const verdict = createResource<Verdict>(subPath('/verdict'));
  const faults = createResource<{ faults: Fault[] }>(subPath('/faults?limit=1000'));
  const snapshots = createResource<{ snapshots: Snapshot[] }>(subPath('/snapshots?limit=1000'));

  const accountSync = createSingleFlight(async () => {
    try {
      account.value = await requestJson<Account>('GET', subPath(''));
      readAtMs.value = wallMs();
      isMissing.value = false;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'ACCOUNT_NOT_FOUND') throw error;
      isMissing.value = true;
      account.value = undefined;
    }
  });

  function reload(): void {
    accountSync.request();
    for (const list of [tasks, ledger, requests]) list.reload();
    for (const value of [verdict, faults, snapshots]) value.refresh();
  }

  /** A changed clock or speed changes when running tasks finish. */
  const refreshRunningTasks = () =>
    tasks.refresh(tasks.items.peek().flatMap(({ id, status }) => (status === 'processing' ? [id] : [])));

  function refreshTasks(ids: readonly (string | null | undefined)[] = []): void {
    tasks.refresh(ids.filter((id) => typeof id === 'string'));
  }

  function refreshRequest(id: string | undefined): void {
    if (id !== undefined) requests.refresh([id]);
  }

  function onEvent(event: LiveEvent): void {
    if (event.key === null ? event.change !== 'faults' : event.key !== key) return;
    switch (event.type) {
      case 'task':
        refreshTasks([event.taskId]);
        verdict.refresh();
        break;
      case 'ledger':
        refreshTasks([event.taskId]);
        ledger.loadNew();
        break;
      case 'request':
        refreshRequest(event.id);
        refreshTasks(event.taskIds?.filter((id) => !tasks.find(id)));
        verdict.refresh();
        break;
      case 'fault':
        faults.refresh();
        // The fault may have prevented the response, and a request without a response has no event of its own.
        refreshRequest(event.request);
        break;
      case 'account':
        onAccountChange(event.change);
        return;
    }
    accountSync.request();
  }

  function onAccountChange(change: string | undefined): void {
    if (change === 'faults') faults.refresh();
    else if (change === 'snapshots') snapshots.refresh();
    else if (change === 'journal') {
      requests.reload();
      verdict.refresh();
    } else if (change === 'changed' || change === 'clock') {
      accountSync.request();
      refreshRunningTasks();
      verdict.refresh();
    } else {
      // After a reset or restore, another task can have the same id and timestamps.
      clearResultCache();
      reload();
    }
  }

  const stopListening = listen({
    onResync() {
      clearResultCache();
      reload();
    },
    onEvent,
  });
  // Changes caused by time alone have no event: the rate limiter's hour ends, a result remains uncollected.
  const stopRefreshing = scheduleEvery(REFRESH_INTERVAL_MS, () => {
    if (account.peek()?.clock.mode !== 'real' || connection.peek() !== 'live' || isReadOnly()) return;
    accountSync.request();
    verdict.refresh();
  });
  return {
    ...{ key, account, readAtMs, isMissing, heldCredits },
    ...{ tasks, previousShots, ledger, requests, verdict, faults, snapshots },
    stop() {
      stopListening();
      stopRefreshing();
      for (const one of [accountSync, tasks, ledger, requests, verdict, faults, snapshots]) one.stop();
    },
  };
}

/**
 * Whether the account has never been used, as far as its data shows, but can be. An empty journal alone proves nothing:
 * it may be switched off or cleared.
 */
export function isUntouched({ account, tasks, ledger, requests }: AccountState): boolean {
  const { limit = null, remaining = null } = account.value?.rateLimit ?? {};
  return (
    !isReadOnly() &&
    requests.items.value.length === 0 &&
    tasks.items.value.length === 0 &&
    ledger.items.value.every(({ kind }) => kind === 'grant' || kind === 'adjust') &&
    remaining === limit
  );
}
