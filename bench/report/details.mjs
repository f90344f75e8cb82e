// The tables below the summary.
import {
  bytes,
  exactMs,
  exactPercent,
  exactSeconds,
  maxOf,
  median,
  medianOf,
  mib,
  micros,
  middleHalf,
  ms,
  percent,
  rate,
  ratio,
  ratioOf,
  ratiosOf,
  spread,
  table,
  valuesOf,
} from './stats.mjs';
import { slowdown, startRounds } from './summary.mjs';

const RUNS = {
  poll32: 'check-status, 32 connections',
  poll256: 'check-status, 256 connections',
  generate32: 'generate, 32 connections',
  video32: '720p video, 32 connections',
};
const SERVERS = {
  bare: 'bare Fastify',
  sqlite: 'bare SQLite, in memory',
  sqliteDisk: 'bare SQLite, on disk',
  memory: 'emulator, in memory',
  disk: 'emulator, on disk',
  media: 'emulator',
};
const serversOf = ({ rounds }) => Object.keys(SERVERS).filter((server) => rounds[0][server]);
const nameOf = (run, server) => (run === 'video32' && server === 'bare' ? '@fastify/static' : SERVERS[server]);

/** One or two tables per run: at full speed, and at a fixed rate. */
export function loadTables({ load = {} }) {
  return Object.entries(load).flatMap(([run, measured]) => [
    ceilingTable(run, measured),
    ...(measured.fixed ? [fixedRateTable(run, measured.fixed)] : []),
  ]);
}

function ceilingTable(run, measured) {
  const { rounds } = measured;
  const header = [RUNS[run], 'req/s', '/ bare', 'p95', 'p99', '/ bare', 'CPU/request', 'CPU', 'memory, max'];
  const rows = serversOf(measured).map((server) => [
    nameOf(run, server),
    rate(medianOf(rounds, server, 'perSecond')),
    ratio(ratioOf(rounds, server, 'bare', 'perSecond')),
    exactMs(medianOf(rounds, server, 'p95Ms')),
    exactMs(medianOf(rounds, server, 'p99Ms')),
    ratio(ratioOf(rounds, server, 'bare', 'p99Ms')),
    micros(medianOf(rounds, server, 'cpuMicrosPerRequest')),
    percent(medianOf(rounds, server, 'serverBusy')),
    mib(maxOf(valuesOf(rounds, server, 'maxMib'))),
  ]);
  return table(header, rows);
}

function fixedRateTable(run, fixed) {
  const { rounds, perSecond, halfOf } = fixed;
  const title = `${RUNS[run]}, ${rate(perSecond)} req/s (half of ${SERVERS[halfOf]})`;
  const rows = serversOf(fixed).map((server) => [
    nameOf(run, server),
    ...['p50Ms', 'p95Ms', 'p99Ms', 'maxMs'].map((figure) => exactMs(medianOf(rounds, server, figure))),
    ratio(ratioOf(rounds, server, 'bare', 'p99Ms')),
    percent(medianOf(rounds, server, 'serverBusy')),
  ]);
  return table([title, 'p50', 'p95', 'p99', 'max', 'p99 / bare', 'CPU'], rows);
}

export function journalTable({ journal }) {
  if (!journal) return [];
  const rows = Object.entries({ 'check-status': journal.polls, generate: journal.generates }).map(([kind, run]) => {
    const ratios = ratiosOf(run.rounds, 'journaled', 'unjournaled', 'cpuMicrosPerRequest');
    return [
      kind,
      ...['journaled', 'unjournaled'].map((server) => micros(medianOf(run.rounds, server, 'cpuMicrosPerRequest'))),
      exactPercent(median(ratios) - 1),
      middleHalf(ratios)
        .map((share) => exactPercent(share - 1))
        .join(' to '),
    ];
  });
  const header = ['CPU time of a request', 'with a journal', 'without', 'more by', 'middle half of the rounds'];
  return [table(header, rows)];
}

export function streamTable({ streams }) {
  if (!streams) return [];
  const { count, rounds } = streams;
  const late = (figure) => ms(median(rounds.map(({ lateMs }) => lateMs[figure])));
  const max = (figure) => maxOf(rounds.map((round) => round[figure]));
  const polls = (figure, show) => [show(medianOf(rounds, 'beside', figure)), show(medianOf(rounds, 'alone', figure))];
  return [
    table(
      ['', `${rate(count)} streams`, 'without'],
      [
        ['check-status, 32 connections, req/s', ...polls('perSecond', rate)],
        ['check-status, 32 connections, p99', ...polls('p99Ms', exactMs)],
        ["deviation from a stream's planned duration, max", exactPercent(max('worstTotalShare')), ''],
        ['delay of a chunk, median', late('p50'), ''],
        ['delay of a chunk, p99', late('p99'), ''],
        ['time to the response head, max', ms(max('waitMs')), ''],
        ['memory, max', mib(max('maxMib')), ''],
      ],
    ),
  ];
}

/** How rendering many images at once affects clients that poll meanwhile. */
export function burstTable({ burst }) {
  if (!burst) return [];
  const { images, pollsPerSecond, rounds } = burst;
  const polls = (figure, of) => ['during', 'before'].map((when) => exactMs(of(valuesOf(rounds, when, figure))));
  const all = (figure) => rounds.map((round) => round[figure]);
  return [
    table(
      ['', `${images} concurrent 4K images`, 'before'],
      [
        [`check-status, ${pollsPerSecond} per second, p50`, ...polls('p50Ms', median)],
        [`check-status, ${pollsPerSecond} per second, p99`, ...polls('p99Ms', median)],
        [`check-status, ${pollsPerSecond} per second, max`, ...polls('maxMs', maxOf)],
        ['memory, max', mib(maxOf(all('maxMib'))), mib(maxOf(all('maxMibBefore')))],
        ['from the first request to the last image', `${median(all('seconds')).toFixed(1)} s`, ''],
        ['total size of the images', `${(median(all('bytes')) / 1e6).toFixed(0)} MB`, ''],
      ],
    ),
  ];
}

/** Imports and exports of a large account, and how they affect clients of other accounts. */
export function stateTable({ state }) {
  if (!state) return [];
  const { tasks, pollsPerSecond, rounds } = state;
  const row = (label, show, of, valueOf) => [
    label,
    ...['imported', 'exported'].map((name) => show(of(rounds.map((round) => valueOf(round[name]))))),
  ];
  const polls = `check-status, ${pollsPerSecond} per second`;
  return [
    table(
      [`an account with ${rate(tasks)} tasks, on a data directory`, 'import', 'export'],
      [
        row('time', exactSeconds, median, ({ seconds }) => seconds),
        row('additional memory, max', mib, maxOf, ({ extraMib }) => extraMib),
        row(`${polls}, p50`, exactMs, median, ({ polls }) => polls.p50Ms),
        row(`${polls}, p99`, exactMs, median, ({ polls }) => polls.p99Ms),
        row(`${polls}, max`, exactMs, maxOf, ({ polls }) => polls.maxMs),
      ],
    ),
  ];
}

const KINDS = { poll: 'check-status', generate: 'generate' };
const ROUTES = {
  direct: 'direct',
  forwarded: 'to the URL of the proxy',
  tunnelled: 'to https://nanophoto.ai through the proxy',
};

/** The time that `exec --record` adds to the requests of a client. */
export function forwardingTable({ forwarding }) {
  if (!forwarding) return [];
  const rows = Object.entries(KINDS).flatMap(([kind, label]) =>
    Object.entries(ROUTES).map(([route, title]) => [
      `${label}, ${title}`,
      ...['p50Ms', 'p95Ms'].flatMap((figure) => {
        const latency = forwarding[kind][route][figure];
        return [exactMs(latency), route === 'direct' ? '' : exactMs(latency - forwarding[kind].direct[figure])];
      }),
    ]),
  );
  return [table(['`exec --record`', 'p50', 'added', 'p95', 'added'], rows)];
}

/** Starts, uploads and sizes. */
export function restTable({ start, uploads, load }) {
  const rows = [];
  if (start) {
    const rounds = startRounds(start);
    const row = (label, figure, show) => [
      label,
      ...['emulator', 'bare'].map((name) => show(medianOf(rounds, name, figure))),
    ];
    rows.push(row('start to ready line', 'readyMs', ms), row('start to first response', 'firstResponseMs', ms));
    rows.push(row('memory, idle', 'idleMib', mib));
  }
  if (uploads) {
    const { count, atOnce, oneMaxMib } = uploads;
    rows.push(['uploads of 30 MiB, one at a time, memory, max', mib(oneMaxMib), '']);
    rows.push([`${count} uploads of 30 MiB at once`, ms(median(atOnce.map(({ ms: took }) => took))), '']);
  }
  const sizes = load?.generate32?.bytesPerTask;
  if (sizes) rows.push(['size of the database per task', bytes(sizes.disk), `${bytes(sizes.sqliteDisk)} (SQLite)`]);
  return rows.length > 0 ? [table(['', 'emulator', 'bare'], rows)] : [];
}

/** The emulator with many tasks compared with an empty one. */
export function growthTable({ growth }) {
  if (!growth) return [];
  const row = (label, rounds, figure, show, isRate) => {
    const [full, empty] = ['full', 'empty'].map((server) => show(medianOf(rounds, server, figure)));
    const change = exactPercent(slowdown(rounds, figure, isRate)).replace('-', '−');
    return [label, full, empty, change, percent(spread(valuesOf(rounds, 'empty', figure)))];
  };
  const loadRows = (label, { rounds }) => [
    row(`${label}, req/s`, rounds, 'perSecond', rate, true),
    row(`${label}, CPU per request`, rounds, 'cpuMicrosPerRequest', micros),
  ];
  const starts = startRounds(growth.start);
  const header = ['on a data directory', `${rate(growth.filled.tasks)} tasks`, 'none'];
  return [
    table(header.concat('worse by', 'spread of the empty one'), [
      ...loadRows('check-status', growth.poll32),
      ...loadRows('check-status of 200 accounts in turn', growth.manyPoll32),
      ...loadRows('generate', growth.generate32),
      row('start to first response', starts, 'firstResponseMs', ms),
      row('memory, idle', starts, 'idleMib', mib),
    ]),
  ];
}

/** Other mock servers, if they could be installed. */
export function peerTable({ peers }) {
  if (!peers) return [];
  const { kinds, missing, poll32, generate32 } = peers;
  const titleOf = ({ name, version }) => (version ? `${name} ${version}` : name);
  const header = ['32 connections', 'read, req/s', '/ bare', 'create, req/s', '/ bare'];
  header.push('start to first response', 'memory, idle', 'what it serves');
  const rows = kinds.map(({ name, version, how, starts }) => [
    titleOf({ name, version }),
    ...[poll32, generate32].flatMap(({ rounds }) => [
      rate(medianOf(rounds, name, 'perSecond')),
      ratio(ratioOf(rounds, name, 'bare', 'perSecond')),
    ]),
    ms(median(starts.map(({ firstResponseMs }) => firstResponseMs))),
    mib(median(starts.map(({ idleMib }) => idleMib))),
    how,
  ]);
  const left = missing.map((peer) => `${titleOf(peer)} is not measured: ${peer.reason}.\n`);
  return [table(header, rows), ...left];
}
