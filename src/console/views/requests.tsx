import { useMemo, useState } from 'preact/hooks';
import type { JournalEntry } from '../../client/types.ts';
import { ConfirmButton, SelectField } from '../components/buttons.tsx';
import { formatDuration, formatTime, isPending, pluralize, statusClass } from '../components/format.ts';
import { ListDetail } from '../components/list-detail.tsx';
import { Path } from '../components/path.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, navigate } from '../route.ts';
import { type AccountState, isUntouched } from '../state/account.ts';
import { accountPath, requestAction } from '../state/api.ts';
import { isReadOnly } from '../state/read-only.ts';
import { FirstRun } from './first-run.tsx';
import { RequestDetail } from './request-detail.tsx';

const ROW_PX = 44;
const FILTERS = {
  all: () => true,
  failed: (entry) => !isPending(entry) && (entry.status === null || entry.status >= 400),
  'with a fault': ({ fault }) => fault !== null,
  'with a warning': ({ warnings }) => warnings.length > 0,
} as const satisfies Record<string, (entry: JournalEntry) => boolean>;
type Filter = keyof typeof FILTERS;

export function RequestsView({ state, id }: { state: AccountState; id: string | undefined }) {
  const { key } = state;
  const all = state.requests.items.value;
  const [filter, setFilter] = useState<Filter>('all');
  const [query, setQuery] = useState('');
  const filtered = useMemo(() => {
    const text = query.toLowerCase();
    const matches = (entry: JournalEntry) =>
      FILTERS[filter](entry) &&
      (text === '' ||
        // A part of an id would match by chance.
        entry.requestId.toLowerCase() === text ||
        `${entry.method} ${entry.path} ${entry.status} ${entry.errorCode ?? ''}`.toLowerCase().includes(text));
    return all.filter(matches).reverse();
  }, [all, filter, query]);
  const selected = id === undefined ? undefined : all.find((entry) => entry.id === id);
  return (
    <ListDetail
      list={
        <>
          <div class="filters">
            <input
              type="search"
              aria-label="Find requests"
              placeholder="Find in paths, statuses, codes, ids"
              onInput={(event) => setQuery(event.currentTarget.value)}
            />
            <SelectField
              label="Show"
              name="show"
              value={filter}
              options={Object.keys(FILTERS)}
              onChange={(value) => setFilter(value as Filter)}
            />
            <span class="quiet">{pluralize(filtered.length, 'request')}</span>
            <ConfirmButton
              target="the journal"
              disabled={all.length === 0}
              do={() => requestAction('DELETE', accountPath(key, '/requests'), 'Journal cleared.')}
            >
              Clear
            </ConfirmButton>
          </div>
          <VirtualList
            label="Requests, newest first"
            items={filtered}
            getId={(entry) => entry.id}
            rowPx={ROW_PX}
            openId={id}
            onOpen={(entry) => navigate(accountHref(key, 'requests', entry.id))}
            renderRow={(entry) => <Row entry={entry} />}
            empty={<Empty state={state} />}
          />
        </>
      }
      detail={selected && <RequestDetail key={selected.id} state={state} entry={selected} />}
      isOpen={id !== undefined}
      backHref={accountHref(key, 'requests')}
      hint="Select a request to see it with its response."
      missing={state.requests.isLoaded.value ? 'This request is no longer in the journal.' : 'Loading …'}
    />
  );
}

const Row = ({ entry }: { entry: JournalEntry }) => (
  <span class="request-row">
    <span class="quiet">{formatTime(entry.at)}</span>
    <span class={`status ${statusClass(entry)}`}>{isPending(entry) ? '…' : (entry.status ?? '–')}</span>
    <Path {...entry} />
    <span class="clip code">
      {entry.fault !== null && <span class="mark fault">fault</span>}
      {entry.warnings.length > 0 && <span class="mark">warning</span>}
      {entry.errorCode}
    </span>
    <span class="number quiet">{entry.durationMs === null ? '' : formatDuration(entry.durationMs)}</span>
  </span>
);

function Empty({ state }: { state: AccountState }) {
  const { requests } = state;
  if (!requests.isLoaded.value) return <>Loading …</>;
  if (requests.items.value.length > 0) return <>No matching request.</>;
  if (isReadOnly()) return <>The file has no requests.</>;
  return isUntouched(state) ? <FirstRun accountKey={state.key} /> : <>The journal is empty or switched off.</>;
}
