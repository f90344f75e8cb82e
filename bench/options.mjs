// The command-line options.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { here } from './support/process-runner.mjs';

/** In the order of measurement. `isOptIn`: runs only when requested by name, because it takes long. */
export const SECTIONS = {
  start: {},
  library: {},
  poll32: {},
  poll256: {},
  generate32: {},
  video32: {},
  journal: {},
  burst: {},
  streams: {},
  uploads: {},
  forwarding: {},
  state: {},
  minute: {},
  retained: {},
  growth: { isOptIn: true },
  peers: { isOptIn: true },
};

const FULL = {
  rounds: 5,
  windowSeconds: 2,
  warmUpSeconds: 1,
  fixedRounds: 3,
  startRounds: 5,
  /** Rounds of images, streams, concurrent uploads, imports, exports and the starts of peers. */
  longRounds: 2,
  burst: { images: 200, pollsPerSecond: 200, quietSeconds: 4 },
  streams: { count: 1000, speed: 1, openSeconds: 2, windowSeconds: 5 },
  journal: { rounds: 20, windowSeconds: 1 },
  uploadRounds: 7,
  forwardingTurns: 20,
  state: { tasks: 100_000, pollsPerSecond: 200 },
  libraryStarts: 20,
  minuteSeconds: 60,
  /** Number of requests of each kind, which must fit in 8 MiB of the journal. */
  retained: 5000,
  growth: { tasks: 1_000_000, accounts: 10_000 },
  /** Nearly equal servers need more rounds to compare than ones that differ by half. */
  growthRounds: 7,
  peerRounds: 3,
};

/** Shows whether everything works; the figures mean little. */
const QUICK = {
  rounds: 1,
  windowSeconds: 0.5,
  warmUpSeconds: 0.5,
  fixedRounds: 1,
  startRounds: 1,
  longRounds: 1,
  burst: { images: 20, pollsPerSecond: 200, quietSeconds: 1 },
  streams: { count: 100, speed: 2, openSeconds: 0.5, windowSeconds: 1 },
  journal: { rounds: 1, windowSeconds: 0.5 },
  uploadRounds: 1,
  forwardingTurns: 3,
  state: { tasks: 2000, pollsPerSecond: 200 },
  libraryStarts: 3,
  minuteSeconds: 2,
  retained: 1000,
  growth: { tasks: 20_000, accounts: 200 },
  growthRounds: 1,
  peerRounds: 1,
};

const MAX_ROUNDS = 50;

const HELP = `Compares the emulator with a bare Fastify server.

Usage: npm run bench -- [flags]

  --only a,b     run only these: ${Object.keys(SECTIONS).join(', ')}
  --growth       also measure with ${FULL.growth.tasks.toLocaleString('en')} tasks in the database
  --peers        also measure other mock servers, which npm installs into a temporary directory
  --rounds n     rounds per comparison (default ${FULL.rounds})
  --quick        short windows and few rounds, to check that everything works
  --beside file  also show the figures of another run, such as one with another Node.js, from its bench.json
  --out dir      directory of the report (default: docs; none with --only or --quick)
  --help         print this help

The Node.js that runs the benchmark also runs all servers. To use another version, in a copy of the clone:

  npm install --prefix /tmp/node24 node@24
  export PATH=/tmp/node24/node_modules/node/bin:$PATH
  npm rebuild better-sqlite3
  npm run bench -- --out /tmp/bench24
`;

class WrongFlag extends Error {}

/** Exits with 2 and a one-sentence error when the flags are invalid. */
export function readOptions(args = process.argv.slice(2)) {
  try {
    return read(args);
  } catch (error) {
    if (!(error instanceof WrongFlag)) throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(2);
  }
}

function read(args) {
  const { out, beside, help, ...given } = parse(args);
  if (help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const { only, quick = false } = given;
  const settings = { ...(quick ? QUICK : FULL), quick };
  if (given.rounds !== undefined) settings.rounds = parseRounds(given.rounds);
  const names = Object.keys(SECTIONS);
  const chosen = only === undefined ? names.filter((name) => !SECTIONS[name].isOptIn || given[name]) : [];
  if (only !== undefined) {
    for (const name of only.split(',')) {
      if (!names.includes(name)) {
        throw new WrongFlag(`--only does not know "${name}"; use one or more of ${names.join(', ')}.`);
      }
    }
    chosen.push(...names.filter((name) => only.split(',').includes(name) || given[name]));
  }
  const isComplete = only === undefined && !quick;
  // A partial or quick report must not replace the complete one.
  const outDir = out === undefined ? (isComplete ? here('../docs') : undefined) : resolve(out);
  return { settings, sections: new Set(chosen), outDir, beside: readBeside(beside), command: formatCommand(given) };
}

function parse(args) {
  const text = { type: 'string' };
  const word = { type: 'boolean' };
  const options = {
    ...{ only: text, out: text, beside: text, rounds: text },
    ...{ quick: word, growth: word, peers: word, help: word },
  };
  try {
    return parseArgs({ args, options }).values;
  } catch ({ code, message }) {
    const flag = /'?(--?[\w-]+)/.exec(message)?.[1];
    const instead = 'npm run bench -- --help lists the flags';
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw new WrongFlag(`Unknown flag ${flag}; ${instead}.`);
    if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
      const takesText = options[flag?.replace(/^-+/, '')] === text;
      throw new WrongFlag(`${flag} ${takesText ? 'needs a value' : 'takes no value'}; ${instead}.`);
    }
    const stray = /'([^']*)'/.exec(message)?.[1];
    throw new WrongFlag(`"${stray}" is not a flag; ${instead}.`);
  }
}

/** The raw figures of another run. */
function readBeside(file) {
  if (file === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch ({ message }) {
    throw new WrongFlag(`--beside must name the bench.json of another run, not ${file}: ${message}.`);
  }
}

/** The command that repeats the measurement, without the output directory. */
function formatCommand(given) {
  const flags = Object.entries(given).map(([flag, value]) => (value === true ? `--${flag}` : `--${flag}=${value}`));
  return ['npm run bench', ...(flags.length > 0 ? ['--'] : []), ...flags].join(' ');
}

function parseRounds(text) {
  const rounds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (rounds < 1 || rounds > MAX_ROUNDS) {
    throw new WrongFlag(`--rounds must be a whole number from 1 to ${MAX_ROUNDS}, not "${text}".`);
  }
  return rounds;
}
