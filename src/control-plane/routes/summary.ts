import type { HttpContext } from '../../http/context.ts';
import { redactDeep } from '../../http/redaction.ts';
import { createFileRedactor } from '../files/redaction.ts';
import { formatSummary, MAX_ROWS } from '../files/summary.ts';
import { listRequests, requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { AccountParams } from '../schemas.ts';
import { toAccountJson } from './accounts.ts';
import { toFaultJson } from './faults.ts';
import { toJournalEntryJson } from './journal.ts';
import { getVerdict } from './verdict.ts';

/** The operation that returns a page about an account, for people. */
export const summaryOperations = (context: HttpContext): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/accounts/:key/summary',
    name: 'getSummary',
    tag: 'requests',
    summary: 'Get a summary for people',
    description:
      'One page of Markdown: balance, verdict, tasks by status and error code, the last requests, and the fault rules ' +
      'with the number of times that they fired. The API key, other credentials and the secrets in URLs are redacted.',
    params: AccountParams,
    responses: { 200: { types: ['text/markdown'], description: 'A page of Markdown.' } },
    codes: ['VERDICT_NOT_FOUND'],
    async handler({ params }, reply) {
      const { core } = context;
      const account = requireAccount(core, params);
      const { id } = account;
      const entries = listRequests(context, id);
      const redact = createFileRedactor(account.key, entries);
      const text = formatSummary({
        account: toAccountJson(core, account),
        held: core.ledger.held(id),
        outcomes: core.tasks.outcomes(id),
        findings: getVerdict(context, account, redact).findings,
        requests: entries.slice(-MAX_ROWS).map((entry) => toJournalEntryJson(entry, redact)),
        requestCount: entries.length,
        faults: redactDeep(core.faults.list(id).map(toFaultJson), redact),
      });
      return reply.type('text/markdown; charset=utf-8').send(text);
    },
  }),
];
