import type { Task } from '../../../client/types.ts';
import { statusClass } from '../../components/format.ts';
import {
  findFirstIndex,
  findIndexAtOrAfter,
  listInRange,
  type TaskSpan,
  type TimelineData,
  type TimeRange,
} from './events.ts';

// Positions of everything in the chart, in pixels from its left side. The number of marks depends on the width of the
// chart, not on the number of events: those that would overlap become one mark.

/** The width of a mark for a request. */
const MARK_PX = 10;
/** The width of a column of a bar chart. */
const COLUMN_PX = 4;
/** The width of the shortest bar of a task. */
const MIN_BAR_PX = 3;
/** Space between two bars in a row. */
const BAR_GAP_PX = 2;
/** With more tasks at the same time, or more in total, columns show how many are running. */
export const MAX_ROWS = 10;
const MAX_BARS = 300;
/** The distance between two labels of the axis. */
const MIN_TICK_PX = 110;
/** The width of the label of a clock change. */
const MIN_JUMP_LABEL_PX = 64;

export interface Scale extends TimeRange {
  widthPx: number;
}

const toPx = ({ fromMs, toMs, widthPx }: Scale, atMs: number) => ((atMs - fromMs) / (toMs - fromMs)) * widthPx;
export const toMs = ({ fromMs, toMs: endMs, widthPx }: Scale, px: number): number =>
  fromMs + (px / widthPx) * (endMs - fromMs);

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
const TICK_STEPS_MS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * SECOND_MS),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_MS),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_MS),
];

export interface Ticks {
  stepMs: number;
  ticks: { atMs: number; leftPx: number }[];
}

/** The labels of the axis, at round times. */
export function layoutTicks(scale: Scale): Ticks {
  const minStepMs = ((scale.toMs - scale.fromMs) / scale.widthPx) * MIN_TICK_PX;
  const stepMs = TICK_STEPS_MS.find((one) => one >= minStepMs) ?? Math.ceil(minStepMs / DAY_MS) * DAY_MS;
  const ticks: Ticks['ticks'] = [];
  for (let atMs = Math.ceil(scale.fromMs / stepMs) * stepMs; atMs <= scale.toMs; atMs += stepMs) {
    ticks.push({ atMs, leftPx: toPx(scale, atMs) });
  }
  return { stepMs, ticks };
}

/** One or more requests at nearly the same time. */
export interface RequestMark {
  leftPx: number;
  /** The class of the worst response. */
  status: string;
  requests: TimelineData['requests'];
}

const SEVERITY = ['good', 'quiet', 'refused', 'bad', 'none'];

export function layoutRequests(requests: TimelineData['requests'], scale: Scale): RequestMark[] {
  const marks: RequestMark[] = [];
  let last: { slot: number; mark: RequestMark } | undefined;
  for (const request of listInRange(requests, scale)) {
    const leftPx = toPx(scale, request.atMs);
    const slot = Math.floor(leftPx / MARK_PX);
    const status = statusClass(request.entry);
    if (last?.slot === slot) {
      last.mark.requests.push(request);
      if (SEVERITY.indexOf(status) > SEVERITY.indexOf(last.mark.status)) last.mark.status = status;
    } else {
      last = { slot, mark: { leftPx, status, requests: [request] } };
      marks.push(last.mark);
    }
  }
  return marks;
}

export interface TaskBar {
  task: Task;
  leftPx: number;
  widthPx: number;
  /** The width of the part in which the task waits. */
  waitPx: number;
  row: number;
}

/** A column of a bar chart. */
export interface TaskColumn {
  leftPx: number;
  runningCount: number;
  hasFailed: boolean;
}

export type TaskLane =
  | { kind: 'bars'; bars: TaskBar[]; rowCount: number }
  | { kind: 'columns'; columns: TaskColumn[]; maxCount: number };

/** Bars for the tasks in the section; with too many of them, columns. */
export function layoutTasks(spans: readonly TaskSpan[], scale: Scale): TaskLane {
  const visible = spans.filter(({ startMs, endMs }) => endMs >= scale.fromMs && startMs <= scale.toMs);
  return (visible.length <= MAX_BARS && layoutBars(visible, scale)) || layoutColumns(visible, scale);
}

/** Returns undefined when the bars need too many rows. */
function layoutBars(spans: readonly TaskSpan[], scale: Scale): TaskLane | undefined {
  const rowEndsPx: number[] = [];
  const bars: TaskBar[] = [];
  for (const { task, startMs, runsFromMs, endMs } of spans) {
    const leftPx = Math.max(0, toPx(scale, startMs));
    const widthPx = Math.max(MIN_BAR_PX, Math.min(scale.widthPx, toPx(scale, endMs)) - leftPx);
    const free = rowEndsPx.findIndex((endPx) => endPx <= leftPx);
    const row = free < 0 ? rowEndsPx.length : free;
    if (row >= MAX_ROWS) return undefined;
    rowEndsPx[row] = leftPx + widthPx + BAR_GAP_PX;
    const waitPx = Math.max(0, Math.min(widthPx, toPx(scale, runsFromMs) - leftPx));
    bars.push({ task, leftPx, widthPx, waitPx, row });
  }
  return { kind: 'bars', bars, rowCount: rowEndsPx.length };
}

function layoutColumns(spans: readonly TaskSpan[], scale: Scale): TaskLane {
  const columnCount = Math.ceil(scale.widthPx / COLUMN_PX);
  const toColumn = (atMs: number) => Math.max(0, Math.min(columnCount - 1, Math.floor(toPx(scale, atMs) / COLUMN_PX)));
  /** How many more tasks are running in each column than in the one before. */
  const changes = new Int32Array(columnCount + 1);
  const hasFailed = new Uint8Array(columnCount);
  for (const { task, startMs, endMs } of spans) {
    changes[toColumn(startMs)]! += 1;
    changes[toColumn(endMs) + 1]! -= 1;
    if (task.status === 'failed' && endMs <= scale.toMs) hasFailed[toColumn(endMs)] = 1;
  }
  const columns: TaskColumn[] = [];
  let runningCount = 0;
  let maxCount = 0;
  for (let column = 0; column < columnCount; column++) {
    runningCount += changes[column]!;
    maxCount = Math.max(maxCount, runningCount);
    if (runningCount > 0) {
      columns.push({ leftPx: column * COLUMN_PX, runningCount, hasFailed: hasFailed[column] === 1 });
    }
  }
  return { kind: 'columns', columns, maxCount };
}

/** A section with the same balance. */
export interface BalanceBar {
  leftPx: number;
  widthPx: number;
  balance: number;
  /** From 0 to 1. */
  height: number;
}

export interface BalanceLane {
  bars: BalanceBar[];
  min: number;
  max: number;
}

/** The lowest bar, so that the smallest balance is visible. */
const MIN_HEIGHT = 0.08;

/** The balance over time, up to now. Parses only as many timestamps as there are columns, times a few. */
export function layoutBalances(ledger: TimelineData['ledger'], scale: Scale, nowMs: number): BalanceLane {
  const bars: BalanceBar[] = [];
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const add = (leftPx: number, rightPx: number, balance: number | undefined) => {
    if (balance === undefined || rightPx <= leftPx) return;
    min = Math.min(min, balance);
    max = Math.max(max, balance);
    const last = bars.at(-1);
    if (last?.balance === balance) last.widthPx = rightPx - last.leftPx;
    else bars.push({ leftPx, widthPx: rightPx - leftPx, balance, height: 0 });
  };
  const atMs = (index: number) => Date.parse(ledger[index]!.at);
  const findIndex = (from: number, ms: number) => findFirstIndex(from, ledger.length, (index) => atMs(index) >= ms);
  const endPx = Math.min(scale.widthPx, toPx(scale, nowMs));
  let index = findIndex(0, scale.fromMs);
  let balance = ledger[index - 1]?.balance;
  let fromPx = 0;
  while (index < ledger.length && atMs(index) <= scale.toMs) {
    const column = Math.floor(toPx(scale, atMs(index)) / COLUMN_PX);
    add(fromPx, Math.min(endPx, column * COLUMN_PX), balance);
    // The last balance of a column counts.
    index = findIndex(index + 1, toMs(scale, (column + 1) * COLUMN_PX));
    balance = ledger[index - 1]!.balance;
    fromPx = column * COLUMN_PX;
  }
  add(fromPx, endPx, balance);
  for (const bar of bars) {
    bar.height = max === min ? 1 : MIN_HEIGHT + ((bar.balance - min) / (max - min)) * (1 - MIN_HEIGHT);
  }
  return { bars, min, max };
}

/** A section in which the clock was advanced, between two requests. */
export interface ClockJump {
  leftPx: number;
  widthPx: number;
  jumpMs: number;
  hasLabel: boolean;
}

/** How a clock moved that only moves when it is advanced: it stood still during each request. */
export function layoutClock(requests: TimelineData['requests'], scale: Scale, nowMs: number): ClockJump[] {
  const jumps: ClockJump[] = [];
  const first = findIndexAtOrAfter(requests, scale.fromMs);
  let standsAtMs = requests[Math.max(0, first - 1)]?.atMs ?? nowMs;
  const add = (atMs: number) => {
    const leftPx = Math.max(0, toPx(scale, standsAtMs));
    const widthPx = Math.min(scale.widthPx, toPx(scale, atMs)) - leftPx;
    // A jump that cannot be seen becomes a part of the next one.
    if (widthPx < COLUMN_PX) return;
    const jumpMs = atMs - standsAtMs;
    jumps.push({ leftPx, widthPx, jumpMs, hasLabel: widthPx >= MIN_JUMP_LABEL_PX });
    standsAtMs = atMs;
  };
  for (let index = first; index < requests.length; index++) {
    const { atMs } = requests[index]!;
    add(atMs);
    if (atMs > scale.toMs) return jumps;
  }
  add(nowMs);
  return jumps;
}
