// Streams many texts at once, each at its own pace, while a client polls: whether each chunk arrives when it is due,
// and how many polls succeed meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { maxOf, round, roundToTenth } from '../report/stats.mjs';
import { measureWindow } from '../support/measure.mjs';
import { maxOpenFiles, peakMib } from '../support/proc-stats.mjs';
import { get, startServer, startTool } from '../support/process-runner.mjs';
import { addAccount, HEADERS } from '../support/tasks.mjs';
import { pollTargets } from './throughput.mjs';

const PATH = '/api/sora-2/generate-prompt';
const KEY = 'np_test_streams';
const OPEN_TIMEOUT_MS = 10_000;
/** The longest stream takes 24 s at a speed of 1. */
const END_TIMEOUT_MS = 60_000;
/** By then the server has closed all streams. */
const AFTER_STREAMS_MS = 500;
/** Files that a server has open in addition to the streams. */
const OTHER_FILES = 200;
const PAGE = 1000;

export async function measureStreams(run) {
  const { emulator, settings, log } = run;
  const rounds = [];
  for (let number = 1; number <= settings.longRounds; number++) {
    const server = await startServer(emulator);
    checkFiles(server.pid, settings.streams.count);
    // Alternates the order: in every other round the polls without streams come last.
    const measured = await measureRound(server, run, number % 2 === 1);
    await server.stop();
    rounds.push(measured);
    const { alone, beside, lateMs, worstShare } = measured;
    log(
      `streams ${number}/${settings.longRounds}  polls alone ${alone.perSecond}  beside ${beside.perSecond}  ` +
        `late p99 ${lateMs.p99} ms, max ${lateMs.max} ms, ${(worstShare * 100).toFixed(1)} %`,
    );
  }
  return { ...settings.streams, rounds };
}

/** Node.js raises the soft limit to the hard one by itself. */
function checkFiles(pid, streams) {
  const max = maxOpenFiles(pid);
  if (max !== undefined && max < streams + OTHER_FILES) {
    throw new Error(
      `${streams} streams need ${streams + OTHER_FILES} open files, but only ${max} are allowed; ` +
        'raise the limit with ulimit -Hn or leave streams out with --only',
    );
  }
}

async function measureRound(server, { fire, settings }, aloneFirst) {
  const { count, speed, openSeconds, windowSeconds } = settings.streams;
  const { url, pid } = server;
  const headers = await addAccount(url, KEY, speed);
  const { it: target } = await pollTargets({ it: server });
  const calls = { method: 'POST', headers: HEADERS, connections: 32 };
  const poll = (seconds) => measureWindow(fire, target, { ...calls, seconds }, 'polls with streams');
  const client = startTool('tools/stream-client.mjs');

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

  const planned = await fetchPlannedMs(url, speed);
  const lastAccepted = Math.max(...streams.map(({ acceptedMs }) => acceptedMs));
  const firstEnd = Math.min(...streams.map(({ endMs }) => endMs));
  if (firstEnd - lastAccepted < besideMs) throw new Error('streams ended before the polls that run with them');
  const waitMs = maxOf(streams.map(({ sentMs, acceptedMs }) => acceptedMs - sentMs));
  return {
    alone,
    beside,
    waitMs: roundToTenth(waitMs),
    maxMib: roundToTenth(peakMib(pid)),
    ...measurePace(streams, planned),
  };
}

/** The planned duration by topic. @throws Error when a stream's task is not completed */
async function fetchPlannedMs(url, speed) {
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

/** The deviation of each chunk from its due time, counted from when the stream was requested. */
function measurePace(streams, planned) {
  const chunkLateMs = [];
  const chunkShares = [];
  const totalShares = [];
  let chunks = 0;
  for (const { order, sentMs, endMs, text, chunkMs, packets } of streams) {
    const totalMs = planned.get(order.topic);
    if (totalMs === undefined) throw new Error(`no task was found for the stream about ${order.topic}`);
    if (!text.includes(order.topic.slice(0, -1))) throw new Error('a stream is about something else');
    if (packets > chunkMs.length) throw new Error('the emulator does not send chunks of the expected size');
    chunks += chunkMs.length;
    for (const [index, atMs] of chunkMs.entries()) {
      const lateMs = atMs - sentMs - (totalMs * (index + 1)) / chunkMs.length;
      chunkLateMs.push(lateMs);
      chunkShares.push(Math.abs(lateMs) / totalMs);
    }
    totalShares.push(Math.abs(endMs - sentMs - totalMs) / totalMs);
  }
  const sorted = chunkLateMs.toSorted((one, other) => one - other);
  const at = (share) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))], 1);
  return {
    chunks,
    lateMs: { min: at(0), p50: at(0.5), p99: at(0.99), max: at(1) },
    worstShare: round(maxOf(chunkShares), 4),
    worstTotalShare: round(maxOf(totalShares), 4),
  };
}
