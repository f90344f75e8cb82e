import type { Account } from '../../core/accounts/accounts.ts';
import type { HttpContext } from '../../http/context.ts';
import type { Entry } from '../../http/journal/entry.ts';
import { createFindings, groupEntries, hadLost, isDelivered, type LintFinding } from './findings.ts';

/** A finished task that is not polled within this time counts as uncollected. */
const MAX_COLLECTION_DELAY_MS = 60_000;
/** A request that follows an equal one later than this is a new request, not a retry. Assumed. */
const MAX_RETRY_DELAY_MS = 300_000;

export function findDuplicateSubmits(
  { core }: HttpContext,
  account: Account,
  entries: readonly Entry[],
): LintFinding[] {
  // Different jobs may have the same truncated body.
  const jobs = groupEntries(entries, ({ submitted, path, body, isBodyTruncated }) =>
    submitted.length === 0 || isBodyTruncated ? [] : [`${path} ${body}`],
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

/**
 * Finds results of synchronous requests that were paid for again because their first response was lost. A client cannot
 * rule out the charge, so it should not repeat such a request automatically (RFC 9110, section 9.2.2). A complete
 * response counts as received even if a fault replaced it, since an error invites the client to try again.
 */
export function findRepeatedPayments(
  { core }: HttpContext,
  account: Account,
  entries: readonly Entry[],
): LintFinding[] {
  const isPaid = ({ synchronousTaskId: id }: Entry) => {
    const task = id === null ? undefined : core.tasks.find(account.id, id);
    return task?.status === 'completed' && task.price > 0;
  };
  const orders = groupEntries(entries.filter(isPaid), ({ path, synchronousTaskId }) => [
    `${path} ${JSON.stringify(core.tasks.getInput(account.id, synchronousTaskId!))}`,
  ]);
  return [...orders.values()].flatMap((group) => {
    const repeated = group.flatMap((entry, index) => {
      const previous = group[index - 1];
      const isRetry = previous && hadLost(entry, previous) && entry.atMs - previous.atMs <= MAX_RETRY_DELAY_MS;
      return isRetry ? [previous, entry] : [];
    });
    return createFindings(
      'PAID_TWICE',
      'The same request was paid for again after the response to the first one had been lost.',
      [...new Set(repeated)],
    );
  });
}

export function findUncollectedTasks(
  { core }: HttpContext,
  account: Account,
  entries: readonly Entry[],
): LintFinding[] {
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
    return createFindings('NEVER_COLLECTED', `No poll received the outcome of ${uncollected.join(', ')}.`, [entry]);
  });
}
