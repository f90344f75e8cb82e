import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { readProgrammaticOptions } from '../../src/settings/config.ts';
import { readError } from '../support/read-error.ts';

const config = (argv: string[] = [], env: Record<string, string> = {}) => readCommand(argv, env).config;
describe('settings', () => {
  it('have the documented defaults', () => {
    expect(config()).toEqual({
      port: 6266,
      host: '127.0.0.1',
      dataDir: undefined,
      logLevel: 'info',
      httpsPort: undefined,
      clock: 'real',
      speed: 60,
      seed: 'nanophoto',
      seedFile: undefined,
      autoAccounts: true,
      rateLimit: 100,
      failureRate: 0,
      failedTaskStatus: 200,
      cors: false,
      splitCharacters: false,
      publicUrl: undefined,
      resultTtlSeconds: null,
      adminToken: undefined,
      adminRemote: false,
      adminHosts: undefined,
      journalEntries: 1000,
      bodyLimitBytes: 1_048_576,
      textLimitCharacters: 100_000,
      headerLimitBytes: 16_384,
      requestTimeoutSeconds: 120,
      memoryBudgetMb: 64,
      connectionLimit: 5000,
      streamLimit: 5000,
      listenerLimit: 1000,
      autoAccountLimit: 10_000,
      snapshotLimit: 100,
      faultLimit: 1000,
    });
  });

  it('come from flags, then from the environment', () => {
    const env = { NANOPHOTO_EMULATOR_SPEED: '2', NANOPHOTO_EMULATOR_RATE_LIMIT: 'off', PORT: '8080' };
    expect(config(['--speed=3'], env)).toMatchObject({ speed: 3, rateLimit: null, port: 8080 });
    expect(config([], { ...env, NANOPHOTO_EMULATOR_PORT: '1' })).toMatchObject({ port: 1, speed: 2 });
  });

  it('accept every failure rate from 0 to 1', () => {
    for (const rate of [0, 1e-7, 0.05, 1]) expect(config([`--failure-rate=${rate}`]).failureRate).toBe(rate);
    expect(config([], { NANOPHOTO_EMULATOR_FAILURE_RATE: '0.25' }).failureRate).toBe(0.25);
  });

  it('ignore empty variables, and the port variables that Kubernetes sets for services', () => {
    const link = 'tcp://10.0.0.1:6266';
    const env = { NANOPHOTO_EMULATOR_PORT: link, NANOPHOTO_EMULATOR_HTTPS_PORT: link, NANOPHOTO_EMULATOR_SPEED: '' };
    expect(config([], env)).toMatchObject({ port: 6266, httpsPort: undefined, speed: 60 });
  });

  it('expand ~ at the start of a path', () => {
    expect(config(['--data-dir=~/data', '--seed-file=~'])).toMatchObject({
      dataDir: join(homedir(), 'data'),
      seedFile: homedir(),
    });
    expect(config(['--data-dir=a~/b', '--seed-file=~x']).dataDir).toBe('a~/b');
  });

  it('treat a --seed that ends in .json as the seed file', () => {
    expect(config(['--seed', 'accounts.json'])).toMatchObject({
      seed: 'nanophoto',
      seedFile: 'accounts.json',
    });
    expect(config(['--seed', '42'])).toMatchObject({ seed: '42', seedFile: undefined });
  });

  it('read host names as a list in lower case', () => {
    expect(config(['--admin-hosts', 'Emulator.test,ci-7.example']).adminHosts).toEqual([
      'emulator.test',
      'ci-7.example',
    ]);
    expect(readProgrammaticOptions({ adminHosts: ['emulator.test', 'b.test'] }).adminHosts).toEqual([
      'emulator.test',
      'b.test',
    ]);
  });

  it('remove trailing slashes from the public URL', () => {
    expect(config(['--public-url', 'https://x.test/a/']).publicUrl).toBe('https://x.test/a');
  });

  it.each([
    ['port', '-1'],
    ['port', '65536'],
    ['port', '80.5'],
    ['port', ''],
    ['speed', '0'],
    ['speed', '-1'],
    ['speed', 'Infinity'],
    ['speed', '1e9'],
    ['seed', ''],
    ['seed', 'x'.repeat(201)],
    ['seed', '\ud800'],
    ['failure-rate', '-0.1'],
    ['failure-rate', '1.5'],
    ['failure-rate', 'x'],
    ['failure-rate', 'NaN'],
    ['failure-rate', '5%'],
    ['failure-rate', ''],
    ['rate-limit', '0'],
    ['rate-limit', 'none'],
    ['failed-task-status', '404'],
    ['auto-accounts', 'yes'],
    ['log-level', 'loud'],
    ['public-url', 'localhost:3000'],
    ['public-url', 'ftp://x.test'],
    ['public-url', 'http://x.test/?a=1'],
    ['public-url', 'http://x.test/#a'],
    ['public-url', 'http://user@x.test'],
    ['speed', '0.0000001'],
    ['body-limit-bytes', '10'],
    ['header-limit-bytes', '4095'],
    ['request-timeout-seconds', '0'],
    ['connection-limit', '0'],
    ['stream-limit', 'off'],
    ['listener-limit', '-1'],
    ['auto-account-limit', '0'],
    ['snapshot-limit', '1e9'],
    ['fault-limit', '100001'],
    ['admin-hosts', 'emulator:6266'],
    ['admin-hosts', 'http://emulator'],
    ['admin-hosts', 'one,,two'],
    ['admin-hosts', '*.test'],
  ])('reject --%s "%s" with a sentence that describes valid values', (name, value) => {
    const sentence = readError([`--${name}=${value}`]);
    expect(sentence).toContain(`--${name} must be`);
    expect(sentence).toContain(`not "${value}"`);
    expect(sentence).toMatch(/^[^\n]+\.$/);
  });

  it.each(['short', 'with a space', 'sécretsecret'])('reject --admin-token "%s" without repeating it', (token) => {
    expect(readError([`--admin-token=${token}`])).toBe('--admin-token must be at least 8 visible ASCII characters.');
  });
});
