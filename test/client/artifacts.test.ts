import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { toDirName, writeArtifacts } from '../../src/client/artifacts.ts';
import { ControlError } from '../../src/client/client.ts';
import { type StartOptions, startEmulator } from '../../src/index.ts';
import { postJson } from '../support/command.ts';
import { expectValidHar } from '../support/har.ts';
import { tempDir } from '../support/temp-dir.ts';

const VIDEO = { prompt: 'a dog', mode: 'textToVideo' };
const GENERATE = '/api/sora-2/generate';

describe('artifacts of startEmulator', () => {
  it('are written for each account with requests when the emulator is closed', async () => {
    const dir = join(tempDir(), 'made/artifacts');
    const options: StartOptions = { clock: 'auto', artifacts: dir };
    const emulator = await startEmulator(options);
    const failing = await emulator.accounts.create({ key: 'np_test_FAILING' });
    await failing.faults.add({ at: 'task', effect: { fail: true }, times: 1 });
    const { taskId } = (await postJson(emulator.url, GENERATE, VIDEO, failing.key)).body;
    await postJson(emulator.url, '/api/sora-2/check-status', { taskId }, failing.key);
    await postJson(emulator.url, GENERATE, { ...VIDEO, prompt: emulator.apiKey }, emulator.apiKey);
    const state = await failing.exportState({ include: ['requests', 'verdict'] });
    expect(readdirSync(dir)).toEqual([]);
    await emulator.close();

    const failingName = toDirName('np_test_FAILING');
    expect(readdirSync(dir).sort()).toEqual([failingName, 'np_test_default'].sort());
    const read = (name: string, file: string) => readFileSync(join(dir, name, file), 'utf8');
    expect(JSON.parse(read(failingName, 'account.json'))).toEqual({
      ...state,
      account: { ...state.account, clock: expect.anything() },
    });
    // One line for each element, so that differences can be read.
    expect(
      read(failingName, 'account.json')
        .split('\n')
        .filter((line) => line.startsWith('{"seq"')),
    ).toHaveLength(4);
    // It contains the key.
    expect(statSync(join(dir, failingName, 'account.json')).mode & 0o777).toBe(0o600);
    const har = JSON.parse(read(failingName, 'requests.har'));
    expectValidHar(har);
    expect(har.log.entries).toHaveLength(2);
    const summary = read(failingName, 'summary.md');
    expect(summary).toContain('| failed | GENERATION_FAILED | 1 |');
    expect(summary).toContain('| {"fail":true} | 1 of 1 |');
    expect(summary).toContain('`npx nanophoto-emulator open .`');
    for (const file of ['requests.har', 'summary.md']) expect(read('np_test_default', file)).not.toContain('np_test_');
  });

  it('can be imported again', async () => {
    const dir = tempDir();
    const emulator = await startEmulator({ artifacts: dir });
    await postJson(emulator.url, GENERATE, VIDEO);
    await emulator.close();
    await using other = await startEmulator({ state: join(dir, 'np_test_default/account.json') });
    expect(await other.account('np_test_default').tasks.list()).toHaveLength(1);
  });
});

describe('writeArtifacts', () => {
  it('warns on standard error and returns false when a file or the account does not exist', async () => {
    await using emulator = await startEmulator();
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    expect(await writeArtifacts(emulator.account(emulator.apiKey), file, 'a')).toBe(false);
    expect(await writeArtifacts(emulator.account('np_none'), tempDir(), 'a')).toBe(false);
    const lines = stderr.mock.calls.map(([text]) => String(text));
    stderr.mockRestore();
    expect(lines[0]).toMatch(/^nanophoto-emulator: Artifacts cannot be written: E\w+: .*\n$/);
    expect(lines[1]).toMatch(/^nanophoto-emulator: Artifacts cannot be written: No account .*\n$/);
  });
});

describe('the name of a directory for artifacts', () => {
  it('is the key if that is safe on every system', () => {
    expect(toDirName('np_test_default')).toBe('np_test_default');
  });

  it.each([
    ['video.test.ts pays for a video np_test_1', /^video\.test\.ts-pays-for-a-video-np_test_1-[0-9a-f]{8}$/],
    // As in python/tests/test_fixtures.py.
    ['tests/test_a.py::test_b[é] np_test_1', /^tests-test_a\.py-test_b-np_test_1-a757611f$/],
    ['np_test_A', /^np_test_A-[0-9a-f]{8}$/],
    ['../../etc/passwd', /^etc-passwd-[0-9a-f]{8}$/],
    ['..', /^account-[0-9a-f]{8}$/],
    ['日本', /^account-[0-9a-f]{8}$/],
    ['CON', /^CON-[0-9a-f]{8}$/],
    ['x'.repeat(500), /^x{100}-[0-9a-f]{8}$/],
  ])('is a readable part and a hash for %.40j', (name, expected) => {
    expect(toDirName(name)).toMatch(expected);
  });

  it('is different for different names', () => {
    const names = ['np_a', 'np_A', 'np a', 'np/a', 'np-a', 'np:a', `${'x'.repeat(200)}1`, `${'x'.repeat(200)}2`];
    expect(new Set(names.map((name) => toDirName(name).toLowerCase())).size).toBe(names.length);
  });
});

describe('summary()', () => {
  it('returns the text, and throws for an unknown account', async () => {
    await using emulator = await startEmulator();
    expect(await emulator.account(emulator.apiKey).summary()).toMatch(/^# Account\n/);
    await expect(emulator.account('np_none').summary()).rejects.toThrow(ControlError);
  });
});
