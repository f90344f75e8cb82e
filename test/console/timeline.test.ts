import { describe, expect, it } from 'vitest';
import type { Account, JournalEntry, LedgerEntry, Task } from '../../src/client/types.ts';
import {
  combineEvents,
  findIndexAtOrAfter,
  getCredits,
  getEventId,
  getFullRange,
  listInRange,
  MAX_RANGE_MS,
  MIN_RANGE_MS,
  type TimelineData,
  zoom,
} from '../../src/console/views/timeline/events.ts';
import {
  layoutBalances,
  layoutClock,
  layoutRequests,
  layoutTasks,
  layoutTicks,
  MAX_ROWS,
  type Scale,
} from '../../src/console/views/timeline/layout.ts';

const START_MS = Date.UTC(2026, 0, 15, 12);
const ACCOUNT = { speed: 1, clock: { mode: 'frozen' } } as Account;
const WIDTH_PX = 1000;

const toTimestamp = (seconds: number) => new Date(START_MS + seconds * 1000).toISOString();

const buildRequest = (id: number, atSeconds: number, more: Partial<JournalEntry> = {}) =>
  ({
    ...{ id: String(id), at: toTimestamp(atSeconds), method: 'POST', path: '/api/sora-2/generate' },
    ...{ status: 200, durationMs: 1, taskIds: [], ...more },
  }) as unknown as JournalEntry;

const buildTask = (id: string, fromSeconds: number, toSeconds: number | null, more: Partial<Task> = {}) =>
  ({
    ...{ id, family: 'sora-2', status: toSeconds === null ? 'processing' : 'completed', input: { prompt: id } },
    ...{ createdAt: toTimestamp(fromSeconds), finishedAt: toSeconds === null ? null : toTimestamp(toSeconds) },
    ...{ dueAt: null, step: 'generating', simulatedMs: toSeconds === null ? null : (toSeconds - fromSeconds) * 1000 },
    plan: { steps: [{ name: 'generating', atMs: 0 }], endMs: 60_000, outcome: { status: 'completed' } },
    ...more,
  }) as Task;

const buildEntry = (id: number, kind: LedgerEntry['kind'], taskId: string | null, amount: number, balance: number) =>
  ({ id: String(id), kind, taskId, amount, balance, reason: null, at: toTimestamp(id) }) as LedgerEntry;

const combine = (requests: JournalEntry[], tasks: Task[] = [], ledger: LedgerEntry[] = []): TimelineData =>
  combineEvents(requests, tasks, ledger, ACCOUNT);

/** A scale from the start for so many seconds. */
const buildScale = (seconds: number, fromSeconds = 0): Scale => ({
  ...{ fromMs: START_MS + fromSeconds * 1000, toMs: START_MS + (fromSeconds + seconds) * 1000, widthPx: WIDTH_PX },
});

describe('events of the timeline', () => {
  it('are in order, and have the credits that they cost or returned', () => {
    const price = { price: 4 };
    const tasks = [
      buildTask('a', 1, 9, price),
      buildTask('b', 1, 3, { ...price, status: 'failed' }),
      buildTask('c', 1, null, price),
    ];
    const { events } = combine(
      [
        buildRequest(1, 1, { taskIds: ['a', 'b', 'evicted'] }),
        buildRequest(2, 5, { taskIds: ['a'], path: '/api/sora-2/check-status' }),
      ],
      tasks,
      [
        buildEntry(0, 'grant', null, 100, 100),
        buildEntry(1, 'hold', 'a', -4, 96),
        buildEntry(3, 'refund', 'b', 4, 96),
        buildEntry(10, 'adjust', null, -6, 90),
      ],
    );
    const findTask = (id: string) => tasks.find((task) => task.id === id);
    expect(events.map((event) => [getEventId(event), getCredits(event, findTask)])).toEqual([
      ['credits 0', 100],
      ['request 1', -8],
      ['task b', 4],
      // A poll costs nothing.
      ['request 2', 0],
      ['task a', 0],
      ['credits 10', -6],
    ]);
  });

  it('puts a request before the end of its task at the same time', () => {
    const { events } = combine([buildRequest(1, 1, { taskIds: ['a'] })], [buildTask('a', 1, 1)]);
    expect(events.map(getEventId)).toEqual(['request 1', 'task a']);
  });

  it('are in the order of their times after a restore has turned the clock back', () => {
    const { events, requests } = combine([buildRequest(1, 0), buildRequest(2, 60), buildRequest(3, 30)]);
    expect(events.map(getEventId)).toEqual(['request 1', 'request 3', 'request 2']);
    expect(requests.map(({ entry }) => entry.id)).toEqual(['1', '3', '2']);
  });

  it('lets a shot wait for the one before it, and start when that one ends', () => {
    const shot = { family: 'veo-3' } as const;
    const { spans } = combine(
      [],
      [
        buildTask('one', 0, 90, shot),
        // Ran from 90 to 120.
        buildTask('two', 0, 120, { ...shot, simulatedMs: 30_000 }),
        buildTask('three', 0, null, { ...shot, dueAt: toTimestamp(180) }),
        buildTask('four', 0, null, shot),
      ],
    );
    const seconds = spans.map(({ startMs, runsFromMs, endMs }) =>
      [startMs, runsFromMs, endMs].map((ms) => (ms - START_MS) / 1000),
    );
    expect(seconds).toEqual([
      [0, 0, 90],
      [0, 90, 120],
      [0, 0, 180],
      [0, 180, 240],
    ]);
  });

  it('are found by time', () => {
    const events = [0, 10, 10, 20].map((atMs) => ({ atMs }));
    expect([-1, 0, 1, 10, 11, 21].map((atMs) => findIndexAtOrAfter(events, atMs))).toEqual([0, 0, 1, 1, 3, 4]);
    expect(listInRange(events, { fromMs: 0.5, toMs: 10.5 })).toHaveLength(2);
    expect(listInRange(events, { fromMs: 0, toMs: 20 })).toHaveLength(4);
  });
});

describe('section of the timeline', () => {
  it('starts at the first request and ends after the last planned end', () => {
    const data = combine(
      [buildRequest(1, 100)],
      [buildTask('a', 100, null, { dueAt: toTimestamp(160) })],
      [buildEntry(0, 'grant', null, 100, 100)],
    );
    const { fromMs, toMs } = getFullRange(data, START_MS + 110_000);
    expect([fromMs - START_MS, toMs - START_MS]).toEqual([98_200, 161_800]);
  });

  it('lasts until now if a task never ends, and has a length even if everything happened at once', () => {
    const hanging = buildTask('a', 0, null, { plan: { steps: [], endMs: 1, outcome: { status: 'hangs' } } });
    expect(getFullRange(combine([], [hanging]), START_MS + 1000).toMs).toBe(START_MS + 1030);
    const { fromMs, toMs } = getFullRange(combine([buildRequest(1, 0)]), START_MS);
    expect(toMs - fromMs).toBe(MIN_RANGE_MS);
  });

  it('keeps the time under the pointer when it is zoomed, within limits', () => {
    const range = { fromMs: 0, toMs: 1000 };
    expect(zoom(range, 0.5, 250)).toEqual({ fromMs: 125, toMs: 625 });
    expect(zoom(range, 0.000001, 250)).toEqual({ fromMs: 245, toMs: 265 });
    expect(zoom(zoom(range, 4, 900), 0.25, 900)).toEqual(range);
    expect(zoom(range, 1e30, 250)).toEqual({ fromMs: 250 - MAX_RANGE_MS / 4, toMs: 250 + (MAX_RANGE_MS * 3) / 4 });
  });
});

describe('layout of the timeline', () => {
  it('has labels at round times that do not overlap', () => {
    for (const seconds of [0.02, 0.5, 7, 60, 500, 7200, 86_400, 40_000_000]) {
      const { ticks, stepMs } = layoutTicks(buildScale(seconds, 0.007));
      expect(ticks.length, `${seconds}`).toBeLessThanOrEqual(10);
      expect(ticks.length, `${seconds}`).toBeGreaterThan(1);
      expect(ticks.filter(({ atMs }) => atMs % stepMs !== 0)).toEqual([]);
    }
  });

  it('combines requests that would overlap, and shows the worst of them', () => {
    const { requests } = combine([
      buildRequest(1, 0),
      buildRequest(2, 0.05, { status: 500 }),
      buildRequest(3, 0.06, { status: 400 }),
      buildRequest(4, 50),
      buildRequest(5, 200),
    ]);
    const marks = layoutRequests(requests, buildScale(100));
    expect(marks.map(({ leftPx, status, requests }) => [leftPx, status, requests.length])).toEqual([
      [0, 'bad', 3],
      [500, 'good', 1],
    ]);
  });

  it('puts tasks that overlap into rows', () => {
    const { spans } = combine([], [buildTask('a', 0, 50), buildTask('b', 10, 20), buildTask('c', 60, 90)]);
    expect(layoutTasks(spans, buildScale(100))).toEqual({
      ...{ kind: 'bars', rowCount: 2 },
      bars: [
        expect.objectContaining({ leftPx: 0, widthPx: 500, row: 0 }),
        expect.objectContaining({ leftPx: 100, widthPx: 100, row: 1 }),
        expect.objectContaining({ leftPx: 600, widthPx: 300, row: 0 }),
      ],
    });
    // Bars end at the edges.
    expect(layoutTasks(spans, buildScale(20, 40))).toMatchObject({
      bars: [{ leftPx: 0, widthPx: 500 }, { leftPx: 1000 }],
    });
  });

  it('shows how many tasks run if they need too many rows', () => {
    const tasks = Array.from({ length: MAX_ROWS + 1 }, (_, n) => buildTask(`${n}`, n, 50));
    const lane = layoutTasks(combine([], tasks).spans, buildScale(100));
    expect(lane).toMatchObject({ kind: 'columns', maxCount: MAX_ROWS + 1 });
    const columns = lane.kind === 'columns' ? lane.columns : [];
    expect(columns[0]).toEqual({ leftPx: 0, runningCount: 1, hasFailed: false });
    expect(columns.at(-1)).toEqual({ leftPx: 500, runningCount: MAX_ROWS + 1, hasFailed: false });
  });

  it('marks the columns in which tasks fail', () => {
    const tasks = Array.from({ length: 20 }, (_, n) => buildTask(`${n}`, 0, 50, n === 7 ? { status: 'failed' } : {}));
    const lane = layoutTasks(combine([], tasks).spans, buildScale(100));
    expect(lane.kind === 'columns' && lane.columns.filter(({ hasFailed }) => hasFailed)).toMatchObject([
      { leftPx: 500 },
    ]);
  });

  it('shows the balance up to now, scaled to the section', () => {
    const { ledger } = combine(
      [],
      [],
      [
        buildEntry(0, 'grant', null, 100, 100),
        buildEntry(20, 'adjust', null, -50, 50),
        buildEntry(90, 'grant', null, 1, 51),
      ],
    );
    const lane = layoutBalances(ledger, buildScale(50, 10), START_MS + 40_000);
    expect(lane).toEqual({
      ...{ min: 50, max: 100 },
      bars: [
        { leftPx: 0, widthPx: 200, balance: 100, height: 1 },
        { leftPx: 200, widthPx: 400, balance: 50, height: 0.08 },
      ],
    });
  });

  it('shows how far the clock was advanced between requests', () => {
    const { requests } = combine([buildRequest(1, 0), buildRequest(2, 0), buildRequest(3, 30), buildRequest(4, 31)]);
    const jumps = layoutClock(requests, buildScale(100), START_MS + 90_000);
    expect(jumps.map(({ leftPx, widthPx, jumpMs, hasLabel }) => [leftPx, widthPx, jumpMs, hasLabel])).toEqual([
      [0, 300, 30_000, true],
      [300, 10, 1000, false],
      [310, 590, 59_000, true],
    ]);
    expect(layoutClock(requests, buildScale(10, 10), START_MS + 90_000)).toMatchObject([
      { leftPx: 0, widthPx: 1000, jumpMs: 30_000 },
    ]);
  });

  it('has a number of marks that depends on the width, not on the number of events', () => {
    const count = 10_000;
    const tasks = Array.from({ length: count }, (_, n) => buildTask(`${n}`, n / 100, n / 100 + 60));
    const requests = Array.from({ length: count }, (_, n) => buildRequest(n, n / 100));
    const ledger = Array.from({ length: count }, (_, n) => ({
      ...buildEntry(n, 'hold', `${n}`, -4, count - n),
      at: toTimestamp(n / 100),
    }));
    const data = combine(requests, tasks, ledger);
    const scale = { ...getFullRange(data, START_MS), widthPx: WIDTH_PX };
    const lane = layoutTasks(data.spans, scale);
    expect(lane.kind === 'columns' && lane.columns.length).toBeLessThanOrEqual(WIDTH_PX / 4);
    expect(layoutRequests(data.requests, scale).length).toBeLessThanOrEqual(WIDTH_PX / 10);
    expect(layoutBalances(data.ledger, scale, scale.toMs).bars.length).toBeLessThanOrEqual(WIDTH_PX / 4 + 1);
    expect(layoutClock(data.requests, scale, scale.toMs).length).toBeLessThanOrEqual(WIDTH_PX / 4 + 1);
  });
});
