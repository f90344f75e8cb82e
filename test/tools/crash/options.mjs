// What the command is told. A wrong word is answered with one sentence.
import { parseArgs } from 'node:util';

const SHORT_ROUNDS = 5;
const ROUNDS = 50;
const MOST_ROUNDS = 10_000;
const MOST_SEED = 2 ** 32 - 1;

export const HELP = `Kills the emulator under load, round after round, and makes trouble for its disk, its file and its clock.

  npm run test:crash -- [--rounds N] [--seed N] [--short]

  --rounds N  rounds of load and kill, 0 to ${MOST_ROUNDS}; ${ROUNDS} when absent
  --seed N    decides what is sent and when it is killed, 0 to ${MOST_SEED}; drawn, and printed, when absent
  --short     ${SHORT_ROUNDS} rounds, for CI
  --help      this`;

export class WrongOption extends Error {}

/** @throws WrongOption with the sentence to say */
export function readOptions(args) {
  const { values } = parsed(args);
  const whole = (name, most, fallback) => {
    const text = values[name];
    if (text === undefined) return fallback;
    if (!/^\d{1,10}$/.test(text) || Number(text) > most)
      throw new WrongOption(`--${name} is ${JSON.stringify(text)}; give a whole number from 0 to ${most}.`);
    return Number(text);
  };
  const { short = false, help = false } = values;
  return {
    help,
    rounds: whole('rounds', MOST_ROUNDS, short ? SHORT_ROUNDS : ROUNDS),
    seed: whole('seed', MOST_SEED, Math.floor(Math.random() * MOST_SEED)),
  };
}

function parsed(args) {
  const text = { type: 'string' };
  const flag = { type: 'boolean' };
  try {
    return parseArgs({ args, options: { rounds: text, seed: text, short: flag, help: flag } });
  } catch (error) {
    if (error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' || error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
      const word = /'([^']+)'/.exec(error.message)?.[1];
      throw new WrongOption(`There is no ${word}; give --rounds N, --seed N, --short or --help.`);
    }
    throw new WrongOption(`${error.message.split(/[.\n]/)[0]}; give --rounds N, --seed N, --short or --help.`);
  }
}
