// From raw figures to tables. Whatever is compared is compared within its round, where both met the same machine; what
// is reported is the median of the rounds.

const NOT_MEASURED = 'not measured';
/** Share of a core that a server uses when it is fired at without pause. */
const BUSY = 0.9;

/** From the project's plan. They are printed beside what was measured and fail nothing. */
const TARGETS = {
  poll32: { ratio: 0.7, p99: 2 },
  poll256: { ratio: 0.65, p99: 2 },
  memory: { ratio: 0.5, p99: 2 },
  disk: { ratio: 0.4, p99: 2 },
  video: { ratio: 0.9 },
  startMs: 300,
  idleMib: 85,
  loadMib: 180,
  journalCost: 0.05,
  burstP99Ms: 50,
  burstMib: 600,
};

const LOAD_ROWS = [
  { label: 'check-status, 32 connections', run: 'poll32', server: 'memory', target: TARGETS.poll32 },
  { label: 'check-status, 256 connections', run: 'poll256', server: 'memory', target: TARGETS.poll256 },
  { label: 'generate, 32 connections', run: 'generate32', server: 'memory', target: TARGETS.memory },
  { label: 'generate, 32 connections, --data-dir', run: 'generate32', server: 'disk', target: TARGETS.disk },
  { label: '720p video, 32 connections', run: 'video32', server: 'media', target: TARGETS.video },
];

export function toTables(raw) {
  const tables = [loadTable(raw), costTable(raw), ...idleNote(raw), journalTable(raw), burstTable(raw)];
  return [...tables, restTable(raw)].join('\n');
}

/** A server that waits for its turn or its load is not slowed down by what its requests cost. */
function idleNote({ load }) {
  const busy = median(Object.values(load).flatMap(({ rounds }) => rounds.map(({ bare }) => bare.serverBusy)));
  if (!(busy < BUSY)) return [];
  return [
    `Note: the bare server got only ${percent(busy)} of a core, because something else was running or the load tool was
at its end. That flatters the ratios of requests; those of CPU time still hold.\n`,
  ];
}

export function toMarkdown(raw, tables) {
  const { date, node, platform, cpu, settings, burst, loadAverageBefore } = raw;
  const dataDirOn = settings.dataDirOn === 'tmpfs' ? 'tmpfs, which is no disk' : 'a disk';
  return `# Benchmark

Measured on ${date.slice(0, 10)} with Node.js ${node} on ${platform}, ${cpu.count} × ${cpu.model}; load average
before the run: ${loadAverageBefore.toFixed(2)}. Reproduce it with \`npm run bench\`.

The figures are from a noisy machine: trust the ratios more than the absolute numbers.

${tables}
"Bare" is a Fastify server with the same routes that answers constant JSON, without authentication, validation, limits
or logging. The emulator is \`node dist/main.js --port 0\` at the default log level (info) with its stdout going to a
file, in memory where the row does not say otherwise; the data directory was on ${dataDirOn}. Its account has a rate
limit that is never reached, so the limiter runs for every request; the polled task is running. The load comes from
autocannon in a process of its own, over loopback, after a warm-up; each window of ${settings.windowSeconds} s lies beside one on the
bare server.

The video is the one of a completed SeeDance 1.5 Pro task (720p, landscape, 8 s, with sound). What is "bare" in its rows
is a Fastify server with @fastify/static and nothing else, which serves the fixture that the video is made of; every
answer must have its length.

The images are those of ${burst.images} Nano Banana Pro tasks, each with a prompt of its own, that nobody has asked for before: all are
requested at once, on as many connections, from a server that has drawn nothing yet. The polls of a running task go on at
their rate however late the answers are; "before" are ${burst.quietSeconds} s of them without images. Afterwards every image must be a
JPEG of 4K, and no two the same.

Figures are medians of ${settings.rounds} rounds (${settings.startRounds} of the start, ${burst.rounds.length} of the images; the memory and the latest poll are the most of
all); a ratio is the median of the rounds' own ratios, so it need not be the quotient of the two medians. Targets are
those of the project's plan. The raw figures are in [bench.json](bench.json).
`;
}

function loadTable({ load }) {
  const header = ['', 'emulator req/s', 'bare req/s', 'ratio', 'target'];
  header.push('emulator p99 ms', 'bare p99 ms', 'ratio', 'target');
  const rows = LOAD_ROWS.map(({ label, run, server, target }) => {
    const { rounds } = load[run];
    const perSecond = compare(rounds, server, 'perSecond');
    const p99 = compare(rounds, server, 'p99Ms');
    return [
      label,
      perSecond.emulator.toFixed(0),
      perSecond.bare.toFixed(0),
      perSecond.ratio.toFixed(2),
      `≥ ${target.ratio.toFixed(2)} ${verdict(perSecond.ratio >= target.ratio)}`,
      p99.emulator.toFixed(2),
      p99.bare.toFixed(2),
      p99.ratio.toFixed(2),
      target.p99 ? `< ${target.p99.toFixed(2)} ${verdict(p99.ratio < target.p99)}` : '',
    ];
  });
  return table(header, rows);
}

/** The same comparison by CPU time, which other programs on the machine disturb less, and who was busy at all. */
function costTable({ load }) {
  const header = ['', 'emulator CPU µs/request', 'bare CPU µs/request', 'bare / emulator'];
  header.push('emulator busy', 'bare busy', 'load tool busy (bare)');
  const rows = LOAD_ROWS.map(({ label, run, server }) => {
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
  return table(header, rows);
}

/** What the journal costs a request that nothing is to go wrong with: the same server without it, in the same round. */
function journalTable({ load }) {
  const header = ['', 'CPU µs/request', 'without journal', 'cost', 'target'];
  const rows = ['poll32', 'generate32'].map((run) => {
    const { rounds } = load[run];
    const label = `journal, ${run === 'poll32' ? 'check-status' : 'generate'}, 32 connections`;
    if (rounds[0].memory.cpuMicrosPerRequest === undefined) return [label, ...Array(4).fill(NOT_MEASURED)];
    const of = (server) => rounds.map((round) => round[server].cpuMicrosPerRequest);
    const costs = of('memory').map((withIt, place) => withIt / of('unjournaled')[place] - 1);
    const cost = median(costs);
    return [
      label,
      median(of('memory')).toFixed(1),
      median(of('unjournaled')).toFixed(1),
      `${(cost * 100).toFixed(1)} %`,
      `< ${percent(TARGETS.journalCost)} ${verdict(cost < TARGETS.journalCost)}`,
    ];
  });
  return table(header, rows);
}

/** What drawing many images at once costs whoever polls meanwhile. */
function burstTable({ burst: { images, pollsPerSecond, rounds } }) {
  const all = (figureOf) => rounds.map(figureOf);
  const pollRow = (label, figure, of, target) => {
    const during = of(all((round) => round.during[figure]));
    const before = of(all((round) => round.before[figure]));
    const told = target ? `< ${target} ms ${verdict(during < target)}` : '';
    return [label, `${during.toFixed(2)} ms`, `${before.toFixed(2)} ms`, told];
  };
  const largest = (values) => Math.max(...values);
  const seconds = median(all((round) => round.seconds));
  const megabytes = median(all((round) => round.bytes)) / 1e6;
  const header = ['', `${images} images of 4K at once`, 'before', 'target'];
  return table(header, [
    pollRow(`check-status, ${pollsPerSecond} a second, p50`, 'p50Ms', median),
    pollRow(`check-status, ${pollsPerSecond} a second, p99`, 'p99Ms', median, TARGETS.burstP99Ms),
    pollRow(`check-status, ${pollsPerSecond} a second, latest of all`, 'maxMs', largest),
    burstMemoryRow(rounds, largest),
    ['from the first request to the last image', `${seconds.toFixed(1)} s`, '', ''],
    ['all images together', `${megabytes.toFixed(0)} MB`, '', ''],
  ]);
}

function burstMemoryRow(rounds, largest) {
  const label = 'resident memory, most';
  if (rounds[0].mostMib === undefined) return [label, NOT_MEASURED, NOT_MEASURED, ''];
  const during = largest(rounds.map(({ mostMib }) => mostMib));
  const before = largest(rounds.map(({ mostMibBefore }) => mostMibBefore));
  const told = `< ${TARGETS.burstMib} MiB ${verdict(during < TARGETS.burstMib)}`;
  return [label, `${during.toFixed(0)} MiB`, `${before.toFixed(0)} MiB`, told];
}

function restTable({ start, idleMib, load }) {
  const polls = [load.poll32, load.poll256];
  const generates = [load.generate32];
  const stored = (server) => {
    const { warmUpRequests, rounds } = load.generate32;
    const tasks = rounds.reduce((sum, round) => sum + round[server].requests, warmUpRequests[server]);
    return `${Math.round(tasks / 1000)} thousand tasks`;
  };
  const header = ['', 'emulator', 'bare', 'ratio', 'target'];
  return table(header, [
    startRow('start to ready line', start, 'readyMs'),
    startRow('start to first answer', start, 'answeredMs', TARGETS.startMs),
    memoryRow('resident memory, idle', idleMib.memory, idleMib.bare, TARGETS.idleMib),
    memoryRow(
      'resident memory, most under polls',
      most(polls, 'memory'),
      most(polls, 'bare'),
      TARGETS.loadMib,
    ),
    memoryRow(
      `resident memory, most under generate, ${stored('disk')} on disk`,
      most(generates, 'disk'),
      most(generates, 'bare'),
      TARGETS.loadMib,
    ),
    memoryRow(
      'resident memory, most under video',
      most([load.video32], 'media'),
      most([load.video32], 'bare'),
    ),
    // No target: it keeps all tasks in memory, so the figure grows with every request.
    memoryRow(
      `resident memory, most under generate, ${stored('memory')} in memory`,
      most(generates, 'memory'),
      most(generates, 'bare'),
    ),
  ]);
}

function startRow(label, start, figure, target) {
  const rounds = start.emulator.map((emulator, index) => ({ emulator, bare: start.bare[index] }));
  const { emulator, bare, ratio } = compare(rounds, 'emulator', figure);
  const told = target ? `≤ ${target} ms ${verdict(emulator <= target)}` : '';
  return [label, `${emulator.toFixed(0)} ms`, `${bare.toFixed(0)} ms`, ratio.toFixed(2), told];
}

function memoryRow(label, emulator, bare, target) {
  if (emulator === undefined) return [label, NOT_MEASURED, NOT_MEASURED, '', target ? `≤ ${target} MiB` : ''];
  const told = target ? `≤ ${target} MiB ${verdict(emulator <= target)}` : '';
  return [label, `${emulator.toFixed(0)} MiB`, `${bare.toFixed(0)} MiB`, (emulator / bare).toFixed(2), told];
}

function most(runs, server) {
  const all = runs.flatMap(({ rounds }) => rounds.map((round) => round[server].mostMib));
  return all.includes(undefined) ? undefined : Math.max(...all);
}

function compare(rounds, server, figure) {
  return {
    emulator: median(rounds.map((round) => round[server][figure])),
    bare: median(rounds.map(({ bare }) => bare[figure])),
    ratio: median(rounds.map((round) => round[server][figure] / round.bare[figure])),
  };
}

function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const verdict = (met) => (met ? 'met' : 'missed');
const percent = (share) => `${Math.round(share * 100)} %`;

/** Markdown that can be read on a terminal too. */
function table(header, rows) {
  const widths = header.map((_, column) =>
    Math.max(3, ...[header, ...rows].map((row) => row[column].length)),
  );
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
  const line = (row) => `| ${row.map(pad).join(' | ')} |\n`;
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return line(header) + line(rule) + rows.map(line).join('');
}
