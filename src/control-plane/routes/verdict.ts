import type { HttpContext } from '../../http/context.ts';
import { createRedactor } from '../../http/redaction.ts';
import { lintClient } from '../client-lint/index.ts';
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
    async handler({ params }) {
      const account = requireAccount(context.core, params);
      const findings = lintClient(context, account, createRedactor([account.key]));
      return { ok: findings.length === 0, findings };
    },
  }),
];
