import type { Account } from '../core/accounts/accounts.ts';
import type { HttpContext } from '../http/context.ts';
import type { Entry } from '../http/journal/entry.ts';

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

/** Checks the journal of an account for mistakes of its client. */
export function lintClient(context: HttpContext, account: Account): LintFinding[] {
  // The vendor serves result files from separate hosts, without recommendations or rate limits.
  const entries = context.journal.listEntries(account.id).filter(({ mediaTaskId }) => mediaTaskId === null);
  return [
    ...(account.clockMode === 'auto' ? [] : findFrequentPolls(entries)),
    ...findPollsAfterEnd(entries),
    ...findIgnoredRetryAfter(entries),
    ...findDuplicateSubmits(context, account, entries),
    ...findUncollectedTasks(context, account, entries),
    ...findUndocumentedFields(entries),
  ];
}

/** The polls of each task, in order. */
function groupPollsByTask(entries: readonly Entry[]): Map<string, Entry[]> {
  const polls = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const { taskId } of entry.polled) polls.set(taskId, [...(polls.get(taskId) ?? []), entry]);
  }
  return polls;
}

function findFrequentPolls(entries: readonly Entry[]): LintFinding[] {
  return [...groupPollsByTask(entries)].flatMap(([taskId, polls]) => {
    let run: Entry[] = [];
    let longestRun: Entry[] = [];
    for (const poll of polls) {
      const previous = run.at(-1);
      const minGapMs = (RECOMMENDED_POLL_INTERVALS_MS[poll.path] ?? DEFAULT_POLL_INTERVAL_MS) / 2;
      run = previous && poll.atMs - previous.atMs < minGapMs ? [...run, poll] : [poll];
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

function findPollsAfterEnd(entries: readonly Entry[]): LintFinding[] {
  return [...groupPollsByTask(entries)].flatMap(([taskId, polls]) => {
    const hasReportedEnd = (entry: Entry) =>
      entry.polled.some((poll) => poll.taskId === taskId && poll.status !== 'processing');
    const end = polls.findIndex(hasReportedEnd);
    const late = end === -1 ? [] : polls.slice(end + 1);
    return createFindings('POLLED_AFTER_END', `Task ${taskId} was polled after a response had reported its end.`, late);
  });
}

function findIgnoredRetryAfter(entries: readonly Entry[]): LintFinding[] {
  const early = entries.filter((entry, index) => {
    const previous = entries[index - 1];
    if (previous?.status !== 429) return false;
    const waitMs = (previous.retryAfterSeconds ?? 0) * 1000;
    return entry.atMs < previous.atMs + waitMs;
  });
  return createFindings('IGNORED_RETRY_AFTER', 'Requests were sent before the delay in Retry-After had passed.', early);
}

function findDuplicateSubmits({ core }: HttpContext, account: Account, entries: readonly Entry[]): LintFinding[] {
  const seen = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.submitted.length === 0) continue;
    const jobKey = `${entry.path} ${entry.body}`;
    seen.set(jobKey, [...(seen.get(jobKey) ?? []), entry]);
  }
  const wasRunning = (first: Entry, atMs: number) =>
    first.submitted.some((id) => {
      const task = core.tasks.find(account.id, id);
      return task !== undefined && (task.finishedAtMs === null || task.finishedAtMs > atMs);
    });
  return [...seen.values()].flatMap((group) => {
    const resubmitted = group.filter((entry, index) =>
      group.slice(0, index).some((first) => wasRunning(first, entry.atMs)),
    );
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
    entries.flatMap(({ polled }) => polled.filter(({ status }) => status !== 'processing').map(({ taskId }) => taskId)),
  );
  return entries.flatMap((entry) => {
    const uncollected = entry.submitted.filter((id) => {
      const finishedAtMs = core.tasks.find(account.id, id)?.finishedAtMs ?? null;
      return finishedAtMs !== null && finishedAtMs + MAX_COLLECTION_DELAY_MS < nowMs && !collected.has(id);
    });
    if (uncollected.length === 0) return [];
    return createFindings('NEVER_COLLECTED', `Not polled until finished: ${uncollected.join(', ')}.`, [entry]);
  });
}

function findUndocumentedFields(entries: readonly Entry[]): LintFinding[] {
  const entriesByMessage = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const field of entry.unknownFields) {
      const message = `${entry.path} has no field ${field.replaceAll(/\[\d+\]/g, '[]')}.`;
      if (entriesByMessage.get(message)?.at(-1) !== entry)
        entriesByMessage.set(message, [...(entriesByMessage.get(message) ?? []), entry]);
    }
  }
  return [...entriesByMessage].flatMap(([message, offendingEntries]) =>
    createFindings('UNDOCUMENTED_FIELD', message, offendingEntries),
  );
}

/** Creates the finding that these entries show; none without entries. */
const createFindings = (code: string, message: string, entries: readonly Entry[]): LintFinding[] =>
  entries.length === 0 ? [] : [{ code, message, requests: entries.map(({ seq }) => String(seq)) }];
