import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { integerBetween, readFlags } from '../../../support/flags.ts';
import { runtimeDir } from '../runtime-dir.ts';
import { PLANTED_BUGS } from './bugs.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const MAX_SEEDS = 1000;

const flags = readFlags('test:simulation', {
  only: {
    read: (text) => PLANTED_BUGS.find(({ name }) => name === text),
    expects: 'the name of a planted bug',
    describes: 'plants one bug',
  },
  workers: {
    read: integerBetween(1, 64),
    expects: 'a whole number from 1 to 64',
    describes: 'number of processes; default 2',
  },
});

const dir = mkdtempSync(join(runtimeDir(), 'nanophoto-planted-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
for (const name of ['src', 'migrations', 'fixtures', 'package.json', 'tsconfig.json', 'test/support', 'test/tools']) {
  cpSync(join(ROOT, name), join(dir, name), { recursive: true });
}
symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));

const bugs = flags.only ? [flags.only] : PLANTED_BUGS;
let missed = 0;
for (const { name, file, find, replace } of bugs) {
  const path = join(dir, file);
  const source = readFileSync(path, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`${file} does not contain the text of "${name}" exactly once`);
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
  const { stdout } = spawnSync(
    process.execPath,
    [
      ...process.execArgv,
      join(dir, 'test/tools/simulation/main.ts'),
      ...['--seeds', String(MAX_SEEDS), '--findings', '1', '--workers', String(flags.workers ?? 2)],
    ],
    { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1e9 },
  );
  writeFileSync(path, source);
  const seeds = /^(\d+) schedules/m.exec(stdout)?.[1];
  const finding = /^seed .*?: (.*)$/m.exec(stdout)?.[1];
  if (!finding) missed += 1;
  process.stdout.write(`| ${name} | ${finding ? seeds : 'not found'} | ${finding?.slice(0, 120) ?? ''} |\n`);
}
process.stdout.write(`${missed} of ${bugs.length} planted bugs were not found in ${MAX_SEEDS} seeds\n`);
process.exit(missed > 0 ? 1 : 0);
