// The table at the top of the report: each figure with its target. Targets are those of the project's plan; missing one
// does not fail the run.
import {
  bytes,
  exactMs,
  exactPercent,
  exactSeconds,
  isMeasured,
  maxOf,
  median,
  mib,
  ms,
  ratio,
  ratioOf,
  table,
} from './stats.mjs';

const atLeast = (min) => ({ sign: '≥', limit: min, isMet: (value) => value >= min });
const atMost = (max) => ({ sign: '≤', limit: max, isMet: (value) => value <= max });

/** How much worse `full` is than `empty`, as a share. `isRate`: the figure is better when it is higher. */
export function slowdown(rounds, figure, isRate) {
  const change = ratioOf(rounds, 'full', 'empty', figure);
  return isRate ? 1 - change : change - 1;
}

/** The rounds of a start section, in the form of other rounds. */
export const startRounds = (starts) =>
  Object.values(starts)[0].map((_, index) =>
    Object.fromEntries(Object.entries(starts).map(([name, all]) => [name, all[index]])),
  );

function worstGrowth({ start, poll32, manyPoll32, generate32 }) {
  const starts = startRounds(start);
  return maxOf([
    ...[poll32, manyPoll32, generate32].map(({ rounds }) => slowdown(rounds, 'perSecond', true)),
    ...['firstResponseMs', 'idleMib'].map((figure) => slowdown(starts, figure, false)),
  ]);
}

/** Returns a value from the figures of a run of load. */
const load = (run, valueOf) => (raw) => raw.load?.[run] && valueOf(raw.load[run].rounds);
const speed = (run, server, other = 'bare') => load(run, (rounds) => ratioOf(rounds, server, other, 'perSecond'));
const latency = (run, server) => load(run, (rounds) => ratioOf(rounds, server, 'bare', 'p99Ms'));
/** The additional CPU time of requests, compared with a server without a journal in the same round. */
const journalCost =
  (kind) =>
  ({ journal }) =>
    journal && ratioOf(journal[kind].rounds, 'journaled', 'unjournaled', 'cpuMicrosPerRequest') - 1;
/** Compares the speed with a peer, unless the peer was left out. */
const peer = (run, name) => (raw) =>
  raw.peers?.kinds.some((kind) => kind.name === name)
    ? ratioOf(raw.peers[run].rounds, 'emulator', name, 'perSecond')
    : undefined;

const FIGURES = [
  ['generate in memory / bare Fastify', ratio, speed('generate32', 'memory'), atLeast(0.33)],
  ['generate on disk / bare Fastify', ratio, speed('generate32', 'disk'), atLeast(0.3)],
  ['generate in memory / bare SQLite', ratio, speed('generate32', 'memory', 'sqlite')],
  ['generate on disk / bare SQLite on disk', ratio, speed('generate32', 'disk', 'sqliteDisk')],
  ['generate in memory, p99 / bare Fastify', ratio, latency('generate32', 'memory'), atMost(3)],
  ['generate on disk, p99 / bare Fastify', ratio, latency('generate32', 'disk'), atMost(3)],
  ['check-status / bare Fastify, 32 connections', ratio, speed('poll32', 'memory'), atLeast(0.75)],
  ['check-status / bare Fastify, 256 connections', ratio, speed('poll256', 'memory'), atLeast(0.7)],
  ['check-status / static handler of aimock', ratio, peer('poll32', 'aimock, static'), atLeast(1)],
  ['generate / jobs of aimock', ratio, peer('generate32', 'aimock, jobs'), atLeast(1)],
  [
    'check-status beside 1,000 streams / alone',
    ratio,
    ({ streams }) => streams && ratioOf(streams.rounds, 'beside', 'alone', 'perSecond'),
    atLeast(0.5),
  ],
  [
    'start to first response / bare Fastify',
    ratio,
    ({ start }) => start && ratioOf(startRounds(start), 'emulator', 'bare', 'firstResponseMs'),
    atMost(1.3),
  ],
  ['CPU time of the journal, check-status', exactPercent, journalCost('polls'), atMost(0.05)],
  ['CPU time of the journal, generate', exactPercent, journalCost('generates'), atMost(0.05)],
  ['memory, idle', mib, ({ start }) => start && median(start.emulator.map(({ idleMib }) => idleMib)), atMost(75)],
  ['memory after 60 s of load, in memory', mib, ({ minute }) => minute?.afterMib, atMost(160)],
  ['memory that a running task retains, SQLite', bytes, ({ retained }) => retained?.taskStorageBytes],
  ['memory that a running task retains, heap', bytes, ({ retained }) => retained?.taskHeapBytes],
  ['memory that a journal entry retains', bytes, ({ retained }) => retained?.entryBytes],
  [
    '1,000,000 tasks: the figure that worsens most',
    exactPercent,
    ({ growth }) => growth && worstGrowth(growth),
    atMost(0.1),
  ],
  ['720p video / @fastify/static', ratio, speed('video32', 'media'), atLeast(0.9)],
  [
    'check-status during 200 4K images, p99',
    ms,
    ({ burst }) => burst && median(burst.rounds.map(({ during }) => during.p99Ms)),
    atMost(50),
  ],
  [
    'memory during 200 4K images',
    mib,
    ({ burst }) => burst && maxOf(burst.rounds.map(({ maxMib }) => maxMib)),
    atMost(600),
  ],
  [
    'late chunk of a stream, share of its duration',
    exactPercent,
    ({ streams }) => streams && maxOf(streams.rounds.map(({ worstShare }) => worstShare)),
    atMost(0.1),
  ],
  ['`startEmulator` in a warm process', ms, ({ library }) => library && median(library.startMs), atMost(20)],
  ['upload of 30 MiB', ms, ({ uploads }) => uploads && median(uploads.oneMs), atMost(300)],
  [
    'memory during 8 uploads of 30 MiB',
    mib,
    ({ uploads }) => uploads && maxOf(uploads.atOnce.map(({ maxMib }) => maxMib)),
    atMost(600),
  ],
  [
    'time that `exec --record` adds to a request, p50',
    exactMs,
    ({ forwarding }) => forwarding && worstForwarding(forwarding),
    atMost(5),
  ],
  [
    'import or export of 100,000 tasks',
    exactSeconds,
    (raw) => worstState(raw, median, ({ seconds }) => seconds),
    atMost(5),
  ],
  ['additional memory of either', mib, (raw) => worstState(raw, maxOf, ({ extraMib }) => extraMib), atMost(100)],
  ['check-status during either, p99', ms, (raw) => worstState(raw, median, ({ polls }) => polls.p99Ms), atMost(50)],
];

/** The higher of the figures of imports and exports. */
const worstState = ({ state }, of, valueOf) =>
  state && maxOf(['imported', 'exported'].map((name) => of(state.rounds.map((round) => valueOf(round[name])))));

/** The difference of the medians, for the kind of request and the route where it is largest. */
function worstForwarding(kinds) {
  const added = ({ direct, forwarded, tunnelled }) => [forwarded, tunnelled].map(({ p50Ms }) => p50Ms - direct.p50Ms);
  return maxOf(Object.values(kinds).flatMap(added));
}

/** `beside`: the raw figures of another run, or undefined. */
export function summaryTable(raw, beside) {
  const header = ['figure', 'target', 'this run', ''];
  if (beside) header.push(`Node.js ${beside.node}`);
  const rows = FIGURES.map(([label, show, valueOf, target]) => {
    const value = valueOf(raw);
    if (!isMeasured(value)) return undefined;
    const limit = target ? `${target.sign} ${show(target.limit)}` : '';
    const verdict = target ? (target.isMet(value) ? 'met' : 'missed') : '';
    const other = beside && valueOf(beside);
    return [label, limit, show(value), verdict, ...(beside ? [isMeasured(other) ? show(other) : ''] : [])];
  });
  return table(header, rows.filter(Boolean));
}
