// `npm run test:crash`, which builds the emulator first. Ends with 1 when something did not hold.

import { playTroubles } from './failure-modes/index.mjs';
import { HELP, readOptions, WrongOption } from './options.mjs';
import { runRounds } from './rounds.mjs';

const MOST_SHOWN = 40;
const MOST_MS_A_ROUND = 30_000;
const MOST_MS_OF_TROUBLES = 300_000;

const say = (text) => process.stdout.write(`${text}\n`);

try {
  await run(readOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof WrongOption)) throw error;
  process.stderr.write(`test:crash: ${error.message}\n`);
  process.exit(2);
}

async function run({ help, rounds, seed }) {
  if (help) return say(HELP);
  const begin = performance.now();
  setTimeout(
    () => {
      process.stderr.write('test:crash: it took longer than it may\n');
      process.exit(1);
    },
    rounds * MOST_MS_A_ROUND + MOST_MS_OF_TROUBLES,
  ).unref();
  say(`${rounds} rounds, --seed ${seed}`);
  const crashes = await runRounds({ rounds, seed, say });
  const troubles = await playTroubles(say);
  const problems = [...crashes.problems, ...troubles.problems];

  const { answered, events, ordered, midWrite, inTransaction, startsKilled, inFlightDone, inFlightNot } = crashes;
  say(`
rounds                        ${crashes.rounds}, each ended by SIGKILL under load; ${startsKilled} times the next start was killed as well
answers read                  ${answered}, and ${events} events
orders that became tasks      ${ordered}
kills in the middle           ${inTransaction} inside of a transaction, ${midWrite} while its pages were written
calls under way at a kill     ${inFlightDone} had been done, ${inFlightNot} had not
scenes of trouble             ${troubles.passed} held, ${troubles.skipped} skipped, ${troubles.checks} checks
seconds                       ${Math.round((performance.now() - begin) / 1000)}
problems                      ${problems.length}`);
  for (const problem of problems.slice(0, MOST_SHOWN)) say(`  ${problem}`);
  process.exit(problems.length === 0 ? 0 : 1);
}
