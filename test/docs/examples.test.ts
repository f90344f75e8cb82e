import { execFile } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The environment of an example: the emulator's URL, and nothing that belongs to this test run. */
const environment = (url: string) => ({ PATH: process.env.PATH!, NANOPHOTO_API_BASE_URL: url });

describe('documented examples', () => {
  it('are quoted unchanged in docs/guides/testing-without-sleeping.md', () => {
    const page = readFileSync(join(ROOT, 'docs/guides/testing-without-sleeping.md'), 'utf8');
    const [, quoted] = /```ts\n([\s\S]*?)```/.exec(page)!;
    expect(quoted).toBe(readFileSync(join(ROOT, 'docs/examples/vitest/video.test.ts'), 'utf8'));
  });

  it.each([
    ['library/video.test.ts', 'docs/reference/library.md'],
    ['fixtures/vitest/make-video.ts', 'docs/guides/first-test.md'],
    ['fixtures/vitest/video.test.ts', 'docs/guides/first-test.md'],
    ['fixtures/vitest/video.test.ts', 'README.md'],
    ['fixtures/vitest/refund.test.ts', 'README.md'],
    ['fixtures/vitest/refund.test.ts', 'SKILL.md'],
    ['fixtures/vitest/failures.test.ts', 'docs/guides/make-it-fail.md'],
    ['fixtures/vitest/submit-video.ts', 'docs/guides/retries.md'],
    ['fixtures/vitest/retries.test.ts', 'docs/guides/retries.md'],
    ['fixtures/vitest/generate-prompt.ts', 'docs/guides/streaming.md'],
    ['fixtures/vitest/streaming.test.ts', 'docs/guides/streaming.md'],
    ['fixtures/jest/video.test.js', 'docs/guides/first-test.md'],
    ['pytest/video.py', 'docs/guides/first-test.md'],
    ['pytest/test_video.py', 'docs/guides/first-test.md'],
    ['pytest/test_video.py', 'python/README.md'],
  ])('are quoted unchanged: %s in %s', (file, page) => {
    const example = readFileSync(join(ROOT, 'docs/examples', file), 'utf8');
    expect(readFileSync(join(ROOT, page), 'utf8')).toContain(`\n${example}\`\`\``);
  });

  it('pass with vitest', async () => {
    const url = await serveEmulator();
    const dir = tempDir();
    cpSync(join(ROOT, 'docs/examples/vitest'), dir, { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
    const args = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', dir, '--no-color'];
    const { stdout } = await run(process.execPath, args, { cwd: dir, env: environment(url) });
    expect(stdout).toMatch(/Tests {2}5 passed/);
  });
});
