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
  startMs: 300,
  idleMib: 85,
  loadMib: 180,
  journalCost: 0.05,
};

const LOAD_ROWS = [
  { label: 'check-status, 32 connections', run: 'poll32', server: 'memory', target: TARGETS.poll32 },
  { label: 'check-status, 256 connections', run: 'poll256', server: 'memory', target: TARGETS.poll256 },
  { label: 'generate, 32 connections', run: 'generate32', server: 'memory', target: TARGETS.memory },
  { label: 'generate, 32 connections, --data-dir', run: 'generate32', server: 'disk', target: TARGETS.disk },
];

export function toTables(raw) {
  return [loadTable(raw), costTable(raw), ...idleNote(raw), journalTable(raw), restTable(raw)].join('\n');
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
  const { date, node, platform, cpu, settings, loadAverageBefore } = raw;
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

Figures are medians of ${settings.rounds} rounds (${settings.startRounds} of the start); a ratio is the median of the rounds' own ratios, so it need not
be the quotient of the two medians. Targets are those of the project's plan. The raw figures are in
[bench.json](bench.json).
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
      `< ${target.p99.toFixed(2)} ${verdict(p99.ratio < target.p99)}`,
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
