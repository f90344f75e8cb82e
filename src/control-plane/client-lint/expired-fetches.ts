import type { Account } from '../../core/accounts/accounts.ts';
import type { HttpContext } from '../../http/context.ts';
import type { Entry } from '../../http/journal/entry.ts';
import { createFindings, groupEntries, isDelivered, type LintFinding } from './findings.ts';

/**
 * Share of a URL's lifetime that must be left when the client receives it. With less, a late download is not a finding.
 * Assumed.
 */
const MIN_REMAINING_SHARE = 0.5;

/**
 * Finds downloads of expired files by clients that had enough time for them. Repeating or continuing an incomplete
 * download that began in time is not a finding, and neither is checking a URL with HEAD.
 * @param entries The entries of the journal, including those for result files
 */
export function findExpiredFetches(
  { core, settings: { resultTtlSeconds } }: HttpContext,
  account: Account,
  entries: readonly Entry[],
): LintFinding[] {
  if (resultTtlSeconds === null) return [];
  const ttlMs = resultTtlSeconds * 1000;

  /** When the client first received the URLs of each task. */
  const receivedAtMs = new Map<string, number>();
  for (const { atMs, polled, synchronousTaskId } of entries.filter(isDelivered)) {
    const completed = polled.filter(({ status }) => status === 'completed').map(({ taskId }) => taskId);
    for (const id of [...completed, synchronousTaskId]) {
      if (id !== null && !receivedAtMs.has(id)) receivedAtMs.set(id, atMs);
    }
  }

  const downloads = groupEntries(entries, ({ mediaTaskId, method, path }) =>
    mediaTaskId === null || method !== 'GET' ? [] : [path],
  );
  return [...downloads.values()].flatMap((group) => {
    let isIncomplete = false;
    const late = group.filter((entry) => {
      const task = core.tasks.find(account.id, entry.mediaTaskId!);
      if (task?.status !== 'completed') return false;
      const expiresAtMs = task.finishedAtMs! + ttlMs;
      if (entry.atMs < expiresAtMs) {
        isIncomplete = !isDelivered(entry) || (entry.status !== 200 && entry.status !== 304);
        return false;
      }
      const hadTime = (receivedAtMs.get(task.id) ?? expiresAtMs) <= expiresAtMs - ttlMs * MIN_REMAINING_SHARE;
      return hadTime && !isIncomplete;
    });
    return createFindings(
      'FETCHED_AFTER_EXPIRY',
      `The file of task ${group[0]!.mediaTaskId} was requested after it had expired.`,
      late,
    );
  });
}
