import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Account } from '../../../client/types.ts';
import { formatDuration, formatNumber, formatTime, pluralize, toIsoString, truncate } from '../../components/format.ts';
import { accountHref, navigate } from '../../route.ts';
import type { AccountState } from '../../state/account.ts';
import { summarize } from '../../task-progress.ts';
import { currentTimeMs } from '../task-bar.tsx';
import { getEventId, type TimelineData, type TimeRange } from './events.ts';
import * as layout from './layout.ts';

const BAR_PX = 18;
/** The height of a lane of columns. */
const COLUMNS_PX = 44;
/** The width of the shortest bar with a text. */
const MIN_TEXT_PX = 40;
const MAX_TITLE_LENGTH = 100;
/** A movement of the pointer below this distance is a click. */
const CLICK_PX = 4;
/** How far one notch of a mouse wheel zooms. */
const WHEEL_FACTOR = 1.0015;

interface Props {
  state: AccountState;
  account: Account;
  data: TimelineData;
  range: TimeRange;
  setRange: (range: TimeRange) => void;
  /** Zooms around a time. */
  zoomAt: (factor: number, atMs: number) => void;
  /** Shows these events in the list. */
  select: (ids: readonly string[], range: TimeRange) => void;
}

/**
 * The chart: requests, tasks, credits and the clock on one axis. It is for the eye and the pointer; the list below it has
 * the same content for keyboards and screen readers.
 */
export function Chart({ state, account, data, range, setRange, zoomAt, select }: Props) {
  const body = useRef<HTMLDivElement>(null);
  const widthPx = useWidth(body);
  const scale = { ...range, widthPx };
  const handlers = usePanAndZoom(body, scale, setRange, zoomAt);
  return (
    <div class="chart" aria-hidden="true">
      <div class="chart-body" ref={body} {...handlers}>
        {widthPx > 0 && (
          <>
            <Axis scale={scale} />
            <RequestLane state={state} data={data} scale={scale} select={select} />
            <TaskLane state={state} data={data} scale={scale} />
            <BalanceLane state={state} data={data} scale={scale} />
            <ClockLane state={state} account={account} data={data} scale={scale} />
            <NowLine state={state} scale={scale} />
          </>
        )}
      </div>
    </div>
  );
}

type Scale = layout.Scale;

function useWidth(body: { current: HTMLElement | null }): number {
  const [widthPx, setWidthPx] = useState(0);
  useLayoutEffect(() => {
    const element = body.current!;
    const observer = new ResizeObserver(() => setWidthPx(element.clientWidth));
    observer.observe(element);
    setWidthPx(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  return widthPx;
}

/** Drag to pan, turn the wheel to zoom. */
function usePanAndZoom(
  body: { current: HTMLElement | null },
  scale: Scale,
  setRange: Props['setRange'],
  zoomAt: Props['zoomAt'],
) {
  const drag = useRef<{ fromX: number; scale: Scale; isMoved: boolean }>(undefined);
  const latest = useRef({ scale, zoomAt });
  latest.current = { scale, zoomAt };
  useEffect(() => {
    const element = body.current!;
    const handleWheel = (event: WheelEvent) => {
      // Sideways, the wheel scrolls the page.
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) return;
      event.preventDefault();
      const { scale, zoomAt } = latest.current;
      const px = event.clientX - element.getBoundingClientRect().left;
      zoomAt(WHEEL_FACTOR ** event.deltaY, layout.toMs(scale, px));
    };
    // Preact's listeners are passive on some browsers, and then cannot keep the page from scrolling.
    element.addEventListener('wheel', handleWheel, { passive: false });
    return () => element.removeEventListener('wheel', handleWheel);
  }, []);
  return {
    onPointerDown(event: PointerEvent) {
      if (event.button === 0) drag.current = { fromX: event.clientX, scale, isMoved: false };
    },
    onPointerMove(event: PointerEvent) {
      // The press may have ended outside of the chart, before the chart had captured the pointer.
      if (event.buttons === 0) drag.current = undefined;
      const dragged = drag.current;
      if (!dragged) return;
      const movedPx = event.clientX - dragged.fromX;
      if (!dragged.isMoved && Math.abs(movedPx) < CLICK_PX) return;
      if (!dragged.isMoved) body.current!.setPointerCapture(event.pointerId);
      dragged.isMoved = true;
      const { fromMs, toMs } = dragged.scale;
      const movedMs = layout.toMs(dragged.scale, 0) - layout.toMs(dragged.scale, movedPx);
      setRange({ fromMs: fromMs + movedMs, toMs: toMs + movedMs });
    },
    onPointerUp() {
      drag.current = undefined;
    },
    onPointerCancel() {
      drag.current = undefined;
    },
  };
}

const Lane = ({ name, note, heightPx, children }: LaneProps) => (
  <div class="lane" style={{ '--content': `${heightPx}px` }}>
    <span class="lane-name">
      {name} <span class="quiet">{note}</span>
    </span>
    <div class="lane-content">{children}</div>
  </div>
);

interface LaneProps {
  name: string;
  note?: string | undefined;
  heightPx: number;
  children: ComponentChildren;
}

const at = (leftPx: number, widthPx?: number) => ({
  left: `${leftPx.toFixed(1)}px`,
  ...(widthPx !== undefined && { width: `${widthPx.toFixed(1)}px` }),
});

const formatMs = (ms: number) => formatTime(toIsoString(ms));

function Axis({ scale }: { scale: Scale }) {
  const { ticks, stepMs } = layout.layoutTicks(scale);
  const format = (atMs: number) =>
    stepMs >= layout.DAY_MS ? toIsoString(atMs).slice(0, 10) : formatMs(atMs).slice(0, stepMs < 1000 ? 12 : 8);
  return (
    <>
      {ticks.map(({ atMs, leftPx }) => (
        <span key={atMs} class="tick" style={at(leftPx)}>
          {format(atMs)}
        </span>
      ))}
    </>
  );
}

interface LaneContentProps {
  state: AccountState;
  data: TimelineData;
  scale: Scale;
}

function RequestLane({ state, data, scale, select }: LaneContentProps & Pick<Props, 'select'>) {
  const marks = useMemo(
    () => layout.layoutRequests(data.requests, scale),
    [data, scale.fromMs, scale.toMs, scale.widthPx],
  );
  return (
    <Lane name="Requests" heightPx={24}>
      {marks.map(({ leftPx, status, requests }) => {
        const [first] = requests;
        const last = requests.at(-1)!;
        const { method, path } = first!.entry;
        const isOne = requests.length === 1;
        return (
          // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/noStaticElementInteractions: the list has the same
          <span
            key={first!.entry.id}
            class={`request-mark ${status}`}
            style={at(leftPx)}
            title={`${formatMs(first!.atMs)} ${isOne ? `${method} ${path}` : pluralize(requests.length, 'request')}`}
            onClick={() =>
              isOne
                ? navigate(accountHref(state.key, 'requests', first!.entry.id))
                : select(requests.map(getEventId), { fromMs: first!.atMs, toMs: last.atMs })
            }
          >
            {isOne ? '' : formatNumber(requests.length)}
          </span>
        );
      })}
    </Lane>
  );
}

function TaskLane({ state, data, scale }: LaneContentProps) {
  const lane = useMemo(() => layout.layoutTasks(data.spans, scale), [data, scale.fromMs, scale.toMs, scale.widthPx]);
  if (lane.kind === 'columns') {
    return (
      <Lane name="Tasks" note={`up to ${formatNumber(lane.maxCount)} at once`} heightPx={COLUMNS_PX}>
        {lane.columns.map(({ leftPx, runningCount, hasFailed }) => (
          <span
            key={leftPx}
            class={hasFailed ? 'column failed' : 'column'}
            style={{ ...at(leftPx), height: `${Math.max(4, (runningCount / lane.maxCount) * 90)}%` }}
            title={`${pluralize(runningCount, 'task')}${hasFailed ? ', some fail here' : ''}`}
          />
        ))}
      </Lane>
    );
  }
  return (
    <Lane name="Tasks" heightPx={Math.max(1, lane.rowCount) * BAR_PX + 6}>
      {lane.bars.map(({ task, leftPx, widthPx, waitPx, row }) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/noStaticElementInteractions: the list has the same
        <span
          key={task.id}
          class={`task-mark ${task.status}`}
          style={{ ...at(leftPx, widthPx), top: `${row * BAR_PX}px` }}
          title={`${truncate(summarize(task), MAX_TITLE_LENGTH)} · ${task.status}`}
          onClick={() => navigate(accountHref(state.key, 'tasks', task.id))}
        >
          {waitPx > 0 && <span class="task-wait" style={at(0, waitPx)} />}
          <bdi>{widthPx >= MIN_TEXT_PX ? truncate(summarize(task), MAX_TITLE_LENGTH) : ''}</bdi>
        </span>
      ))}
    </Lane>
  );
}

function BalanceLane({ state, data, scale }: LaneContentProps) {
  const nowMs = currentTimeMs(state);
  const { bars, min, max } = useMemo(
    () => layout.layoutBalances(data.ledger, scale, nowMs),
    [data, scale.fromMs, scale.toMs, scale.widthPx, nowMs],
  );
  const note = bars.length === 0 ? '' : min === max ? formatNumber(max) : `${formatNumber(min)} – ${formatNumber(max)}`;
  return (
    <Lane name="Credits" note={note} heightPx={COLUMNS_PX}>
      {bars.map(({ leftPx, widthPx, balance, height }) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/noStaticElementInteractions: the tab leads there, too
        <span
          key={leftPx}
          class="balance"
          style={{ ...at(leftPx, widthPx), height: `${height * 85}%` }}
          title={formatNumber(balance)}
          onClick={() => navigate(accountHref(state.key, 'ledger'))}
        />
      ))}
    </Lane>
  );
}

function ClockLane({ state, account, data, scale }: LaneContentProps & { account: Account }) {
  const { mode } = account.clock;
  const nowMs = mode === 'real' ? scale.toMs : currentTimeMs(state);
  const jumps = useMemo(
    () => (mode === 'real' ? [] : layout.layoutClock(data.requests, scale, nowMs)),
    [data, mode, scale.fromMs, scale.toMs, scale.widthPx, nowMs],
  );
  return (
    <Lane name="Clock" note={mode === 'real' ? 'runs by itself' : mode} heightPx={30}>
      {jumps.map(({ leftPx, widthPx, jumpMs, hasLabel }) => (
        <span key={leftPx} class="jump" style={at(leftPx, widthPx)} title={`advanced by ${formatDuration(jumpMs)}`}>
          {hasLabel && <span class="jump-label">+{formatDuration(jumpMs)}</span>}
        </span>
      ))}
    </Lane>
  );
}

/** The current time, with a veil over what is only planned. A tick of the clock re-renders nothing else. */
function NowLine({ state, scale }: { state: AccountState; scale: Scale }) {
  const nowMs = currentTimeMs(state);
  if (nowMs > scale.toMs) return null;
  const share = (nowMs - scale.fromMs) / (scale.toMs - scale.fromMs);
  return <span class="now-line" style={at(Math.max(-2, share * scale.widthPx))} />;
}
