import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { integerBetween, readFlags } from '../../../support/flags.ts';
import { runJobs } from '../pool.ts';
import { runtimeDir } from '../runtime-dir.ts';
import { MAX_STEPS } from '../seed.ts';
import { PLANTED_BUGS, type PlantedBug } from './bugs.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const COPIED = ['src', 'migrations', 'package.json', 'tsconfig.json', 'test/support', 'test/tools/simulation'];
const LINKED = ['node_modules', 'fixtures'];
const DEFAULT_SEEDS = 1000;

const flags = readFlags('planted-bugs', {
  only: {
    read: (text) => {
      const bugs = PLANTED_BUGS.filter(({ name }) => name.includes(text));
      return bugs.length > 0 ? bugs : undefined;
    },
    expects: 'a part of the name of a planted bug',
    describes: 'plants only the bugs whose names contain this text',
  },
  seeds: {
    read: integerBetween(1, 1e6),
    expects: 'a whole number from 1',
    describes: `number of seeds to try, from 1 on; default ${DEFAULT_SEEDS}`,
  },
  workers: {
    read: integerBetween(1, 64),
    expects: 'a whole number from 1 to 64',
    describes: 'number of bugs that are tried at the same time; default 2',
  },
});
const { only: bugs = PLANTED_BUGS, seeds: seedCount = DEFAULT_SEEDS, workers = 2 } = flags;

const baseDir = mkdtempSync(join(runtimeDir(), 'nanophoto-planted-'));
process.on('exit', () => rmSync(baseDir, { recursive: true, force: true }));
const print = (text: string) => process.stdout.write(`${text}\n`);

const queue = [...bugs];
let missed = 0;

/** Plants one bug after the other in a copy of the repository, and runs seeds until one finds it. */
async function work(_: unknown, index: number): Promise<void> {
  const dir = join(baseDir, String(index));
  mkdirSync(dir);
  for (const name of COPIED) cpSync(join(ROOT, name), join(dir, name), { recursive: true });
  for (const name of LINKED) symlinkSync(join(ROOT, name), join(dir, name));
  for (let bug = queue.shift(); bug; bug = queue.shift()) {
    const found = await findBug(bug, dir);
    if (!found) missed += 1;
    print(`| ${bug.name} | ${found?.seed ?? 'not found'} | ${found?.finding ?? ''} |`);
  }
}

async function findBug(
  { file, find, replace }: PlantedBug,
  dir: string,
): Promise<{ seed: number; finding: string } | undefined> {
  const path = join(dir, file);
  const source = readFileSync(path, 'utf8');
  const planted = source.replace(find, () => replace);
  if (planted === source) throw new Error(`${file} does not contain ${find}`);
  writeFileSync(path, planted);
  let found: { seed: number; finding: string } | undefined;
  const jobs = Array.from({ length: seedCount }, (_, index) => ({ seed: index + 1, steps: MAX_STEPS }));
  await runJobs(
    jobs,
    1,
    ({ seed }, { findings: [finding] }) => {
      if (finding !== undefined) found = { seed, finding: /^.{0,120}/.exec(finding)![0] };
      return !found;
    },
    join(dir, 'test/tools/simulation'),
  );
  writeFileSync(path, source);
  return found;
}

print('| planted bug | first seed that finds it | finding |\n|---|---|---|');
await Promise.all(Array.from({ length: Math.min(workers, bugs.length) }, work));
print(`${bugs.length - missed} of ${bugs.length} planted bugs were found in at most ${seedCount} seeds`);
process.exit(missed > 0 ? 1 : 0);
