import type { Account } from '../core/accounts/accounts.ts';
import type { HttpContext } from '../http/context.ts';
import type { Entry } from '../http/journal/entry.ts';
import type { Redact } from '../http/redaction.ts';

export interface LintFinding {
  code: string;
  message: string;
  /** Ids of the journal entries that show it. */
  requests: string[];
}

/** Image clients poll every 3–5 s. Vendor page Sora 2: "Poll every 5-10 seconds"; the other pages give no interval. */
const RECOMMENDED_POLL_INTERVALS_MS: Record<string, number> = {
  '/api/nano-banana-pro/check-status': 3000,
  '/api/nano-banana-2/check-status': 3000,
};
const DEFAULT_POLL_INTERVAL_MS = 5000;
/** Number of consecutive gaps below half the recommended interval that counts as a finding. */
const MIN_SHORT_GAPS = 3;
/** A finished task that is not polled within this time counts as uncollected. */
const MAX_COLLECTION_DELAY_MS = 60_000;
/** Maximum number of undocumented fields that have a finding of their own. */
const MAX_FIELD_FINDINGS = 100;

/** Checks the journal of an account for mistakes of its client. The findings contain names that the client chose. */
export function lintClient(context: HttpContext, account: Account, redact: Redact): LintFinding[] {
  // The vendor serves result files from separate hosts, without recommendations or rate limits.
  const entries = context.journal.listEntries(account.id).filter(({ mediaTaskId }) => mediaTaskId === null);
  return [
    ...(account.clockMode === 'auto' ? [] : findFrequentPolls(entries)),
    ...findPollsAfterEnd(entries),
    ...findIgnoredRetryAfter(entries),
    ...findDuplicateSubmits(context, account, entries),
    ...findUncollectedTasks(context, account, entries),
    ...findUndocumentedFields(entries, redact),
  ];
}

/** Whether the client had received the response to `earlier` when it sent `later`. */
const hadReceived = (later: Entry, earlier: Entry) =>
  earlier.deliveredAtSeq !== null && earlier.deliveredAtSeq < later.seq;

/** Whether the client could read the result of the request. Otherwise a retry is not a mistake. */
const isDelivered = (entry: Entry) => entry.deliveredAtSeq !== null && !entry.isReplaced;

/** Groups entries by the keys that each of them has, in order. */
function groupEntries(entries: readonly Entry[], toKeys: (entry: Entry) => readonly string[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const key of toKeys(entry)) append(groups, key, entry);
  }
  return groups;
}

function findFrequentPolls(entries: readonly Entry[]): LintFinding[] {
  const pollsByTask = groupEntries(entries, ({ polled }) => polled.map(({ taskId }) => taskId));
  return [...pollsByTask].flatMap(([taskId, polls]) => {
    let run: Entry[] = [];
    let longestRun: Entry[] = [];
    for (const poll of polls) {
      const previous = run.at(-1);
      const minGapMs = (RECOMMENDED_POLL_INTERVALS_MS[poll.path] ?? DEFAULT_POLL_INTERVAL_MS) / 2;
      if (previous && isDelivered(previous) && poll.atMs - previous.atMs < minGapMs) run.push(poll);
      else run = [poll];
      if (run.length > longestRun.length) longestRun = run;
    }
    if (longestRun.length <= MIN_SHORT_GAPS) return [];
    const recommendedMs = RECOMMENDED_POLL_INTERVALS_MS[longestRun[0]!.path] ?? DEFAULT_POLL_INTERVAL_MS;
    return createFindings(
      'POLLED_TOO_OFTEN',
      `Task ${taskId} was polled ${longestRun.length} times in a row at less than half the recommended interval ` +
        `of ${recommendedMs / 1000} s.`,
      longestRun,
    );
  });
}

/**
 * A poll is late if the client already knew the end of every task that it names: vendor page "Veo 3.1", whose sample
 * names all shots in each poll until the last one has ended.
 */
function findPollsAfterEnd(entries: readonly Entry[]): LintFinding[] {
  /** The first delivered response that reported the end of a task. */
  const endOf = new Map<string, Entry>();
  const latePolls: Entry[] = [];
  for (const entry of entries) {
    const isKnown = ({ taskId }: { taskId: string }) => {
      const end = endOf.get(taskId);
      return end !== undefined && hadReceived(entry, end);
    };
    if (entry.polled.length > 0 && entry.polled.every(isKnown)) latePolls.push(entry);
    if (!isDelivered(entry)) continue;
    for (const { taskId, status } of entry.polled) {
      if (status !== 'processing' && !endOf.has(taskId)) endOf.set(taskId, entry);
    }
  }
  const bySubject = groupEntries(latePolls, ({ polled: [first, ...others] }) => [
    others.length === 0 ? `Task ${first!.taskId} was` : `Task ${first!.taskId} and ${others.length} more were`,
  ]);
  return [...bySubject].flatMap(([subject, polls]) =>
    createFindings('POLLED_AFTER_END', `${subject} polled after a response had reported the end.`, polls),
  );
}

/** Returns the latest response that the client had received when it sent the request at `index`. */
function findLatestReceived(entries: readonly Entry[], index: number): Entry | undefined {
  for (let earlier = index - 1; earlier >= 0; earlier -= 1) {
    if (hadReceived(entries[index]!, entries[earlier]!)) return entries[earlier];
  }
  return undefined;
}

function findIgnoredRetryAfter(entries: readonly Entry[]): LintFinding[] {
  const early = entries.filter((entry, index) => {
    const latest = findLatestReceived(entries, index);
    if (latest?.status !== 429) return false;
    const waitMs = (latest.retryAfterSeconds ?? 0) * 1000;
    return entry.atMs < latest.atMs + waitMs;
  });
  return createFindings('IGNORED_RETRY_AFTER', 'Requests were sent before the delay in Retry-After had passed.', early);
}

function findDuplicateSubmits({ core }: HttpContext, account: Account, entries: readonly Entry[]): LintFinding[] {
  const jobs = groupEntries(entries, ({ submitted, path, body }) =>
    submitted.length === 0 ? [] : [`${path} ${body}`],
  );
  const getEndMs = (id: string) => {
    const task = core.tasks.find(account.id, id);
    return task ? (task.finishedAtMs ?? Number.POSITIVE_INFINITY) : Number.NEGATIVE_INFINITY;
  };
  return [...jobs.values()].flatMap((group) => {
    let latestEndMs = Number.NEGATIVE_INFINITY;
    const resubmitted = group.filter((entry) => {
      const wasRunning = latestEndMs > entry.atMs;
      if (isDelivered(entry)) latestEndMs = Math.max(latestEndMs, ...entry.submitted.map(getEndMs));
      return wasRunning;
    });
    if (resubmitted.length === 0) return [];
    return createFindings('DUPLICATE_SUBMIT', 'The same job was submitted again while the first one was running.', [
      group[0]!,
      ...resubmitted,
    ]);
  });
}

function findUncollectedTasks({ core }: HttpContext, account: Account, entries: readonly Entry[]): LintFinding[] {
  const nowMs = core.timeline.nowMs(account);
  const collected = new Set(
    entries
      .filter(isDelivered)
      .flatMap(({ polled }) => polled.filter(({ status }) => status !== 'processing').map(({ taskId }) => taskId)),
  );
  // Without a response to the submission, the client does not know the task.
  return entries.filter(isDelivered).flatMap((entry) => {
    const uncollected = entry.submitted.filter((id) => {
      const finishedAtMs = core.tasks.find(account.id, id)?.finishedAtMs ?? null;
      return finishedAtMs !== null && finishedAtMs + MAX_COLLECTION_DELAY_MS < nowMs && !collected.has(id);
    });
    if (uncollected.length === 0) return [];
    return createFindings('NEVER_COLLECTED', `Not polled until finished: ${uncollected.join(', ')}.`, [entry]);
  });
}

function findUndocumentedFields(entries: readonly Entry[], redact: Redact): LintFinding[] {
  const entriesByMessage = new Map<string, Entry[]>();
  const entriesWithMore = new Set<Entry>();
  for (const entry of entries) {
    const { names, omittedCount } = entry.unknownFields;
    if (omittedCount > 0) entriesWithMore.add(entry);
    for (const name of names) {
      const field = entry.redactName(name, redact).replaceAll(/\[\d+\]/g, '[]');
      const message = `${redact(entry.path)} has no field ${field}.`;
      const known = entriesByMessage.get(message);
      if (!known && entriesByMessage.size === MAX_FIELD_FINDINGS) entriesWithMore.add(entry);
      else if (known?.at(-1) !== entry) append(entriesByMessage, message, entry);
    }
  }
  return [
    ...[...entriesByMessage].flatMap(([message, offendingEntries]) =>
      createFindings('UNDOCUMENTED_FIELD', message, offendingEntries),
    ),
    ...createFindings('UNDOCUMENTED_FIELD', 'Requests have further undocumented fields.', [...entriesWithMore]),
  ];
}

function append<Key>(groups: Map<Key, Entry[]>, key: Key, entry: Entry): void {
  const group = groups.get(key);
  if (group) group.push(entry);
  else groups.set(key, [entry]);
}

/** Creates the finding that these entries show; none without entries. */
const createFindings = (code: string, message: string, entries: readonly Entry[]): LintFinding[] =>
  entries.length === 0 ? [] : [{ code, message, requests: entries.map(({ seq }) => String(seq)) }];
