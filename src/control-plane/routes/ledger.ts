import type { LedgerEntry } from '../../core/ledger/ledger-entry.ts';
import type { App, HttpContext } from '../../http/context.ts';
import { AccountSchema, Ledger, Verification } from '../response-schemas.ts';
import {
  AccountParams,
  credits,
  paginate,
  paginationParams,
  reason,
  requireAccount,
  sequenceCursor,
  strict,
  toTimestamp,
} from '../schemas.ts';
import { toAccountJson } from './accounts.ts';

const LedgerQuery = strict(paginationParams(sequenceCursor));
const CreditsRequest = strict({ amount: credits, reason: reason.optional() });

/** The calls that move credits, and those that show how they moved. */
export function registerLedger(app: App, { core }: HttpContext): void {
  const accountFor = ({ key }: AccountParams) => requireAccount(core, key);

  app.post(
    '/accounts/:key/credits',
    {
      schema: { params: AccountParams, body: CreditsRequest },
      config: {
        operation: {
          name: 'credit',
          tag: 'accounts',
          summary: 'Gives or takes credits.',
          description: 'The ledger has it as `grant` or `adjust`.',
          responses: { 200: AccountSchema },
          codes: ['BALANCE_TOO_LOW'],
        },
      },
    },
    async ({ params, body }) => {
      const account = accountFor(params);
      const { amount, reason = 'by the control plane' } = body;
      const book = amount > 0 ? core.ledger.grant : core.ledger.adjust;
      book(account.id, amount, reason, core.timeline.nowMs(account));
      return toAccountJson(core, core.accounts.get(account.id));
    },
  );

  app.get(
    '/accounts/:key/ledger',
    {
      schema: { params: AccountParams, querystring: LedgerQuery },
      config: {
        operation: {
          name: 'getLedger',
          tag: 'accounts',
          summary: 'Lists every credit that moved.',
          description:
            'Oldest first. Kinds: `grant` (+), `hold` (−), `capture` (0, the hold became final), `refund` (+), `adjust` (±).',
          responses: { 200: Ledger },
        },
      },
    },
    async ({ params, query }) => {
      const { id, balance } = accountFor(params);
      const entries = core.ledger.entries(id, query.limit + 1, query.after);
      const { items, next } = paginate(entries, query.limit, ({ seq }) => String(seq));
      return { balance, held: core.ledger.held(id), entries: items.map(toLedgerEntryJson), next };
    },
  );

  app.get(
    '/accounts/:key/ledger/verify',
    {
      schema: { params: AccountParams },
      config: {
        operation: {
          name: 'verifyLedger',
          tag: 'accounts',
          summary: 'Proves the ledger from its rows.',
          description:
            'Whether the balance is the sum of the entries, every hold belongs to a task and is resolved at most once, and no finished task left its hold open.',
          responses: { 200: Verification },
        },
      },
    },
    async ({ params }) => {
      const problems = core.ledger.verify(accountFor(params).id);
      return { ok: problems.length === 0, problems };
    },
  );
}

export function toLedgerEntryJson({ seq, kind, amount, balance, taskId, reason, atMs }: LedgerEntry) {
  return { id: String(seq), kind, amount, balance, taskId, reason, at: toTimestamp(atMs) };
}
