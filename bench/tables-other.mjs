// Streams, images, uploads, starts and memory.
import { compare, median, mib, mostOf, ms, NOT_MEASURED, table } from './stats.mjs';
import { atLeast, atMost, below, TARGETS, within } from './targets.mjs';

export function streamTable({ streams }) {
  if (!streams) return undefined;
  const { count, rounds } = streams;
  const all = (figureOf) => rounds.map(figureOf);
  const share = (value) => `${(value * 100).toFixed(1)} %`;
  const worst = mostOf(all(({ worstShare }) => worstShare));
  const worstTotal = mostOf(all(({ worstTotalShare }) => worstTotalShare));
  const polls = compare(rounds, 'beside', 'perSecond', 'alone');
  const p99 = compare(rounds, 'beside', 'p99Ms', 'alone');
  const late = (figure) => ms(median(all(({ lateMs }) => lateMs[figure])));
  const [beside, alone, ratio] = [polls.emulator, polls.bare, polls.ratio];
  return table(
    ['', `${count} streams`, 'without', 'ratio', 'target'],
    [
      ['check-status, 32 connections, req/s', beside.toFixed(0), alone.toFixed(0)].concat(
        ratio.toFixed(2),
        atLeast(ratio, TARGETS.pollsBesideStreams),
      ),
      ['check-status, 32 connections, p99', ms(p99.emulator, 1), ms(p99.bare, 1), p99.ratio.toFixed(2), ''],
      ['a stream off its whole time, most', share(worstTotal), '', '', within(worstTotal, TARGETS.pace)],
      ["a piece off its moment, of its stream's time, most", share(worst), '', '', within(worst, TARGETS.pace)],
      ['a piece behind its moment, median', late('p50'), '', '', ''],
      ['a piece behind its moment, p99', late('p99'), '', '', ''],
      ['a stream waits for its acceptance, most', ms(mostOf(all(({ waitMs }) => waitMs))), '', '', ''],
      ['resident memory, most', mib(mostOf(all(({ mostMib }) => mostMib))), '', '', ''],
    ],
  );
}

/** What drawing many images at once costs whoever polls meanwhile. */
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
  const during = mostOf(all(({ mostMib }) => mostMib));
  const before = mostOf(all(({ mostMibBefore }) => mostMibBefore));
  const told = during === undefined ? '' : below(during, TARGETS.burstMib, 'MiB');
  const header = ['', `${images} images of 4K at once`, 'before', 'target'];
  return table(header, [
    pollRow(`check-status, ${pollsPerSecond} a second, p50`, 'p50Ms', median),
    pollRow(`check-status, ${pollsPerSecond} a second, p99`, 'p99Ms', median, TARGETS.burstP99Ms),
    pollRow(`check-status, ${pollsPerSecond} a second, latest of all`, 'maxMs', mostOf),
    ['resident memory, most', mib(during), mib(before), told],
    ['from the first request to the last image', `${seconds.toFixed(1)} s`, '', ''],
    ['all images together', `${megabytes.toFixed(0)} MB`, '', ''],
  ]);
}

/** Starts, uploads and memory: what is told in one figure, with a bare server's beside it where there is one. */
export function restTable(raw) {
  const rows = [startRows, libraryRows, uploadRows, memoryRows, minuteRows].flatMap((rowsOf) => rowsOf(raw));
  return rows.length > 0 ? table(['', 'emulator', 'bare', 'ratio', 'target'], rows) : undefined;
}

const alone = (label, value, target = '') => [label, value, '', '', target];

function startRows({ start }) {
  if (!start) return [];
  const rounds = start.emulator.map((emulator, index) => ({ emulator, bare: start.bare[index] }));
  const row = (label, figure, target) => {
    const { emulator, bare, ratio } = compare(rounds, 'emulator', figure);
    const told = target ? atMost(emulator, target, 'ms') : '';
    return [label, ms(emulator), ms(bare), ratio.toFixed(2), told];
  };
  const idle = (server) => {
    const values = start[server].map(({ idleMib }) => idleMib);
    return values.includes(undefined) ? undefined : median(values);
  };
  return [
    row('start to ready line', 'readyMs'),
    row('start to first answer', 'answeredMs', TARGETS.startMs),
    memoryRow('resident memory, idle', idle('emulator'), idle('bare'), TARGETS.idleMib),
  ];
}

function libraryRows({ library }) {
  if (!library) return [];
  const value = median(library.startMs);
  const label = '`startEmulator` in a warm process';
  return [alone(label, ms(value, 1), atMost(value, TARGETS.libraryStartMs, 'ms'))];
}

function uploadRows({ uploads }) {
  if (!uploads) return [];
  const { count, oneMs, oneMostMib, atOnce, fileBytes } = uploads;
  const file = `reverse-prompt, ${fileBytes / 1024 / 1024} MiB file`;
  const one = median(oneMs);
  const most = mostOf(atOnce.map(({ mostMib }) => mostMib));
  const told = most === undefined ? '' : below(most, TARGETS.uploadsMib, 'MiB');
  return [
    alone(file, ms(one), below(one, TARGETS.uploadMs, 'ms')),
    alone(`${file}, resident memory, most`, mib(oneMostMib)),
    alone(`${file}, ${count} at once`, ms(median(atOnce.map(({ ms: took }) => took)))),
    alone(`${file}, ${count} at once, resident memory, most`, mib(most), told),
  ];
}

function memoryRows({ load = {} }) {
  const row = (label, runs, server, target) => {
    const measured = runs.filter((name) => load[name]).map((name) => load[name]);
    if (measured.length === 0) return [];
    return [memoryRow(label, most(measured, server), most(measured, 'bare'), target)];
  };
  const tasks = (server) => {
    const { warmUpRequests, rounds } = load.generate32 ?? { warmUpRequests: {}, rounds: [] };
    const all = rounds.reduce((sum, round) => sum + round[server].requests, warmUpRequests[server]);
    return `${Math.round(all / 1000)} thousand tasks`;
  };
  const under = 'resident memory, most under';
  return [
    ...row(`${under} polls`, ['poll32', 'poll256'], 'memory', TARGETS.loadMib),
    ...row(`${under} generate, ${tasks('disk')} on disk`, ['generate32'], 'disk', TARGETS.loadMib),
    ...row(`${under} video`, ['video32'], 'media'),
    // No target: it keeps all tasks in memory, so the figure grows with every request.
    ...row(`${under} generate, ${tasks('memory')} in memory`, ['generate32'], 'memory'),
  ];
}

function minuteRows({ minute }) {
  if (!minute) return [];
  const row = (kind, of, target) => {
    const { afterMib, requests, videos } = minute[kind];
    const what = `${Math.round(requests / 1000)} thousand requests, ${Math.round(videos / 1000)} thousand tasks ${of}`;
    const told = target && afterMib !== undefined ? atMost(afterMib, target, 'MiB') : '';
    return alone(`resident memory after ${minute.seconds} s of load, ${what}`, mib(afterMib), told);
  };
  // The default keeps its tasks in memory; how many come in a minute is up to the machine.
  return [row('disk', 'on disk', TARGETS.loadMib), row('memory', 'in memory', TARGETS.loadMib)];
}

function memoryRow(label, emulator, bare, target) {
  if (emulator === undefined) return [label, NOT_MEASURED, NOT_MEASURED, '', target ? `≤ ${target} MiB` : ''];
  const told = target ? atMost(emulator, target, 'MiB') : '';
  return [label, mib(emulator), mib(bare), (emulator / bare).toFixed(2), told];
}

function most(runs, server) {
  return mostOf(runs.flatMap(({ rounds }) => rounds.map((round) => round[server].mostMib)));
}
