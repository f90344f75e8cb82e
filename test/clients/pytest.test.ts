import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NO_PYTEST, NO_PYTEST_REASON, runPytest } from '../support/pytest.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

describe('python package', () => {
  // The longest of its tests start and stop several emulators.
  it('passes its own tests', { timeout: 300_000 }, async ({ skip }) => {
    skip(NO_PYTEST, NO_PYTEST_REASON);
    const output = await runPytest(join(ROOT, 'python'));
    expect(output).toMatch(/^\d{3} passed(, \d+ skipped)?(, \d+ warnings?)? in /m);
  });

  it('has the version and the license of the npm package', () => {
    const { version } = JSON.parse(read('package.json'));
    expect(read('python/pyproject.toml')).toContain(`\nversion = "${version}"\n`);
    expect(read('python/src/nanophoto_emulator_pytest/__init__.py')).toContain(`\n__version__ = "${version}"\n`);
    expect(read('python/LICENSE')).toBe(read('LICENSE'));
  });

  it('declares the module of the plugin as an entry point', () => {
    const [, name] = /\[project\.entry-points\.pytest11\]\nnanophoto = "([\w.]+)"/.exec(read('python/pyproject.toml'))!;
    expect(read(`python/src/${name!.replaceAll('.', '/')}.py`)).toContain('def nanophoto(');
  });

  it('depends on pytest alone', () => {
    expect(read('python/pyproject.toml')).toContain('\ndependencies = ["pytest>=7"]\n');
  });
});
