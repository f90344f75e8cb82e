import { execFile } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram, startCommand } from '../support/command.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

const hasPython = hasProgram('python3', '--version');
const hasPytest = hasProgram('python3', '-m', 'pytest', '--version');

/** The environment of an example: the emulator's URL, and nothing that belongs to this test run. */
const environment = (url: string) => ({ PATH: process.env.PATH!, NANOPHOTO_API_BASE_URL: url });

describe('documented examples', () => {
  it.each([
    ['ts', 'vitest/video.test.ts'],
    ['python', 'pytest/test_video.py'],
  ])('are quoted unchanged in docs/testing-without-sleeping.md: %s', (language, file) => {
    const page = readFileSync(join(ROOT, 'docs/testing-without-sleeping.md'), 'utf8');
    const [, quoted] = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)!;
    expect(quoted).toBe(readFileSync(join(ROOT, 'docs/examples', file), 'utf8'));
  });

  it.each(['library/video.test.ts', 'jest/video.test.cjs', 'pytest/conftest.py', 'pytest/test_fixture.py'])(
    'are quoted unchanged in docs/library.md: %s',
    (file) => {
      const page = readFileSync(join(ROOT, 'docs/library.md'), 'utf8');
      expect(page).toContain(`\n${readFileSync(join(ROOT, 'docs/examples', file), 'utf8')}\`\`\``);
    },
  );

  it('pass with vitest', async () => {
    const { url } = await startCommand();
    const dir = tempDir();
    cpSync(join(ROOT, 'docs/examples/vitest'), dir, { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
    const args = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', dir, '--no-color'];
    const { stdout } = await run(process.execPath, args, { cwd: dir, env: environment(url) });
    expect(stdout).toMatch(/Tests {2}5 passed/);
  });

  it.skipIf(!hasPython)('pass with Python and, if installed, pytest', async () => {
    const { url } = await startCommand();
    const file = join(ROOT, 'docs/examples/pytest/test_video.py');
    const env = { ...environment(url), PYTHONDONTWRITEBYTECODE: '1' };
    const { stdout } = await run('python3', [file], { env });
    expect(stdout.match(/^passed: /gm)).toHaveLength(4);
    if (!hasPytest) return;
    const pytest = await run('python3', ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', file], { env });
    expect(pytest.stdout).toContain('4 passed');
  });
});
