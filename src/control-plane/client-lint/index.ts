import type { Account } from '../../core/accounts/accounts.ts';
import type { HttpContext } from '../../http/context.ts';
import type { Redact } from '../../http/redaction.ts';
import { findExpiredFetches } from './expired-fetches.ts';
import type { LintFinding } from './findings.ts';
import { findFrequentPolls, findPollsAfterEnd } from './polls.ts';
import { findIgnoredRetryAfter, findRetriesWithoutBackoff } from './retries.ts';
import { findDuplicateSubmits, findRepeatedPayments, findUncollectedTasks } from './submissions.ts';
import { findUndocumentedFields } from './unknown-fields.ts';

/** Checks the journal of an account for mistakes of its client. The findings contain names that the client chose. */
export function lintClient(context: HttpContext, account: Account, redact: Redact): LintFinding[] {
  const allEntries = context.journal.listEntries(account.id);
  // The vendor serves result files from separate hosts, without recommendations or rate limits.
  const entries = allEntries.filter(({ mediaTaskId }) => mediaTaskId === null);
  // On an auto clock, a client need not wait.
  const hasToWait = account.clockMode !== 'auto';
  return [
    ...(hasToWait ? findFrequentPolls(entries) : []),
    ...findPollsAfterEnd(entries),
    ...findIgnoredRetryAfter(entries),
    ...(hasToWait ? findRetriesWithoutBackoff(entries) : []),
    ...findDuplicateSubmits(context, account, entries),
    ...findRepeatedPayments(context, account, entries),
    ...findUncollectedTasks(context, account, entries),
    ...findExpiredFetches(context, account, allEntries),
    ...findUndocumentedFields(entries, redact),
  ];
}
