import * as z from 'zod';
import type { LedgerEntry } from '../../core/ledger/ledger-entry.ts';

import type { HttpContext } from '../../http/context.ts';
import { requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { PageByNumber, paginate } from '../pagination.ts';
import { AccountSchema, Ledger, Verification } from '../response-schemas.ts';
import { AccountParams, credits, reason, toTimestamp } from '../schemas.ts';
import { toAccountJson } from './accounts.ts';

const CreditRequest = z.strictObject({ amount: credits, reason: reason.optional() });

/** Operations that change a balance, list its ledger entries and verify them. */
export const ledgerOperations = ({ core }: HttpContext): Operation[] => [
  defineOperation({
    method: 'POST',
    path: '/accounts/:key/credits',
    name: 'credit',
    tag: 'accounts',
    summary: 'Grant or deduct credits',
    description: 'Recorded in the ledger as `grant` or `adjust`.',
    params: AccountParams,
    body: CreditRequest,
    responses: { 200: AccountSchema },
    codes: ['BALANCE_TOO_HIGH', 'BALANCE_TOO_LOW'],
    async handler({ params, body }) {
      const account = requireAccount(core, params);
      const { amount, reason = 'by the control plane' } = body;
      const record = amount > 0 ? core.ledger.grant : core.ledger.adjust;
      record(account.id, amount, reason, core.tasks.catchUp(account.id));
      return toAccountJson(core, core.accounts.get(account.id));
    },
  }),

  defineOperation({
    method: 'GET',
    path: '/accounts/:key/ledger',
    name: 'getLedger',
    tag: 'accounts',
    summary: 'List ledger entries',
    description:
      'Oldest first. Kinds: `grant` (+), `hold` (−), `capture` (0, the hold became final), `refund` (+), `adjust` (±).',
    params: AccountParams,
    query: PageByNumber,
    responses: { 200: Ledger },
    async handler({ params, query }) {
      const { id, balance } = requireAccount(core, params);
      const entries = core.ledger.entries(id, query.limit + 1, query.after);
      const held = core.ledger.held(id);
      const { items, next } = await paginate(entries, query.limit, ({ seq }) => String(seq), toLedgerEntryJson);
      return { balance, held, entries: items, next };
    },
  }),

  defineOperation({
    method: 'GET',
    path: '/accounts/:key/ledger/verify',
    name: 'verifyLedger',
    tag: 'accounts',
    summary: 'Verify the ledger',
    description:
      'Checks in the stored rows that the balance is the sum of the entries, that every hold belongs to a task and ' +
      'is resolved at most once, and that no finished task has an open hold.',
    params: AccountParams,
    responses: { 200: Verification },
    async handler({ params }) {
      const problems = core.ledger.verify(requireAccount(core, params).id);
      return { ok: problems.length === 0, problems };
    },
  }),
];

export function toLedgerEntryJson({ seq, kind, amount, balance, taskId, reason, atMs }: LedgerEntry) {
  return { id: String(seq), kind, amount, balance, taskId, reason, at: toTimestamp(atMs) };
}
