import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const COPIED = [
  'src',
  'test',
  'fixtures',
  'migrations',
  'scripts',
  'docs',
  '.ci',
  'README.md',
  'CONTRIBUTING.md',
  'docker',
];
const COPIED_FILES = [
  'CHANGELOG.md',
  'LICENSE',
  'SECURITY.md',
  'Dockerfile',
  'package.json',
  'tsconfig.json',
  'biome.json',
  'vitest.config.ts',
];

/** Tests whose result is the same as in this project: of other families, and of what a page shows. */
const UNAFFECTED = [
  ...['sora', 'veo-3', 'seedance', 'nano-banana', 'prompt-generator', 'reverse-prompt'],
  ...['overview', '/__admin/openapi\\.json ', 'faults.md › commands', 'faults.md › directives'],
  ...['lists every setting', 'lists every command'],
];
const AFFECTED = `^(?!.*(?:${UNAFFECTED.join('|')}))`;

const run = promisify(execFile);
const bin = (name: string) => join(ROOT, 'node_modules/.bin', name);

/** A copy of the project that shares its installed packages. */
function copyProject(): string {
  const dir = tempDir();
  const filter = (source: string) => basename(source) !== 'node_modules';
  for (const name of [...COPIED, ...COPIED_FILES])
    cpSync(join(ROOT, name), join(dir, name), { recursive: true, filter });
  for (const name of ['node_modules', 'test/node_modules']) symlinkSync(join(ROOT, name), join(dir, name));
  return dir;
}

/** Writes the files of the page and applies its diffs. Returns the names of the files. */
function follow(page: string, dir: string): string[] {
  const blocks = [...page.matchAll(/^```(\w+) (\S+)\n([\s\S]*?)^```$/gm)];
  for (const [, language, name, text] of blocks) {
    const file = join(dir, name!);
    if (language === 'diff') {
      const lines = text!.trimEnd().split('\n');
      const side = (sign: string) =>
        lines
          .filter((line) => !line.startsWith(sign))
          .map((line) => `${line.slice(1)}\n`)
          .join('');
      const parts = readFileSync(file, 'utf8').split(side('+'));
      expect(parts.length, `a diff of the page no longer applies to ${name}: update it`).toBe(2);
      writeFileSync(file, parts.join(side('-')));
    } else {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text!);
    }
  }
  return blocks.map(([, , name]) => name!);
}

describe('docs/contributing/adding-a-family.md', () => {
  // Runs a build and a test run of its own, besides the checks.
  it('leads to a family that passes every check', async () => {
    const page = readFileSync(join(ROOT, 'docs/contributing/adding-a-family.md'), 'utf8');
    const dir = copyProject();
    const changed = follow(page, dir);
    expect(changed).toHaveLength(8);
    const [, updateDocuments] = /^```sh\n(npm run openapi && npm run docs)\n```$/m.exec(page)!;
    await run('sh', ['-c', updateDocuments!], { cwd: dir });

    const tests = [
      ...['families/photo-upscale', 'families/prices', 'families/wire', 'docs/reference', 'docs/faults'],
      ...['architecture', 'conformance/contract', 'openapi/vendor-document', 'client/types'],
    ];
    const files = tests.map((name) => `test/${name}.test.ts`);
    // No type in another file outside of src depends on the families. One thread, and one worker below, need much less
    // CPU time than several: each loads everything again.
    const types = join(dir, 'tsconfig.affected.json');
    writeFileSync(types, JSON.stringify({ extends: './tsconfig.json', include: ['src', files[0]] }));
    // `npm run openapi` has built the command.
    const setup = join(dir, 'test/support/global-setup.ts');
    const isBuild = /^ {2}execFileSync\(process\.execPath, \['scripts\/build\.mjs'\].*\n/m;
    expect(readFileSync(setup, 'utf8')).toMatch(isBuild);
    writeFileSync(setup, readFileSync(setup, 'utf8').replace(isBuild, ''));
    const [, , { stdout }] = await Promise.all([
      run(bin('tsc'), ['--project', types, '--singleThreaded'], { cwd: dir }),
      run(bin('biome'), ['ci', '--colors=off', ...changed.filter((name) => !name.endsWith('.md'))], { cwd: dir }),
      run(bin('vitest'), ['run', '--maxWorkers=1', '--reporter=verbose', '--no-color', '-t', AFFECTED, ...files], {
        cwd: dir,
      }),
    ]);
    expect(stdout).toContain('Photo Upscale > completes a task after its simulated time');
    expect(stdout).toContain('cover every error code: photo-upscale');
    expect(stdout).toMatch(/photo-upscale > '?a completed picture has its URL/);
    expect(stdout).toContain(`Test Files  ${tests.length} passed`);
  }, 300_000);
});
