// Many texts are written at once, each at its own pace, while others poll: whether each piece comes when it was planned,
// and how many polls are answered meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { measureWindow } from './measure.mjs';
import { mostOpenFiles, peakMib } from './proc-stats.mjs';
import { get, startServer, startTool } from './process-runner.mjs';
import { mostOf, round, rounded } from './stats.mjs';
import { addAccount, HEADERS } from './tasks.mjs';
import { polled } from './throughput.mjs';

const PATH = '/api/sora-2/generate-prompt';
const KEY = 'np_test_streams';
const OPEN_TIMEOUT_MS = 10_000;
/** The longest takes 24 s at a speed of 1. */
const END_TIMEOUT_MS = 60_000;
/** The server has closed them all by then. */
const AFTER_STREAMS_MS = 500;
/** What a server has open besides. */
const OTHER_FILES = 200;
const PAGE = 1000;

export async function measureStreams(run) {
  const { emulator, settings, say } = run;
  const rounds = [];
  for (let number = 1; number <= settings.longRounds; number++) {
    const server = await startServer(emulator);
    checkFiles(server.pid, settings.streams.count);
    // To and fro: in every other round the polls without streams come last.
    const measured = await measureRound(server, run, number % 2 === 1);
    await server.stop();
    rounds.push(measured);
    const { alone, beside, lateMs, worstShare } = measured;
    say(
      `streams ${number}/${settings.longRounds}  polls alone ${alone.perSecond}  beside ${beside.perSecond}  ` +
        `late p99 ${lateMs.p99} ms, most ${lateMs.most} ms, ${(worstShare * 100).toFixed(1)} %`,
    );
  }
  return { ...settings.streams, rounds };
}

/** Node.js raises the soft limit to the hard one by itself. */
function checkFiles(pid, streams) {
  const most = mostOpenFiles(pid);
  if (most !== undefined && most < streams + OTHER_FILES) {
    throw new Error(
      `${streams} streams need ${streams + OTHER_FILES} open files, but only ${most} are allowed; raise it with ulimit -Hn or leave streams out with --only`,
    );
  }
}

async function measureRound(server, { fire, settings }, aloneFirst) {
  const { count, speed, openSeconds, windowSeconds } = settings.streams;
  const { url, pid } = server;
  const headers = await addAccount(url, KEY, speed);
  const { it: target } = await polled({ it: server });
  const calls = { method: 'POST', headers: HEADERS, connections: 32 };
  const poll = (seconds) => measureWindow(fire, target, { ...calls, seconds }, 'polls beside streams');
  const client = startTool('stream-client.mjs');

  await poll(settings.warmUpSeconds);
  const before = aloneFirst ? await poll(windowSeconds) : undefined;
  const orders = Array.from({ length: count }, (_, index) => ({ topic: `A lighthouse in storm ${index}.` }));
  await client.ask({ url: url + PATH, headers, orders, openSeconds }, OPEN_TIMEOUT_MS);
  const openedMs = performance.now();
  const beside = await poll(windowSeconds);
  const besideMs = performance.now() - openedMs;
  const streams = await client.next(END_TIMEOUT_MS);
  client.end();
  if (!before) await sleep(AFTER_STREAMS_MS);
  const alone = before ?? (await poll(windowSeconds));

  const planned = await plannedMs(url, speed);
  const lastAccepted = Math.max(...streams.map(({ acceptedMs }) => acceptedMs));
  const firstEnd = Math.min(...streams.map(({ endMs }) => endMs));
  if (firstEnd - lastAccepted < besideMs) throw new Error('streams ended before the polls beside them');
  const waitMs = mostOf(streams.map(({ sentMs, acceptedMs }) => acceptedMs - sentMs));
  return {
    alone,
    beside,
    waitMs: rounded(waitMs),
    mostMib: rounded(peakMib(pid)),
    ...paceOf(streams, planned),
  };
}

/** What the emulator has planned for each topic. @throws Error when a stream was not paid for to its end */
async function plannedMs(url, speed) {
  const planned = new Map();
  let after = '';
  do {
    const page = await get(`${url}/__admin/accounts/${KEY}/tasks?limit=${PAGE}${after}`);
    for (const { input, plan, status } of page.tasks) {
      if (status !== 'completed') throw new Error(`the task of a stream is ${status}`);
      planned.set(input.topic, plan.endMs / speed);
    }
    after = page.next === null ? undefined : `&after=${page.next}`;
  } while (after !== undefined);
  return planned;
}

/** How far each piece was from its moment, counted from when the stream was asked for. */
function paceOf(streams, planned) {
  const pieceLateMs = [];
  const pieceShares = [];
  const totalShares = [];
  let pieces = 0;
  for (const { order, sentMs, endMs, text, pieceMs, chunks } of streams) {
    const totalMs = planned.get(order.topic);
    if (totalMs === undefined) throw new Error(`there is no task for the stream about ${order.topic}`);
    if (!text.includes(order.topic.slice(0, -1))) throw new Error('a stream is about something else');
    if (chunks > pieceMs.length) throw new Error('texts come in other pieces than the bench knows');
    pieces += pieceMs.length;
    for (const [index, atMs] of pieceMs.entries()) {
      const lateMs = atMs - sentMs - (totalMs * (index + 1)) / pieceMs.length;
      pieceLateMs.push(lateMs);
      pieceShares.push(Math.abs(lateMs) / totalMs);
    }
    totalShares.push(Math.abs(endMs - sentMs - totalMs) / totalMs);
  }
  const sorted = pieceLateMs.toSorted((one, other) => one - other);
  const at = (share) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))], 1);
  return {
    pieces,
    lateMs: { least: at(0), p50: at(0.5), p99: at(0.99), most: at(1) },
    worstShare: round(mostOf(pieceShares), 4),
    worstTotalShare: round(mostOf(totalShares), 4),
  };
}
