// `npm run test:crash`, which builds the emulator first. Exits with 1 if any check failed.

import { runFailureModes } from './failure-modes/index.mjs';
import { HELP, readOptions, WrongOption } from './options.mjs';
import { runRounds } from './rounds.mjs';

const MAX_PROBLEMS_PRINTED = 40;
const MAX_MS_PER_ROUND = 30_000;
const MAX_FAILURE_MODES_MS = 300_000;

const print = (text) => process.stdout.write(`${text}\n`);

try {
  await run(readOptions(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof WrongOption)) throw error;
  process.stderr.write(`test:crash: ${error.message}\n`);
  process.exit(2);
}

async function run({ help, rounds, seed }) {
  if (help) return print(HELP);
  const startedMs = performance.now();
  setTimeout(
    () => {
      process.stderr.write('test:crash: timed out\n');
      process.exit(1);
    },
    rounds * MAX_MS_PER_ROUND + MAX_FAILURE_MODES_MS,
  ).unref();
  print(`${rounds} rounds, --seed ${seed}`);
  const crashes = await runRounds({ rounds, seed, print });
  const failureModes = await runFailureModes(print);
  const problems = [...crashes.problems, ...failureModes.problems];

  const { responses, events, ordered, midWrite, inTransaction, startsKilled, inFlightDone, inFlightNot } = crashes;
  const { passed, skipped, checks } = failureModes;
  print(`
rounds                        ${crashes.rounds}, each ended by SIGKILL; the next start was killed too in ${startsKilled}
responses read                ${responses}, plus ${events} events
orders that became tasks      ${ordered}
kills during a write          ${inTransaction} inside a transaction, ${midWrite} while its pages were being written
requests in flight at a kill  ${inFlightDone} had taken effect, ${inFlightNot} had not
failure modes                 ${passed} passed, ${skipped} skipped, ${checks} checks
seconds                       ${Math.round((performance.now() - startedMs) / 1000)}
problems                      ${problems.length}`);
  for (const problem of problems.slice(0, MAX_PROBLEMS_PRINTED)) print(`  ${problem}`);
  process.exit(problems.length === 0 ? 0 : 1);
}
