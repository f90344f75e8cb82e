import { createHash } from 'node:crypto';
import { integerBetween, readFlags } from '../../support/flags.ts';
import { FAILURES, type Failure } from './emulator/storage.ts';
import { runJobs } from './pool.ts';
import { MAX_STEPS } from './seed.ts';
import { createJobRunner, type Job, type JobResult } from './worker.ts';

const SEEDS = { full: 1000, short: 100, exhaustive: 1 };
const MAX_FINDINGS = 5;
const MAX_SEED = 2 ** 31 - 1;

const parseFailing = (text: string) => {
  const [, failure, at] = /^([a-zA-Z]+)@(\d{1,9})$/.exec(text) ?? [];
  if (!FAILURES.includes(failure as Failure) || Number(at) < 1) return undefined;
  return { at: Number(at), failure: failure as Failure };
};

const flags = readFlags('test:simulation', {
  seed: {
    read: integerBetween(0, MAX_SEED),
    expects: `a whole number from 0 to ${MAX_SEED}`,
    describes: 'the first seed; default 1',
  },
  seeds: {
    read: integerBetween(1, 1e9),
    expects: 'a whole number from 1',
    describes: `number of seeds; default ${SEEDS.full}, with --exhaustive ${SEEDS.exhaustive}`,
  },
  exhaustive: { describes: 'runs each seed once per statement and kind of failure' },
  steps: {
    read: integerBetween(0, MAX_STEPS),
    expects: `a whole number from 0 to ${MAX_STEPS}`,
    describes: `number of steps of each schedule; default ${MAX_STEPS}`,
  },
  fail: {
    read: parseFailing,
    expects: `a failure (${FAILURES.join(', ')}) and a statement, such as death@37`,
    describes: 'fails one statement, such as death@37',
  },
  workers: {
    read: integerBetween(1, 64),
    expects: 'a whole number from 1 to 64',
    describes: 'number of processes; default 2',
  },
  findings: {
    read: integerBetween(1, 1e6),
    expects: 'a whole number from 1',
    describes: `number of findings after which it stops; default ${MAX_FINDINGS}`,
  },
  transcript: { describes: 'prints the transcript of each seed' },
  short: { describes: `${SEEDS.short} seeds` },
});

const { exhaustive, fail: failing, steps = MAX_STEPS, workers = 2, seed: firstSeed = 1 } = flags;
const count = flags.seeds ?? (exhaustive ? SEEDS.exhaustive : flags.short ? SEEDS.short : SEEDS.full);
const print = (text: string) => process.stdout.write(`${text}\n`);
const refuse = (text: string) => {
  process.stderr.write(`test:simulation: ${text}\n`);
  process.exit(2);
};
if (flags.short && flags.seeds !== undefined) refuse('--short and --seeds exclude each other; leave one out.');
if (exhaustive && failing) refuse('--exhaustive and --fail exclude each other; leave one out.');
if (firstSeed + count - 1 > MAX_SEED) refuse(`--seed plus --seeds must not exceed ${MAX_SEED + 1}.`);

const startedAtMs = performance.now();
const totals = { runs: 0, steps: 0, requests: 0, statements: 0, failures: 0, deaths: 0 };
const found: { job: Job; result: JobResult }[] = [];

function onResult(job: Job, result: JobResult): boolean {
  totals.runs += 1;
  for (const name of ['steps', 'requests', 'statements', 'failures', 'deaths'] as const) totals[name] += result[name];
  if (flags.transcript) for (const line of result.lines) print(line);
  if (result.findings.length > 0) found.push({ job, result });
  return found.length < (flags.findings ?? MAX_FINDINGS);
}

const base = { steps, ...(flags.transcript ? { keepsLines: true } : {}) };
const seeds = Array.from({ length: count }, (_, index) => firstSeed + index);
const hashOfSeed = new Map<string, string>();
const record = (job: Job, result: JobResult) => {
  hashOfSeed.set(`${job.seed} ${job.failing?.failure ?? ''} ${job.failing?.at ?? ''}`, result.hash);
  return onResult(job, result);
};

if (exhaustive) {
  const counted: Job[] = [];
  await runJobs(
    seeds.map((seed) => ({ ...base, seed, failing: { at: Number.MAX_SAFE_INTEGER, failure: 'error' as const } })),
    Math.min(workers, seeds.length),
    (job, result) => {
      for (let at = 1; at <= result.statements; at++) {
        for (const failure of FAILURES) counted.push({ ...base, seed: job.seed, failing: { at, failure } });
      }
      print(`seed ${job.seed}: ${result.statements} statements`);
      return true;
    },
  );
  await runJobs(counted, workers, record);
} else {
  const jobs = seeds.map((seed): Job => ({ ...base, seed, ...(failing ? { failing } : {}) }));
  await runJobs(jobs, Math.min(workers, jobs.length), record);
}

if (found.length > 0) {
  const run = await createJobRunner();
  for (const { job, result } of found) await report(run, job, result);
}

const transcripts = [...hashOfSeed].sort(([one], [other]) => (one < other ? -1 : 1));
const sum = createHash('sha256')
  .update(transcripts.map(([name, hash]) => `${name} ${hash}\n`).join(''))
  .digest('hex');
const seconds = Math.round((performance.now() - startedAtMs) / 1000);
const { runs, steps: stepCount, requests, statements, failures, deaths } = totals;
print(`${runs} schedules, ${stepCount} steps, ${requests} requests, ${statements} statements in ${seconds} s`);
print(`${failures} failed statements, ${deaths} deaths`);
print(`transcripts: ${sum}`);
print(`${found.length} findings`);
process.exit(found.length > 0 ? 1 : 0);

/** Prints a finding with the shortest prefix of its schedule that shows it, which bisection finds. */
async function report(run: (job: Job) => Promise<JobResult>, job: Job, { findings, steps }: JobResult): Promise<void> {
  let shortest = steps;
  let tooShort = -1;
  while (shortest - tooShort > 1) {
    const middle = (shortest + tooShort) >> 1;
    const { findings } = await run({ ...job, steps: middle });
    if (findings.length > 0) shortest = middle;
    else tooShort = middle;
  }
  const fail = job.failing ? ` --fail ${job.failing.failure}@${job.failing.at}` : '';
  print(`seed ${job.seed}, after ${shortest} steps: ${findings.join('\n  ').slice(0, 4000)}`);
  print(`  npm run test:simulation -- --seed ${job.seed} --seeds 1 --steps ${shortest}${fail} --transcript`);
}
