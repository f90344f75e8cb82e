import { useMemo } from 'preact/hooks';
import type { LedgerEntry, Verification } from '../../client/types.ts';
import { ActionButton } from '../components/buttons.tsx';
import { formatDateTime, formatNumber, formatSigned, pluralize } from '../components/format.ts';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, navigate } from '../route.ts';
import type { AccountState } from '../state/account.ts';
import { ApiError, accountPath, requestJson } from '../state/api.ts';
import { TaskName } from './task-name.tsx';

const ROW_PX = 40;

/** Tooltips that explain each kind of entry. */
const KIND_DESCRIPTIONS: Record<LedgerEntry['kind'], string> = {
  grant: 'credits added',
  hold: 'reserved before the work starts',
  capture: 'the hold was charged',
  refund: 'the hold was returned',
  adjust: 'credits removed manually',
};

export function LedgerView({ state }: { state: AccountState }) {
  const { key, ledger, heldCredits, account } = state;
  const entries = ledger.items.value;
  const entryCount = pluralize(entries.length, 'entry', 'entries');
  const newestFirst = useMemo(() => [...entries].reverse(), [entries]);
  return (
    <section class="statement" aria-label="Ledger">
      <div class="filters">
        <span>
          Balance <strong>{formatNumber(account.value?.credits ?? 0)}</strong>
        </span>
        <span>
          Held <strong>{formatNumber(heldCredits.value)}</strong>
        </span>
        <span class="quiet">{entryCount}</span>
        <ActionButton
          isRead
          do={async () => {
            const { ok, problems } = await requestJson<Verification>('GET', accountPath(key, '/ledger/verify'));
            if (!ok) throw new ApiError('LEDGER', `The ledger does not add up: ${problems.join('; ')}`);
            return `The ledger adds up: ${entryCount}, every hold resolved at most once.`;
          }}
        >
          Verify the ledger
        </ActionButton>
      </div>
      <div class="ledger-row head" aria-hidden="true">
        <span>When (UTC)</span>
        <span>Kind</span>
        <span>For</span>
        <span class="number">Amount</span>
        <span class="number">Balance</span>
      </div>
      <VirtualList
        label="Ledger entries, newest first"
        items={newestFirst}
        getId={(entry) => entry.id}
        rowPx={ROW_PX}
        onOpen={({ taskId }) => taskId !== null && navigate(accountHref(key, 'tasks', taskId))}
        renderRow={(entry) => <Row state={state} entry={entry} />}
        empty="No entries yet: add credits with Adjust …, or submit a task."
      />
    </section>
  );
}

interface RowProps {
  state: AccountState;
  entry: LedgerEntry;
}

const Row = ({ state, entry: { at, kind, taskId, reason, amount, balance } }: RowProps) => (
  <span class="ledger-row">
    <span class="quiet">{formatDateTime(at)}</span>
    <span class={`kind ${kind}`} title={KIND_DESCRIPTIONS[kind]}>
      {kind}
    </span>
    {taskId === null ? <bdi class="clip">{reason}</bdi> : <TaskName state={state} id={taskId} />}
    <span class="number">{formatSigned(amount)}</span>
    <span class="number">{formatNumber(balance)}</span>
  </span>
);
