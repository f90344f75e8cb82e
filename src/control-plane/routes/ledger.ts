import type { LedgerEntry } from '../../core/ledger/ledger-entry.ts';
import type { App, Emulator } from '../../http/context.ts';
import { Account, Ledger, Verification } from '../response-schemas.ts';
import {
  accountAt,
  afterPlace,
  credits,
  moment,
  OfAccount,
  paged,
  pageOf,
  reason,
  strict,
} from '../schemas.ts';
import { shownAccount } from './accounts.ts';

const LedgerQuery = strict(pageOf(afterPlace));
const Credits = strict({ amount: credits, reason: reason.optional() });

/** The calls that move credits, and those that show how they moved. */
export function registerLedger(app: App, { core }: Emulator): void {
  const at = ({ key }: OfAccount) => accountAt(core, key);

  app.post(
    '/accounts/:key/credits',
    {
      schema: { params: OfAccount, body: Credits },
      config: {
        call: {
          name: 'credit',
          tag: 'accounts',
          summary: 'Gives or takes credits.',
          description: 'The ledger has it as `grant` or `adjust`.',
          answers: { 200: Account },
          codes: ['BALANCE_TOO_LOW'],
        },
      },
    },
    async ({ params, body }) => {
      const account = at(params);
      const { amount, reason = 'by the control plane' } = body;
      const book = amount > 0 ? core.ledger.grant : core.ledger.adjust;
      book(account.id, amount, reason, core.timeline.nowMs(account));
      return shownAccount(core, core.accounts.get(account.id));
    },
  );

  app.get(
    '/accounts/:key/ledger',
    {
      schema: { params: OfAccount, querystring: LedgerQuery },
      config: {
        call: {
          name: 'getLedger',
          tag: 'accounts',
          summary: 'Lists every credit that moved.',
          description:
            'Oldest first. Kinds: `grant` (+), `hold` (−), `capture` (0, the hold became final), `refund` (+), `adjust` (±).',
          answers: { 200: Ledger },
        },
      },
    },
    async ({ params, query }) => {
      const { id, balance } = at(params);
      const entries = core.ledger.entries(id, query.limit + 1, query.after);
      const { items, next } = paged(entries, query.limit, ({ seq }) => String(seq));
      return { balance, held: core.ledger.held(id), entries: items.map(shownEntry), next };
    },
  );

  app.get(
    '/accounts/:key/ledger/verify',
    {
      schema: { params: OfAccount },
      config: {
        call: {
          name: 'verifyLedger',
          tag: 'accounts',
          summary: 'Proves the ledger from its rows.',
          description:
            'Whether the balance is the sum of the entries, every hold belongs to a task and is resolved at most once, and no finished task left its hold open.',
          answers: { 200: Verification },
        },
      },
    },
    async ({ params }) => {
      const problems = core.ledger.verify(at(params).id);
      return { ok: problems.length === 0, problems };
    },
  );
}

export function shownEntry({ seq, kind, amount, balance, taskId, reason, atMs }: LedgerEntry) {
  return { id: String(seq), kind, amount, balance, taskId, reason, at: moment(atMs) };
}
