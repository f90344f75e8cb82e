// Streams, images, uploads, starts and memory.
import { compare, maxOf, median, mib, ms, NOT_MEASURED, table } from './stats.mjs';
import { atLeast, atMost, below, TARGETS, within } from './targets.mjs';

export function streamTable({ streams }) {
  if (!streams) return undefined;
  const { count, rounds } = streams;
  const all = (figureOf) => rounds.map(figureOf);
  const share = (value) => `${(value * 100).toFixed(1)} %`;
  const worst = maxOf(all(({ worstShare }) => worstShare));
  const worstTotal = maxOf(all(({ worstTotalShare }) => worstTotalShare));
  const polls = compare(rounds, 'beside', 'perSecond', 'alone');
  const p99 = compare(rounds, 'beside', 'p99Ms', 'alone');
  const delay = (figure) => ms(median(all(({ lateMs }) => lateMs[figure])));
  const [beside, alone, ratio] = [polls.emulator, polls.bare, polls.ratio];
  return table(
    ['', `${count} streams`, 'without', 'ratio', 'target'],
    [
      ['check-status, 32 connections, req/s', beside.toFixed(0), alone.toFixed(0)].concat(
        ratio.toFixed(2),
        atLeast(ratio, TARGETS.pollsBesideStreams),
      ),
      ['check-status, 32 connections, p99', ms(p99.emulator, 1), ms(p99.bare, 1), p99.ratio.toFixed(2), ''],
      ["deviation from a stream's planned duration, max", share(worstTotal), '', '', within(worstTotal, TARGETS.pace)],
      ["deviation of a chunk, share of its stream's duration, max", share(worst), '', '', within(worst, TARGETS.pace)],
      ['delay of a chunk, median', delay('p50'), '', '', ''],
      ['delay of a chunk, p99', delay('p99'), '', '', ''],
      ['time to the response head, max', ms(maxOf(all(({ waitMs }) => waitMs))), '', '', ''],
      ['resident memory, max', mib(maxOf(all(({ maxMib }) => maxMib))), '', '', ''],
    ],
  );
}

/** How rendering many images at once affects clients that poll meanwhile. */
export function burstTable({ burst }) {
  if (!burst) return undefined;
  const { images, pollsPerSecond, rounds } = burst;
  const all = (figureOf) => rounds.map(figureOf);
  const pollRow = (label, figure, of, target) => {
    const during = of(all((round) => round.during[figure]));
    const before = of(all((round) => round.before[figure]));
    return [label, ms(during, 2), ms(before, 2), target ? below(during, target, 'ms') : ''];
  };
  const seconds = median(all((round) => round.seconds));
  const megabytes = median(all((round) => round.bytes)) / 1e6;
  const during = maxOf(all(({ maxMib }) => maxMib));
  const before = maxOf(all(({ maxMibBefore }) => maxMibBefore));
  const result = during === undefined ? '' : below(during, TARGETS.burstMib, 'MiB');
  const header = ['', `${images} concurrent 4K images`, 'before', 'target'];
  return table(header, [
    pollRow(`check-status, ${pollsPerSecond} per second, p50`, 'p50Ms', median),
    pollRow(`check-status, ${pollsPerSecond} per second, p99`, 'p99Ms', median, TARGETS.burstP99Ms),
    pollRow(`check-status, ${pollsPerSecond} per second, max`, 'maxMs', maxOf),
    ['resident memory, max', mib(during), mib(before), result],
    ['from the first request to the last image', `${seconds.toFixed(1)} s`, '', ''],
    ['total size of the images', `${megabytes.toFixed(0)} MB`, '', ''],
  ]);
}

/** Starts, uploads and memory: single figures, next to the bare server's where there is one. */
export function restTable(raw) {
  const rows = [startRows, libraryRows, uploadRows, memoryRows, minuteRows].flatMap((rowsOf) => rowsOf(raw));
  return rows.length > 0 ? table(['', 'emulator', 'bare', 'ratio', 'target'], rows) : undefined;
}

const singleRow = (label, value, target = '') => [label, value, '', '', target];

function startRows({ start }) {
  if (!start) return [];
  const rounds = start.emulator.map((emulator, index) => ({ emulator, bare: start.bare[index] }));
  const row = (label, figure, target) => {
    const { emulator, bare, ratio } = compare(rounds, 'emulator', figure);
    const result = target ? atMost(emulator, target, 'ms') : '';
    return [label, ms(emulator), ms(bare), ratio.toFixed(2), result];
  };
  const idle = (server) => {
    const values = start[server].map(({ idleMib }) => idleMib);
    return values.includes(undefined) ? undefined : median(values);
  };
  return [
    row('start to ready line', 'readyMs'),
    row('start to first response', 'firstResponseMs', TARGETS.startMs),
    memoryRow('resident memory, idle', idle('emulator'), idle('bare'), TARGETS.idleMib),
  ];
}

function libraryRows({ library }) {
  if (!library) return [];
  const value = median(library.startMs);
  const label = '`startEmulator` in a warm process';
  return [singleRow(label, ms(value, 1), atMost(value, TARGETS.libraryStartMs, 'ms'))];
}

function uploadRows({ uploads }) {
  if (!uploads) return [];
  const { count, oneMs, oneMaxMib, atOnce, fileBytes } = uploads;
  const file = `reverse-prompt, ${fileBytes / 1024 / 1024} MiB file`;
  const one = median(oneMs);
  const max = maxOf(atOnce.map(({ maxMib }) => maxMib));
  const result = max === undefined ? '' : below(max, TARGETS.uploadsMib, 'MiB');
  return [
    singleRow(file, ms(one), below(one, TARGETS.uploadMs, 'ms')),
    singleRow(`${file}, resident memory, max`, mib(oneMaxMib)),
    singleRow(`${file}, ${count} at once`, ms(median(atOnce.map(({ ms: took }) => took)))),
    singleRow(`${file}, ${count} at once, resident memory, max`, mib(max), result),
  ];
}

function memoryRows({ load = {} }) {
  const row = (label, runs, server, target) => {
    const measured = runs.filter((name) => load[name]).map((name) => load[name]);
    if (measured.length === 0) return [];
    return [memoryRow(label, maxMemory(measured, server), maxMemory(measured, 'bare'), target)];
  };
  const tasks = (server) => {
    const { warmUpRequests, rounds } = load.generate32 ?? { warmUpRequests: {}, rounds: [] };
    const all = rounds.reduce((sum, round) => sum + round[server].requests, warmUpRequests[server]);
    return `${Math.round(all / 1000)} thousand tasks`;
  };
  const under = 'max resident memory under';
  return [
    ...row(`${under} polls`, ['poll32', 'poll256'], 'memory', TARGETS.loadMib),
    ...row(`${under} generate, ${tasks('disk')} on disk`, ['generate32'], 'disk', TARGETS.loadMib),
    ...row(`${under} video`, ['video32'], 'media'),
    // No target: all tasks stay in memory, so the figure grows with every request.
    ...row(`${under} generate, ${tasks('memory')} in memory`, ['generate32'], 'memory'),
  ];
}

function minuteRows({ minute }) {
  if (!minute) return [];
  const row = (kind, of, target) => {
    const { afterMib, requests, videos } = minute[kind];
    const what = `${Math.round(requests / 1000)} thousand requests, ${Math.round(videos / 1000)} thousand tasks ${of}`;
    const result = target && afterMib !== undefined ? atMost(afterMib, target, 'MiB') : '';
    return singleRow(`resident memory after ${minute.seconds} s of load, ${what}`, mib(afterMib), result);
  };
  // In memory the figure depends on how many tasks the machine completes in a minute.
  return [row('disk', 'on disk', TARGETS.loadMib), row('memory', 'in memory', TARGETS.loadMib)];
}

function memoryRow(label, emulator, bare, target) {
  if (emulator === undefined) return [label, NOT_MEASURED, NOT_MEASURED, '', target ? `≤ ${target} MiB` : ''];
  const result = target ? atMost(emulator, target, 'MiB') : '';
  return [label, mib(emulator), mib(bare), (emulator / bare).toFixed(2), result];
}

function maxMemory(runs, server) {
  return maxOf(runs.flatMap(({ rounds }) => rounds.map((round) => round[server].maxMib)));
}
