import { useMemo, useState } from 'preact/hooks';
import type { JournalEntry } from '../../client/types.ts';
import { Choice, Danger } from '../components/buttons.tsx';
import { answerClass, counted, duration, isUnderWay, timeOfDay } from '../components/format.ts';
import { Split } from '../components/list-detail.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { accountHref, goTo } from '../route.ts';
import { type AccountState, isUntouched } from '../state/account.ts';
import { accountPath, call } from '../state/api.ts';
import { FirstRun } from './first-run.tsx';
import { RequestDetail } from './request-detail.tsx';

const ROW_PX = 44;
const SHOWN = {
  all: () => true,
  'refused or lost': (entry) => !isUnderWay(entry) && (entry.status === null || entry.status >= 400),
  'struck by a fault': ({ fault }) => fault !== null,
  'with a warning': ({ warnings }) => warnings.length > 0,
} as const satisfies Record<string, (entry: JournalEntry) => boolean>;
type Kind = keyof typeof SHOWN;

export function Requests({ state, id }: { state: AccountState; id: string | undefined }) {
  const { key } = state;
  const all = state.requests.items.value;
  const [kind, setKind] = useState<Kind>('all');
  const [wanted, setWanted] = useState('');
  const shown = useMemo(() => {
    const text = wanted.toLowerCase();
    const fits = (entry: JournalEntry) =>
      SHOWN[kind](entry) &&
      (text === '' ||
        `${entry.method} ${entry.path} ${entry.status} ${entry.errorCode ?? ''}`
          .toLowerCase()
          .includes(text));
    return all.filter(fits).reverse();
  }, [all, kind, wanted]);
  const open = id === undefined ? undefined : all.find((entry) => entry.id === id);
  return (
    <Split
      list={
        <>
          <div class="filters">
            <input
              type="search"
              aria-label="Find requests"
              placeholder="Find in paths, statuses, codes"
              onInput={(event) => setWanted(event.currentTarget.value)}
            />
            <Choice
              label="Show"
              name="show"
              value={kind}
              options={Object.keys(SHOWN)}
              onChange={(value) => setKind(value as Kind)}
            />
            <span class="quiet">{counted(shown.length, 'request')}</span>
            <Danger
              disabled={all.length === 0}
              do={async () => {
                await call('DELETE', accountPath(key, '/requests'));
                return 'The journal is empty.';
              }}
            >
              Empty
            </Danger>
          </div>
          <VirtualList
            label="Requests, newest first"
            items={shown}
            idOf={(entry) => entry.id}
            rowPx={ROW_PX}
            open={id}
            onOpen={(entry) => goTo(accountHref(key, 'requests', entry.id))}
            row={(entry) => <Row entry={entry} />}
            empty={<Empty state={state} />}
          />
        </>
      }
      detail={open && <RequestDetail key={open.id} state={state} entry={open} />}
      isOpen={id !== undefined}
      backHref={accountHref(key, 'requests')}
      hint="Choose a request to see what was sent and answered."
      missing={
        state.requests.isWhole.value ? 'The journal does not have this request any more.' : 'Loading …'
      }
    />
  );
}

const Row = ({ entry }: { entry: JournalEntry }) => (
  <span class="request-row">
    <span class="quiet">{timeOfDay(entry.at)}</span>
    <span class={`status ${answerClass(entry)}`}>{isUnderWay(entry) ? '…' : (entry.status ?? '–')}</span>
    <bdi class="clip">
      {entry.method} {entry.path}
    </bdi>
    <span class="clip code">
      {entry.fault !== null && <span class="mark fault">fault</span>}
      {entry.warnings.length > 0 && <span class="mark">warning</span>}
      {entry.errorCode}
    </span>
    <span class="number quiet">{entry.durationMs === null ? '' : duration(entry.durationMs)}</span>
  </span>
);

function Empty({ state }: { state: AccountState }) {
  const { requests } = state;
  if (!requests.isWhole.value) return <>Loading …</>;
  if (requests.items.value.length > 0) return <>No request is like this.</>;
  return isUntouched(state) ? (
    <FirstRun accountKey={state.key} />
  ) : (
    <>The journal is empty, or switched off.</>
  );
}
