import { useEffect, useMemo, useState } from 'preact/hooks';
import type { Account } from '../../../client/types.ts';
import {
  formatDateTime,
  formatDuration,
  formatNumber,
  formatSigned,
  formatTime,
  isPending,
  pluralize,
  statusClass,
  toIsoString,
} from '../../components/format.ts';
import { Path } from '../../components/path.tsx';
import { VirtualList } from '../../components/virtual-list.tsx';
import { accountHref, navigate } from '../../route.ts';
import { type AccountState, isUntouched } from '../../state/account.ts';
import { describeState } from '../../task-progress.ts';
import { schedule } from '../../time.ts';
import { FirstRun } from '../first-run.tsx';
import { currentTimeMs } from '../task-bar.tsx';
import { TaskName } from '../task-name.tsx';
import { Chart } from './chart.tsx';
import {
  combineEvents,
  getCredits,
  getEventId,
  getFullRange,
  listInRange,
  type TimelineData,
  type TimelineEvent,
  type TimeRange,
  widen,
  zoom,
} from './events.ts';

const ROW_PX = 36;
const ZOOM_FACTOR = 0.5;
/** How far a press of a button pans, as a share of the section. */
const PAN_SHARE = 0.5;

/** Everything that happened in an account, on one axis. */
export function TimelineView({ state }: { state: AccountState }) {
  const account = state.account.value;
  const { tasks, requests, ledger } = state;
  const isLoaded = tasks.isLoaded.value && requests.isLoaded.value && ledger.isLoaded.value;
  if (!account || !isLoaded) return <p class="quiet">Loading …</p>;
  if (tasks.items.value.length === 0 && requests.items.value.length === 0) {
    return isUntouched(state) ? (
      <FirstRun accountKey={state.key} />
    ) : (
      <p class="quiet">Nothing has happened yet: the timeline shows requests and tasks as they arrive.</p>
    );
  }
  return <LoadedTimeline key={state.key} state={state} account={account} />;
}

function LoadedTimeline({ state, account }: { state: AccountState; account: Account }) {
  const [tasks, requests, ledger] = [state.tasks.items.value, state.requests.items.value, state.ledger.items.value];
  const { mode } = account.clock;
  const [data, setData] = useState<TimelineData>();
  useEffect(() => {
    // Combining and drawing are tasks of their own, so that none of them blocks the page for long.
    let cancel = schedule(0, () => {
      const combined = combineEvents(requests, tasks, ledger, account);
      cancel = schedule(0, () => setData(combined));
    });
    return () => cancel();
  }, [requests, tasks, ledger, mode, account.speed]);
  if (!data) return <p class="quiet">Loading …</p>;
  return <CombinedTimeline state={state} account={account} data={data} />;
}

function CombinedTimeline({ state, account, data }: { state: AccountState; account: Account; data: TimelineData }) {
  const { key } = state;
  /** Undefined: the section with everything, which grows with new events. */
  const [chosenRange, setChosenRange] = useState<TimeRange>();
  const fullRange = useMemo(() => getFullRange(data, Date.parse(account.clock.now)), [data, account]);
  const range = chosenRange ?? fullRange;
  const [selectedIds, setSelectedIds] = useState<readonly string[]>([]);
  const visible = useMemo(() => listInRange(data.events, range), [data, range.fromMs, range.toMs]);
  const zoomAt = (factor: number, atMs: number) => setChosenRange(zoom(range, factor, atMs));
  const zoomBy = (factor: number) => zoomAt(factor, (range.fromMs + range.toMs) / 2);
  const panBy = (share: number) => {
    const movedMs = (range.toMs - range.fromMs) * share;
    setChosenRange({ fromMs: range.fromMs + movedMs, toMs: range.toMs + movedMs });
  };
  return (
    <section class="timeline" aria-label="Timeline">
      <div class="filters">
        <div class="actions">
          <button type="button" aria-label="Zoom in" onClick={() => zoomBy(ZOOM_FACTOR)}>
            +
          </button>
          <button type="button" aria-label="Zoom out" onClick={() => zoomBy(1 / ZOOM_FACTOR)}>
            −
          </button>
          <button type="button" aria-label="Earlier" onClick={() => panBy(-PAN_SHARE)}>
            ←
          </button>
          <button type="button" aria-label="Later" onClick={() => panBy(PAN_SHARE)}>
            →
          </button>
          <button type="button" aria-disabled={chosenRange === undefined} onClick={() => setChosenRange(undefined)}>
            Show all
          </button>
        </div>
        <span class="quiet">
          {formatDateTime(toIsoString(range.fromMs))} UTC · {formatDuration(range.toMs - range.fromMs)} ·{' '}
          {pluralize(visible.length, 'event')}
        </span>
      </div>
      <Chart
        {...{ state, account, data, range, zoomAt }}
        setRange={setChosenRange}
        select={(ids, selectedRange) => {
          setSelectedIds(ids);
          if (selectedRange.toMs > selectedRange.fromMs) setChosenRange(widen(selectedRange));
        }}
      />
      <VirtualList
        label="Events, oldest first"
        items={visible}
        getId={getEventId}
        rowPx={ROW_PX}
        openId={selectedIds[0]}
        onOpen={(event) => navigate(hrefOf(key, event))}
        renderRow={(event) => <Row state={state} event={event} />}
        empty="Nothing happened in this section: zoom out, or show all."
      />
    </section>
  );
}

function hrefOf(key: string, event: TimelineEvent): string {
  switch (event.kind) {
    case 'request':
      return accountHref(key, 'requests', event.entry.id);
    case 'task':
      return accountHref(key, 'tasks', event.task.id);
    case 'credits':
      return accountHref(key, 'ledger');
  }
}

function Row({ state, event }: { state: AccountState; event: TimelineEvent }) {
  const credits = getCredits(event, state.tasks.find);
  return (
    <span class="event-row">
      <span class="quiet">{formatTime(toIsoString(event.atMs))}</span>
      <EventText state={state} event={event} />
      <span class="number">{credits === 0 ? '' : formatSigned(credits)}</span>
    </span>
  );
}

function EventText({ state, event }: { state: AccountState; event: TimelineEvent }) {
  switch (event.kind) {
    case 'request': {
      const { entry } = event;
      return (
        <>
          <span class={`status ${statusClass(entry)}`}>{isPending(entry) ? '…' : (entry.status ?? '–')}</span>
          <Path {...entry} />
          <span class="clip code">
            {entry.fault !== null && <span class="mark fault">fault</span>}
            {entry.errorCode}
          </span>
        </>
      );
    }
    case 'task': {
      const { task } = event;
      return (
        <>
          <span class={`state ${task.status}`}>{task.status === 'failed' ? '✕' : '✓'}</span>
          <TaskName state={state} id={task.id} />
          <span class={`state clip ${task.status}`}>
            {describeState(task, state.account.value!, currentTimeMs(state))}
          </span>
        </>
      );
    }
    case 'credits': {
      const { kind, reason, balance } = event.ledgerEntry;
      return (
        <>
          <span class={`kind ${kind}`}>±</span>
          <bdi class="clip">{reason}</bdi>
          <span class="quiet">balance {formatNumber(balance)}</span>
        </>
      );
    }
  }
}
