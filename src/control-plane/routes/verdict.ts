import type { Account } from '../../core/accounts/accounts.ts';
import type { HttpContext, VerdictJson } from '../../http/context.ts';
import { createRedactor, type Redact } from '../../http/redaction.ts';
import { lintClient } from '../client-lint/index.ts';
import { AdminError } from '../error-codes.ts';
import { requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { Verdict } from '../response-schemas.ts';
import { AccountParams } from '../schemas.ts';

/** The findings of the client lint. */
export const verdictOperations = (context: HttpContext): Operation[] => [
  defineOperation({
    method: 'GET',
    path: '/accounts/:key/verdict',
    name: 'getVerdict',
    tag: 'requests',
    summary: 'Get the verdict on the client',
    description: 'Lint findings from the journal, such as polling too often. `ok` is true when there are none.',
    params: AccountParams,
    responses: { 200: Verdict },
    codes: ['VERDICT_NOT_FOUND'],
    async handler({ params }) {
      const account = requireAccount(context.core, params);
      return getVerdict(context, account, createRedactor([account.key]));
    },
  }),
];

/** @throws VERDICT_NOT_FOUND when a file is open that has no verdict */
export function getVerdict(context: HttpContext, account: Account, redact: Redact): VerdictJson {
  const { opened } = context.settings;
  if (!opened) {
    const findings = lintClient(context, account, redact);
    return { ok: findings.length === 0, findings };
  }
  const { verdict } = opened.journals.get(account.id)!;
  if (!verdict) throw new AdminError('VERDICT_NOT_FOUND', account.key);
  return verdict;
}
