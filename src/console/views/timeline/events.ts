import type { Account, JournalEntry, LedgerEntry, Task } from '../../../client/types.ts';
import { endOfShotMs, endsAtMs, isWaitingShot, waitMs } from '../../task-progress.ts';

/** Something that happened in an account, on its clock. */
export type TimelineEvent = { atMs: number } & (
  | { kind: 'request'; entry: JournalEntry }
  | { kind: 'task'; task: Task }
  | { kind: 'credits'; ledgerEntry: LedgerEntry }
);

/** The time from a task's creation to its end. */
export interface TaskSpan {
  task: Task;
  startMs: number;
  /** When it starts to run: a shot waits for the one before it. */
  runsFromMs: number;
  /** Infinite if the task never ends. */
  endMs: number;
}

export interface TimelineData {
  /** In the order in which they happened. */
  events: TimelineEvent[];
  /** The requests among the events. */
  requests: (TimelineEvent & { kind: 'request' })[];
  /** In order of creation. */
  spans: TaskSpan[];
  /** Each entry has the balance from its time on. */
  ledger: readonly LedgerEntry[];
}

/** Combines what an account's journal, tasks and ledger have recorded. */
export function combineEvents(
  requests: readonly JournalEntry[],
  tasks: readonly Task[],
  ledger: readonly LedgerEntry[],
  account: Account,
): TimelineData {
  // The other entries belong to a request or to the end of a task.
  const creditEvents = ledger
    .filter(({ taskId }) => taskId === null)
    .map((ledgerEntry) => ({ kind: 'credits' as const, atMs: Date.parse(ledgerEntry.at), ledgerEntry }));
  const requestEvents = requests
    .map((entry) => ({ kind: 'request' as const, atMs: Date.parse(entry.at), entry }))
    // A restore turns the account's clock back, but keeps the journal.
    .sort(byTime);
  const spans: TaskSpan[] = [];
  for (const task of tasks) spans.push(toSpan(task, account, spans.at(-1)));
  const taskEvents = spans
    .filter(({ task }) => task.finishedAt !== null)
    .map(({ task, endMs }) => ({ kind: 'task' as const, atMs: endMs, task }))
    .sort(byTime);
  return { events: merge([creditEvents, requestEvents, taskEvents]), requests: requestEvents, spans, ledger };
}

/** A text that is unique among the events of an account. */
export function getEventId(event: TimelineEvent): string {
  switch (event.kind) {
    case 'request':
      return `request ${event.entry.id}`;
    case 'task':
      return `task ${event.task.id}`;
    case 'credits':
      return `credits ${event.ledgerEntry.id}`;
  }
}

/** Polls and fetches of files charge nothing, although they are about tasks that were charged. */
const FREE_PATH = /\/check-status$|^\/media\//;

/** The credits that an event added to the balance: a request holds the prices of its tasks, a failure returns one. */
export function getCredits(event: TimelineEvent, findTask: (id: string) => Task | undefined): number {
  switch (event.kind) {
    case 'request': {
      const { path, taskIds } = event.entry;
      return FREE_PATH.test(path) ? 0 : -taskIds.reduce((sum, id) => sum + (findTask(id)?.price ?? 0), 0);
    }
    case 'task':
      return event.task.status === 'failed' ? event.task.price : 0;
    case 'credits':
      return event.ledgerEntry.amount;
  }
}

function toSpan(task: Task, account: Account, previous: TaskSpan | undefined): TaskSpan {
  const startMs = Date.parse(task.createdAt);
  if (previous && isWaitingShot(task)) {
    return { task, startMs, runsFromMs: previous.endMs, endMs: endOfShotMs(task, account, previous.endMs) };
  }
  const endMs = task.finishedAt ? Date.parse(task.finishedAt) : (endsAtMs(task, account) ?? Number.POSITIVE_INFINITY);
  return { task, startMs, runsFromMs: startMs + waitMs(task, account), endMs };
}

const byTime = (one: { atMs: number }, other: { atMs: number }) => one.atMs - other.atMs;

/** Merges sorted lists. At equal times, the events of earlier lists are first. */
function merge(lists: readonly (readonly TimelineEvent[])[]): TimelineEvent[] {
  const merged: TimelineEvent[] = [];
  const positions = lists.map(() => 0);
  for (;;) {
    let first = -1;
    for (let index = 0; index < lists.length; index++) {
      const next = lists[index]![positions[index]!];
      if (next && (first < 0 || next.atMs < lists[first]![positions[first]!]!.atMs)) first = index;
    }
    if (first < 0) return merged;
    merged.push(lists[first]![positions[first]!++]!);
  }
}

/** A section of the account's time. */
export interface TimeRange {
  fromMs: number;
  toMs: number;
}

/** The shortest section, so that there is always something between its ends. */
export const MIN_RANGE_MS = 20;
/** The longest section that zooming out leads to: 10,000 years, as long as a clock can run. */
export const MAX_RANGE_MS = 10_000 * 365.25 * 86_400_000;
/** Margin at both ends, as a share of the section. */
const MARGIN = 0.03;

/** Adds a margin to a section. */
export function widen({ fromMs, toMs }: TimeRange): TimeRange {
  const marginMs = Math.max((toMs - fromMs) * MARGIN, (MIN_RANGE_MS - (toMs - fromMs)) / 2);
  return { fromMs: fromMs - marginMs, toMs: toMs + marginMs };
}

/** The section with all events and planned ends. The first credits do not count: the account may have waited long. */
export function getFullRange({ events, spans, requests }: TimelineData, nowMs: number): TimeRange {
  const firstMs = Math.min(requests[0]?.atMs ?? nowMs, spans[0]?.startMs ?? nowMs);
  const lastEventMs = events.at(-1)?.atMs ?? firstMs;
  // A task that never ends lasts until now.
  const lastEndMs = spans.reduce(
    (lastMs, { endMs }) => Math.max(lastMs, Number.isFinite(endMs) ? endMs : nowMs),
    Math.max(firstMs, lastEventMs),
  );
  return widen({ fromMs: firstMs, toMs: lastEndMs });
}

/** Zooms by a factor, so that `atMs` stays where it is. */
export function zoom({ fromMs, toMs }: TimeRange, factor: number, atMs: number): TimeRange {
  const lengthMs = Math.min(MAX_RANGE_MS, Math.max(MIN_RANGE_MS, (toMs - fromMs) * factor));
  const share = (atMs - fromMs) / (toMs - fromMs);
  return { fromMs: atMs - share * lengthMs, toMs: atMs + (1 - share) * lengthMs };
}

/** The events of a section. */
export function listInRange<Event extends { atMs: number }>(
  events: readonly Event[],
  { fromMs, toMs }: TimeRange,
): readonly Event[] {
  // Timestamps are whole milliseconds.
  return events.slice(findIndexAtOrAfter(events, fromMs), findIndexAtOrAfter(events, Math.floor(toMs) + 1));
}

/** The index of the first event at or after a time. */
export const findIndexAtOrAfter = (events: readonly { atMs: number }[], atMs: number): number =>
  findFirstIndex(0, events.length, (index) => events[index]!.atMs >= atMs);

/** The first index from which on `isReached` is true, by binary search. */
export function findFirstIndex(from: number, to: number, isReached: (index: number) => boolean): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isReached(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
