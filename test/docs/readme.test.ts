import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram, postJson } from '../support/command.ts';
import { createShell, IS_STOPPED } from '../support/documented-shell.ts';
import { serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const readme = read('README.md');
const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)```/gm)].map(([, lines]) => lines!);
const hasCurl = hasProgram('curl', '--version');

describe('docs/guides/first-session.md', () => {
  it.skipIf(!hasCurl)(
    'has commands that run as written and end with a completed video and a charged ledger',
    async () => {
      const session = /```sh\n([\s\S]*?)```/.exec(read('docs/guides/first-session.md'))![1]!;
      // At this speed no task has to be waited for.
      const url = await serveEmulator(['--speed', '1000000']);
      const script = session.replace('http://127.0.0.1:6266', url).replace(/^sleep 3$/m, '');
      expect(script).not.toContain('6266');
      const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
        cwd: tempDir(),
      });
      expect(stdout).toMatch(/"status":"completed","videoUrl":"http:\/\/127\.0\.0\.1:\d+\/media\/sora\/task_\w+\.mp4"/);
      expect(stdout).toMatch(/"kind":"grant".*"kind":"hold".*"kind":"capture"/);
      expect(stdout).toMatch(/^200 video\/mp4 \d{5}$/m);
      expect(stdout).toContain('Match cut');
      expect(stdout).toContain('–15s]');
    },
  );
});

describe('README.md', () => {
  it('mentions only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json'));
    for (const file of ['README.md', 'CONTRIBUTING.md', 'docs/contributing/adding-a-family.md']) {
      for (const [, script] of read(file).matchAll(/`npm run ([\w:-]+)`/g)) expect(scripts).toHaveProperty([script!]);
    }
    expect(scripts).toHaveProperty('start');
    expect(scripts).toHaveProperty('test');
    expect(readme).toContain('npm ci && npm start');
    expect(read('.ci/run')).toMatch(/^npm ci && .*npm test$/m);
  });

  it('has exactly two commands for a clone, and ways in that run', async () => {
    const [start, test, shell, exec, container, ...rest] = blocks;
    expect([start, test, rest]).toEqual(['npm ci && npm start\n', 'npm ci && npm test\n', []]);
    expect(read('docs/guides/docker.md')).toContain(container);
    const { run, port } = await createShell();
    const [started, ...output] = (await run(`${shell}${IS_STOPPED}`)).split('\n');
    expect(JSON.parse(started!)).toMatchObject({ port: Number(port) });
    const tested = ['npm test', 'np_test_default', '{"status":"ready"}'];
    expect(output).toEqual([...tested, 'stopped', '']);
    expect(await run(exec!)).toBe(`${tested.join('\n')}\n`);
  });

  it('lists the keys of the seed file, which behave as described', async () => {
    const { accounts } = JSON.parse(read('fixtures/accounts.json'));
    for (const { key } of accounts) expect(readme).toContain(`\`${key}\``);
    const url = await serveEmulator();
    const body = { prompt: 'a', mode: 'textToVideo' };
    const status = async (key: string) => (await postJson(url, '/api/sora-2/generate', body, key)).status;
    expect(await status('np_test_empty')).toBe(402);
    for (let n = 0; n < 3; n++) expect(await status('np_test_limited')).toBe(200);
    expect(await status('np_test_limited')).toBe(429);
  });
});
