import { useMemo } from 'preact/hooks';
import type { LedgerEntry, Verification } from '../../client/types.ts';
import { Action } from '../components/buttons.tsx';
import { counted, dayAndTime, grouped, signed } from '../components/format.ts';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, goTo } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { accountPath, call, Refusal } from '../state/api.ts';

const ROW_PX = 40;

/** What each kind of entry means, for those who meet them for the first time. */
const MEANING: Record<LedgerEntry['kind'], string> = {
  grant: 'credits given',
  hold: 'taken before the work starts',
  capture: 'the hold became final',
  refund: 'the hold was given back',
  adjust: 'credits taken by hand',
};

export function Ledger({ state }: { state: AccountState }) {
  const { key, ledger, heldCredits, account } = state;
  const entries = ledger.items.value;
  const newestFirst = useMemo(() => [...entries].reverse(), [entries]);
  return (
    <section class="statement" aria-label="Ledger">
      <div class="filters">
        <span>
          Balance <strong>{grouped(account.value?.credits ?? 0)}</strong>
        </span>
        <span>
          Held <strong>{grouped(heldCredits.value)}</strong>
        </span>
        <span class="quiet">{entries.length === 1 ? '1 entry' : `${grouped(entries.length)} entries`}</span>
        <Action
          do={async () => {
            const { ok, problems } = await call<Verification>('GET', accountPath(key, '/ledger/verify'));
            if (!ok) throw new Refusal('LEDGER', `The books do not add up: ${problems.join('; ')}`);
            return `The books add up: ${counted(entries.length, 'entry', 'entries')}, every hold resolved at most once.`;
          }}
        >
          Verify the books
        </Action>
      </div>
      <div class="ledger-row head" aria-hidden="true">
        <span>When (UTC)</span>
        <span>Kind</span>
        <span>For</span>
        <span class="number">Amount</span>
        <span class="number">Balance</span>
      </div>
      <VirtualList
        label="Entries of the ledger, newest first"
        items={newestFirst}
        idOf={(entry) => entry.id}
        rowPx={ROW_PX}
        onOpen={({ taskId }) => taskId !== null && goTo(accountHref(key, 'tasks', taskId))}
        row={(entry) => <Row entry={entry} />}
        empty="No entries."
      />
    </section>
  );
}

const Row = ({ entry: { at, kind, taskId, reason, amount, balance } }: { entry: LedgerEntry }) => (
  <span class="ledger-row">
    <span class="quiet">{dayAndTime(at)}</span>
    <span class={`kind ${kind}`} title={MEANING[kind]}>
      {kind}
    </span>
    <bdi class="clip">{taskId === null ? reason : <span class="mono">{taskId}</span>}</bdi>
    <span class="number">{signed(amount)}</span>
    <span class="number">{grouped(balance)}</span>
  </span>
);
