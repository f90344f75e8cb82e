// The command-line options.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { here } from './process-runner.mjs';

/** In the order of measurement. `isOptIn`: runs only when requested by name, because it takes long. */
export const SECTIONS = {
  start: {},
  library: {},
  poll32: {},
  poll256: {},
  generate32: {},
  video32: {},
  burst: {},
  streams: {},
  uploads: {},
  minute: {},
  growth: { isOptIn: true },
  peers: { isOptIn: true },
};

const FULL = {
  rounds: 5,
  windowSeconds: 2,
  warmUpSeconds: 1.5,
  startRounds: 7,
  longRounds: 3,
  streams: { count: 1000, speed: 1, openSeconds: 2, windowSeconds: 8 },
  uploadRounds: 7,
  libraryStarts: 20,
  minuteSeconds: 60,
  growth: { tasks: 1_000_000, accounts: 10_000 },
};

/** Shows whether everything works; the figures mean little. */
const QUICK = {
  rounds: 2,
  windowSeconds: 1,
  warmUpSeconds: 1,
  startRounds: 2,
  longRounds: 1,
  streams: { count: 200, speed: 4, openSeconds: 0.5, windowSeconds: 1.5 },
  uploadRounds: 2,
  libraryStarts: 5,
  minuteSeconds: 5,
  growth: { tasks: 20_000, accounts: 200 },
};

const MAX_ROUNDS = 50;

const HELP = `Compares the emulator with a bare Fastify server.

Usage: npm run bench -- [flags]

  --only a,b     run only these: ${Object.keys(SECTIONS).join(', ')}
  --growth       also measure with ${FULL.growth.tasks.toLocaleString('en')} tasks in the database
  --peers        also measure other mock servers, which npm installs into a temporary directory
  --rounds n     rounds per comparison (default ${FULL.rounds})
  --quick        short windows and few rounds, to check that everything works
  --out dir      directory of the report (default: docs; none with --only or --quick)
  --help         print this help
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
  const { out, help, ...given } = parse(args);
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
  return { settings, sections: new Set(chosen), outDir, command: formatCommand(given) };
}

function parse(args) {
  const text = { type: 'string' };
  const word = { type: 'boolean' };
  const options = { only: text, out: text, rounds: text, quick: word, growth: word, peers: word, help: word };
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
