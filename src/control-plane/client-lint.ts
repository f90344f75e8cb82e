import type { Account } from '../core/accounts/accounts.ts';
import type { Emulator } from '../http/context.ts';
import type { Entry } from '../http/journal/entry.ts';

export interface Finding {
  code: string;
  message: string;
  /** Ids of the requests that show it. */
  requests: string[];
}

/** "Poll every 5-10 seconds" (Sora 2), every 3–5 s (images, from clients). The others give no advice; they get Sora 2's. */
const ADVISED_MS: Record<string, number> = {
  '/api/nano-banana-pro/check-status': 3000,
  '/api/nano-banana-2/check-status': 3000,
};
const USUALLY_ADVISED_MS = 5000;
/** So many gaps in a row that are under half of what is advised are no accident. */
const HASTY_GAPS = 3;
/** A finished task that nobody has asked for by then is forgotten. */
const COLLECT_WITHIN_MS = 60_000;

/** What the journal says about the client's manners. */
export function findingsOf(emulator: Emulator, account: Account): Finding[] {
  // Results are fetched from hosts of their own, to which no advice and no limit applies.
  const entries = emulator.journal.entriesOf(account.id).filter(({ fetched }) => fetched === null);
  return [
    ...(account.clockMode === 'auto' ? [] : polledTooOften(entries)),
    ...polledAfterEnd(entries),
    ...ignoredRetryAfter(entries),
    ...duplicateSubmits(emulator, account, entries),
    ...neverCollected(emulator, account, entries),
    ...undocumentedFields(entries),
  ];
}

/** Who asked for which task, in order. */
function pollsByTask(entries: readonly Entry[]): Map<string, Entry[]> {
  const polls = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const { taskId } of entry.polled) polls.set(taskId, [...(polls.get(taskId) ?? []), entry]);
  }
  return polls;
}

function polledTooOften(entries: readonly Entry[]): Finding[] {
  return [...pollsByTask(entries)].flatMap(([taskId, polls]) => {
    let run: Entry[] = [];
    let worst: Entry[] = [];
    for (const poll of polls) {
      const before = run.at(-1);
      const least = (ADVISED_MS[poll.path] ?? USUALLY_ADVISED_MS) / 2;
      run = before && poll.atMs - before.atMs < least ? [...run, poll] : [poll];
      if (run.length > worst.length) worst = run;
    }
    if (worst.length <= HASTY_GAPS) return [];
    const advised = ADVISED_MS[worst[0]!.path] ?? USUALLY_ADVISED_MS;
    return finding(
      'POLLED_TOO_OFTEN',
      `Task ${taskId} was polled ${worst.length} times in a row at less than half of the advised ${advised / 1000} s.`,
      worst,
    );
  });
}

function polledAfterEnd(entries: readonly Entry[]): Finding[] {
  return [...pollsByTask(entries)].flatMap(([taskId, polls]) => {
    const isOver = (entry: Entry) =>
      entry.polled.some((told) => told.taskId === taskId && told.status !== 'processing');
    const end = polls.findIndex(isOver);
    const late = end === -1 ? [] : polls.slice(end + 1);
    if (late.length === 0) return [];
    return finding('POLLED_AFTER_END', `Task ${taskId} was polled after its end had been told.`, late);
  });
}

function ignoredRetryAfter(entries: readonly Entry[]): Finding[] {
  const early = entries.filter((entry, place) => {
    const refused = entries[place - 1];
    if (refused?.status !== 429) return false;
    const waitMs = (refused.retryAfterSeconds ?? 0) * 1000;
    return entry.atMs < refused.atMs + waitMs;
  });
  if (early.length === 0) return [];
  return finding('IGNORED_RETRY_AFTER', 'Requests came before the time that Retry-After asked for.', early);
}

function duplicateSubmits({ core }: Emulator, account: Account, entries: readonly Entry[]): Finding[] {
  const seen = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.submitted.length === 0) continue;
    const what = `${entry.path} ${entry.body}`;
    seen.set(what, [...(seen.get(what) ?? []), entry]);
  }
  const wasRunning = (first: Entry, atMs: number) =>
    first.submitted.some((id) => {
      const task = core.tasks.find(account.id, id);
      return task !== undefined && (task.finishedAtMs === null || task.finishedAtMs > atMs);
    });
  return [...seen.values()].flatMap((same) => {
    const twice = same.filter((entry, place) =>
      same.slice(0, place).some((first) => wasRunning(first, entry.atMs)),
    );
    if (twice.length === 0) return [];
    return finding('DUPLICATE_SUBMIT', 'The same job was sent again while the first one ran.', [
      same[0]!,
      ...twice,
    ]);
  });
}

function neverCollected({ core }: Emulator, account: Account, entries: readonly Entry[]): Finding[] {
  const nowMs = core.timeline.nowMs(account);
  const collected = new Set(
    entries.flatMap(({ polled }) =>
      polled.filter(({ status }) => status !== 'processing').map(({ taskId }) => taskId),
    ),
  );
  return entries.flatMap((entry) => {
    const left = entry.submitted.filter((id) => {
      const finishedAtMs = core.tasks.find(account.id, id)?.finishedAtMs ?? null;
      return finishedAtMs !== null && finishedAtMs + COLLECT_WITHIN_MS < nowMs && !collected.has(id);
    });
    if (left.length === 0) return [];
    return finding('NEVER_COLLECTED', `Nobody polled to its end: ${left.join(', ')}.`, [entry]);
  });
}

function undocumentedFields(entries: readonly Entry[]): Finding[] {
  const senders = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const field of entry.unknownFields) {
      const what = `${entry.path} knows no field ${field.replaceAll(/\[\d+\]/g, '[]')}.`;
      if (senders.get(what)?.at(-1) !== entry) senders.set(what, [...(senders.get(what) ?? []), entry]);
    }
  }
  return [...senders].flatMap(([message, sent]) => finding('UNDOCUMENTED_FIELD', message, sent));
}

const finding = (code: string, message: string, entries: readonly Entry[]): Finding[] => [
  { code, message, requests: entries.map(({ seq }) => String(seq)) },
];
