// What was asked for on the command line.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { here } from './process-runner.mjs';

/** In the order in which they are measured; `asked`: only when it is asked for by name, because it takes long. */
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
  growth: { asked: true },
  peers: { asked: true },
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

/** To see whether all works, not to know how fast. */
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

const MOST_ROUNDS = 50;

const HELP = `Measures the emulator beside a bare Fastify server.

Usage: npm run bench -- [flags]

  --only a,b     only these: ${Object.keys(SECTIONS).join(', ')}
  --growth       also with ${FULL.growth.tasks.toLocaleString('en')} tasks in the database
  --peers        also beside other mock servers, which npm installs into a temporary directory
  --rounds n     rounds of a comparison (default ${FULL.rounds})
  --quick        short windows and few rounds, to see whether all works
  --out dir      where the report is written (default docs; with --only or --quick nowhere)
  --help         this text
`;

class WrongFlag extends Error {}

/** Ends the process, with one sentence, when the flags make no sense. */
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
  if (given.rounds !== undefined) settings.rounds = roundsOf(given.rounds);
  const names = Object.keys(SECTIONS);
  const chosen = only === undefined ? names.filter((name) => !SECTIONS[name].asked || given[name]) : [];
  if (only !== undefined) {
    for (const name of only.split(',')) {
      if (!names.includes(name)) {
        throw new WrongFlag(`--only knows no "${name}"; it takes some of ${names.join(', ')}.`);
      }
    }
    chosen.push(...names.filter((name) => only.split(',').includes(name) || given[name]));
  }
  const isWhole = only === undefined && !quick;
  // A report of a part, or of a short look, must not take the place of the whole one.
  const outDir = out === undefined ? (isWhole ? here('../docs') : undefined) : resolve(out);
  return { settings, sections: new Set(chosen), outDir, command: commandOf(given) };
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
    throw new WrongFlag(`"${stray}" is no flag; ${instead}.`);
  }
}

/** What measures the same; where the report goes has no part in it. */
function commandOf(given) {
  const flags = Object.entries(given).map(([flag, value]) => (value === true ? `--${flag}` : `--${flag}=${value}`));
  return ['npm run bench', ...(flags.length > 0 ? ['--'] : []), ...flags].join(' ');
}

function roundsOf(text) {
  const rounds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (rounds < 1 || rounds > MOST_ROUNDS) {
    throw new WrongFlag(`--rounds must be a whole number from 1 to ${MOST_ROUNDS}, not "${text}".`);
  }
  return rounds;
}
