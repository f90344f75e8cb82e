import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { FAMILIES } from '../../src/families/index.ts';
import { readSeedFile } from '../../src/server/seed-file.ts';
import { hasProgram, postJson, runCommand, startCommand } from '../support/command.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { writeSeedFile } from '../support/seed-file.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const readme = read('README.md');

/** Flags that are not settings. */
const OTHER_FLAGS = [
  ...['detach', 'timeout-ms', 'proxy', 'report', 'fail-on-verdict', 'artifacts', 'help', 'version'],
  ...['record', 'upstream', 'spend', 'record-files'],
];

const hasCurl = hasProgram('curl', '--version');

describe('README.md', () => {
  it.skipIf(!hasCurl)(
    'has a first session that runs as written and ends with a completed video and a charged ledger',
    async () => {
      const session = /## First session[\s\S]*?```sh\n([\s\S]*?)```/.exec(readme)![1]!;
      // At this speed no task has to be waited for.
      const { url } = await startCommand(['--speed', '1000000']);
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

  it('mentions only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json'));
    for (const file of ['README.md', 'CONTRIBUTING.md', 'docs/contributing/adding-a-family.md']) {
      for (const [, script] of read(file).matchAll(/`npm run ([\w:-]+)`/g)) expect(scripts).toHaveProperty([script!]);
    }
    expect(scripts).toHaveProperty('start');
    expect(scripts).toHaveProperty('test');
    expect(readme).toContain('npm ci && npm start');
    expect(read('.ci/run')).toContain('npm ci && npm test');
  });

  it('lists every setting with its default', async () => {
    const { stdout } = await runCommand(['--help']).ended;
    const flags = [...stdout.matchAll(/^ {2}--([\w-]+)/gm)].map(([, flag]) => flag!);
    const listed = [...readme.matchAll(/^\| `--([\w-]+)` \| (\S+)/gm)].map(([, flag, value]) => [flag, value]);
    expect(listed.map(([flag]) => flag)).toEqual(flags.filter((flag) => !OTHER_FLAGS.includes(flag)));
    const { config } = readCommand([], {});
    expect(Object.fromEntries(listed)).toMatchObject({
      port: String(config.port),
      host: config.host,
      clock: config.clock,
      speed: String(config.speed),
      seed: config.seed,
      'rate-limit': String(config.rateLimit),
      'failure-rate': String(config.failureRate),
      'failed-task-status': String(config.failedTaskStatus),
      cors: 'off',
      'split-characters': 'off',
      'result-ttl-seconds': 'off',
      'journal-entries': String(config.journalEntries),
      'body-limit-bytes': String(config.bodyLimitBytes),
      'text-limit-characters': String(config.textLimitCharacters),
      'header-limit-bytes': String(config.headerLimitBytes),
      'request-timeout-seconds': String(config.requestTimeoutSeconds),
      'memory-budget-mb': String(config.memoryBudgetMb),
      'connection-limit': String(config.connectionLimit),
      'stream-limit': String(config.streamLimit),
      'listener-limit': String(config.listenerLimit),
      'auto-account-limit': String(config.autoAccountLimit),
      'snapshot-limit': String(config.snapshotLimit),
      'fault-limit': String(config.faultLimit),
    });
  });

  it('lists every endpoint of /openapi.json', async () => {
    const { app } = await createTestEmulator();
    const served = Object.keys((await app.inject('/openapi.json')).json().paths);
    for (const url of served) expect(app.hasRoute({ method: 'POST', url })).toBe(true);
    const listed = [...readme.matchAll(/^\| `(\/api\/[^`]+)` \|/gm)].map(([, path]) => path);
    expect(served.length).toBeGreaterThan(5);
    expect([...listed].sort()).toEqual([...served].sort());
    for (const path of served) expect(read('docs/reference/fidelity.md')).toContain(path);
  });

  it('has an example of prices that the seed file accepts, and says where family names come from', async () => {
    const example = /```json\n(\{\n {2}"prices"[\s\S]*?)```/.exec(readme)![1]!;
    const seed = readSeedFile(writeSeedFile(example), {
      rateLimit: 100,
      speed: 60,
      failureRate: 0,
      seed: 's',
      clock: 'real',
    });
    expect(Object.keys(seed.priceOverrides).length).toBeGreaterThan(5);
    for (const { name } of FAMILIES) {
      expect(existsSync(join(ROOT, `src/families/${name}.ts`))).toBe(true);
    }
  });

  it('lists the keys of the seed file, which behave as described', async () => {
    const { accounts } = JSON.parse(read('fixtures/accounts.json'));
    for (const { key } of accounts) expect(readme).toContain(`\`${key}\``);
    const { url } = await startCommand();
    const body = { prompt: 'a', mode: 'textToVideo' };
    const status = async (key: string) => (await postJson(url, '/api/sora-2/generate', body, key)).status;
    expect(await status('np_test_empty')).toBe(402);
    for (let n = 0; n < 3; n++) expect(await status('np_test_limited')).toBe(200);
    expect(await status('np_test_limited')).toBe(429);
  });
});
