import type { Entry } from '../../http/journal/entry.ts';
import { createFindings, findLongestRun, groupEntries, hadLost, hadReceived, type LintFinding } from './findings.ts';

/**
 * Number of consecutive retries without a wait that counts as a finding. Assumed. Clients that request several versions
 * of a result send equal requests in parallel, which may arrive one after the other; nobody polls a task in parallel.
 */
const MIN_HASTY_RETRIES = 10;
const MIN_HASTY_POLL_RETRIES = 3;
const POLL_PATH = /\/check-status$/;
/**
 * A retry that is sent sooner than this after the start of the failed attempt had no wait. Assumed. SDKs first wait 0.1
 * to 1 s; with full jitter, some of their waits are shorter, but rarely several in a row.
 */
const MIN_BACKOFF_MS = 50;

/** Returns the latest response that the client had received when it sent the request at `index`. */
function findLatestReceived(entries: readonly Entry[], index: number): Entry | undefined {
  for (let earlier = index - 1; earlier >= 0; earlier -= 1) {
    if (hadReceived(entries[index]!, entries[earlier]!)) return entries[earlier];
  }
  return undefined;
}

export function findIgnoredRetryAfter(entries: readonly Entry[]): LintFinding[] {
  const early = entries.filter((entry, index) => {
    const latest = findLatestReceived(entries, index);
    if (latest?.status !== 429) return false;
    const waitMs = (latest.retryAfterSeconds ?? 0) * 1000;
    return entry.atMs < latest.atMs + waitMs;
  });
  return createFindings('IGNORED_RETRY_AFTER', 'Requests were sent before the delay in Retry-After had passed.', early);
}

/** Whether the client knew that `earlier` had failed on the server's side when it sent `later`. */
function hadFailed(later: Entry, earlier: Entry): boolean {
  // Without a fault, the client itself disconnected.
  if (hadLost(later, earlier)) return earlier.faults.length > 0;
  // A poll that reports a failed task may have status 500, but has not failed.
  return hadReceived(later, earlier) && earlier.status! >= 500 && earlier.polled.length === 0;
}

/**
 * Finds requests that were repeated at once after each of several failures. The client may have waited on the account's
 * clock, which a test advances instead of sleeping, or in wall time. A 429 is a matter of Retry-After.
 */
export function findRetriesWithoutBackoff(entries: readonly Entry[]): LintFinding[] {
  // Different requests may have the same truncated body. The journal leaves uploaded files out of bodies, but different
  // files hardly ever have the same length.
  const attempts = groupEntries(entries, ({ path, body, isBodyTruncated, headers }) =>
    body === '' || isBodyTruncated ? [] : [`${path} ${headers['content-length']} ${body}`],
  );
  return [...attempts.values()].flatMap((group) => {
    const run = findLongestRun(
      group,
      (entry, previous) =>
        Math.max(entry.atMs - previous.atMs, entry.wallMs - previous.wallMs) < MIN_BACKOFF_MS &&
        hadFailed(entry, previous),
    );
    const retryCount = run.length - 1;
    if (retryCount < (POLL_PATH.test(group[0]!.path) ? MIN_HASTY_POLL_RETRIES : MIN_HASTY_RETRIES)) return [];
    return createFindings(
      'RETRIED_WITHOUT_BACKOFF',
      `A request was repeated ${retryCount} times in a row without a wait, although each earlier attempt had failed.`,
      run,
    );
  });
}
