// Throughput, latency and CPU time compared with the bare server.
import { compare, median, NOT_MEASURED, percent, table, verdict } from './stats.mjs';
import { atLeast, TARGETS, within } from './targets.mjs';

/** Share of a core that a server uses under continuous load. */
const BUSY = 0.9;

const ROWS = [
  { label: 'check-status, 32 connections', run: 'poll32', server: 'memory', target: TARGETS.poll32 },
  { label: 'check-status, 256 connections', run: 'poll256', server: 'memory', target: TARGETS.poll256 },
  { label: 'generate, 32 connections', run: 'generate32', server: 'memory', target: TARGETS.memory },
  { label: 'generate, 32 connections, --data-dir', run: 'generate32', server: 'disk', target: TARGETS.disk },
  { label: '720p video, 32 connections', run: 'video32', server: 'media', target: TARGETS.video },
];

const rowsOf = (load) => ROWS.filter(({ run }) => load?.[run]);

export function loadTable({ load }) {
  const header = ['', 'emulator req/s', 'bare req/s', 'ratio', 'target'];
  header.push('emulator p99 ms', 'bare p99 ms', 'ratio', 'target');
  const rows = rowsOf(load).map(({ label, run, server, target }) => {
    const { rounds } = load[run];
    const perSecond = compare(rounds, server, 'perSecond');
    const p99 = compare(rounds, server, 'p99Ms');
    return [
      label,
      perSecond.emulator.toFixed(0),
      perSecond.bare.toFixed(0),
      perSecond.ratio.toFixed(2),
      atLeast(perSecond.ratio, target.ratio),
      p99.emulator.toFixed(2),
      p99.bare.toFixed(2),
      p99.ratio.toFixed(2),
      target.p99 ? `< ${target.p99.toFixed(2)} ${verdict(p99.ratio < target.p99)}` : '',
    ];
  });
  return rows.length > 0 ? table(header, rows) : undefined;
}

/** Compares CPU time, which other programs on the machine disturb less, and shows how busy each process was. */
export function costTable({ load }) {
  const header = ['', 'emulator CPU µs/request', 'bare CPU µs/request', 'bare / emulator'];
  header.push('emulator busy', 'bare busy', 'load tool busy (bare)');
  const rows = rowsOf(load).map(({ label, run, server }) => {
    const { rounds } = load[run];
    const tool = median(rounds.map(({ bare }) => bare.loadToolBusy));
    if (rounds[0].bare.serverBusy === undefined) {
      return [label, ...Array(5).fill(NOT_MEASURED), percent(tool)];
    }
    const cost = compare(rounds, server, 'cpuMicrosPerRequest');
    const busy = compare(rounds, server, 'serverBusy');
    return [
      label,
      cost.emulator.toFixed(1),
      cost.bare.toFixed(1),
      (1 / cost.ratio).toFixed(2),
      percent(busy.emulator),
      percent(busy.bare),
      percent(tool),
    ];
  });
  return rows.length > 0 ? table(header, rows) : undefined;
}

/** The cost of the journal for requests without faults: the same server without it, in the same round. */
export function journalTable({ load }) {
  const header = ['', 'CPU µs/request', 'without journal', 'cost', 'target'];
  const runs = ['poll32', 'generate32'].filter((run) => load?.[run]);
  const rows = runs.map((run) => {
    const { rounds } = load[run];
    const label = `journal, ${run === 'poll32' ? 'check-status' : 'generate'}, 32 connections`;
    if (rounds[0].memory.cpuMicrosPerRequest === undefined) return [label, ...Array(4).fill(NOT_MEASURED)];
    const valuesOf = (server) => rounds.map((round) => round[server].cpuMicrosPerRequest);
    const costs = valuesOf('memory').map((journaled, index) => journaled / valuesOf('unjournaled')[index] - 1);
    const cost = median(costs);
    return [
      label,
      median(valuesOf('memory')).toFixed(1),
      median(valuesOf('unjournaled')).toFixed(1),
      `${(cost * 100).toFixed(1)} %`,
      within(cost, TARGETS.journalCost),
    ];
  });
  return rows.length > 0 ? table(header, rows) : undefined;
}

/** Share of a core that the bare server used; undefined if it was not measured. */
function busyBare(load = {}) {
  const all = Object.values(load).flatMap(({ rounds }) => rounds.map(({ bare }) => bare.serverBusy));
  return all.length === 0 || all.includes(undefined) ? undefined : median(all);
}

export const hasWaited = ({ load }) => busyBare(load) < BUSY;

/** A server that waits for its CPU or for the load tool is not limited by the cost of its requests. */
export function idleNote(raw) {
  if (!hasWaited(raw)) return [];
  return [
    `Note: the bare server used only ${percent(busyBare(raw.load))} of a core, because something else was running or the
load tool was at its limit. That flatters the ratios of requests; those of CPU time still hold.\n`,
  ];
}
