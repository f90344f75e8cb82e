import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll } from 'vitest';
import { oncePerRun } from './once-per-run.ts';

export const ROOT = join(import.meta.dirname, '../..');
export const MODULES = join(ROOT, 'node_modules');
export const TOOLS = join(ROOT, 'test/node_modules');

export const run = promisify(execFile);
/** An environment without anything that belongs to this run of the tests. */
export const environment = { PATH: process.env.PATH!, HOME: process.env.HOME! };

/**
 * A project in which the package is installed from its own tarball, and in which vitest and Playwright can be imported.
 * All test files share it: write only to directories of your own.
 */
export function usePackage() {
  let dir: string;
  beforeAll(async () => {
    dir = await oncePerRun('package', installPackage);
  });
  const project = () => join(dir, 'project');

  /** Copies an example into the project. Returns its path. */
  function copyExample(name: string, target = name): string {
    const copy = join(project(), target);
    mkdirSync(copy, { recursive: true });
    cpSync(join(ROOT, 'docs/examples', name), copy, { recursive: true });
    return copy;
  }

  return {
    project,
    /** The installed package. */
    installed: () => join(project(), 'node_modules/nanophoto-emulator'),
    tarball: () => join(dir, readdirSync(dir).find((name) => name.endsWith('.tgz'))!),
    runInProject: (command: string, ...args: string[]) => run(command, args, { cwd: project(), env: environment }),
    copyExample,
    /** The tests for Playwright are those for vitest with another import, as docs/guides/first-test.md says. */
    copyPlaywrightExample(target: string): string {
      const copy = copyExample('fixtures/vitest', target);
      for (const name of readdirSync(copy).filter((one) => one.endsWith('.ts'))) {
        const text = readFileSync(join(copy, name), 'utf8');
        writeFileSync(join(copy, name), text.replace("'nanophoto-emulator/vitest'", "'nanophoto-emulator/playwright'"));
      }
      return copy;
    },
  };
}

async function installPackage(dir: string): Promise<void> {
  // Packs a copy, because packing writes to dist and other tests use it.
  const copy = join(dir, 'copy');
  for (const name of readdirSync(ROOT)) {
    if (!['node_modules', 'dist', '.git', 'test'].includes(name))
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(MODULES, join(copy, 'node_modules'));
  // Building takes most of the time of packing, and the global setup has built the same files.
  const build = `fs.cpSync(${JSON.stringify(join(ROOT, 'dist'))}, 'dist', { recursive: true });`;
  writeFileSync(join(copy, 'scripts/build.mjs'), `import fs from 'node:fs';\n${build}\n`);
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', dir], {
    ...{ cwd: copy, env: environment, maxBuffer: 1e7 },
  });
  const tarball = join(dir, JSON.parse(/\[\s*\{[\s\S]*/.exec(stdout)![0])[0].filename);

  const project = join(dir, 'project');
  mkdirSync(project);
  // Links the two native packages instead of compiling them again.
  const addons = Object.fromEntries(['better-sqlite3', 'sharp'].map((name) => [name, `file:${join(MODULES, name)}`]));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', dependencies: addons }));
  const flags = ['--offline', '--install-links=false', '--ignore-scripts', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...flags, tarball], { cwd: project, env: environment });
  for (const name of ['@types', 'vitest', '@playwright']) {
    symlinkSync(join(MODULES, name), join(project, 'node_modules', name));
  }
}
