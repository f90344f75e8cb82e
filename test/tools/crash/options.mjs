// The command-line options. A wrong option ends the command with a one-sentence error.
import { parseArgs } from 'node:util';

const SHORT_ROUNDS = 5;
const ROUNDS = 50;
const MAX_ROUNDS = 10_000;
const MAX_SEED = 2 ** 32 - 1;

export const HELP = `Kills the emulator under load, round after round, then makes its disk, its file and its clock fail.

  npm run test:crash -- [--rounds N] [--seed N] [--short]

  --rounds N  rounds of load and kill, 0 to ${MAX_ROUNDS}; default ${ROUNDS}
  --seed N    decides what is sent and when the emulator is killed, 0 to ${MAX_SEED}; random (and printed) by default
  --short     ${SHORT_ROUNDS} rounds, for CI
  --help      print this help`;

export class WrongOption extends Error {}

/** @throws WrongOption when an option is unknown or its value is invalid; the message is the sentence to print */
export function readOptions(args) {
  const { values } = parse(args);
  const integer = (name, max, fallback) => {
    const text = values[name];
    if (text === undefined) return fallback;
    if (!/^\d{1,10}$/.test(text) || Number(text) > max)
      throw new WrongOption(`--${name} is ${JSON.stringify(text)}; expected a whole number from 0 to ${max}.`);
    return Number(text);
  };
  const { short = false, help = false } = values;
  return {
    help,
    rounds: integer('rounds', MAX_ROUNDS, short ? SHORT_ROUNDS : ROUNDS),
    seed: integer('seed', MAX_SEED, Math.floor(Math.random() * MAX_SEED)),
  };
}

function parse(args) {
  const text = { type: 'string' };
  const flag = { type: 'boolean' };
  try {
    return parseArgs({ args, options: { rounds: text, seed: text, short: flag, help: flag } });
  } catch (error) {
    if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
      const word = /'([^']+)'/.exec(error.message)?.[1];
      throw new WrongOption(`Unknown option ${word}; use --rounds N, --seed N, --short or --help.`);
    }
    throw new WrongOption(`${error.message.split(/[.\n]/)[0]}; use --rounds N, --seed N, --short or --help.`);
  }
}
