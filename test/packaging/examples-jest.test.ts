import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectArtifacts, FAILING, runFailing, writeProject } from '../support/failing-tests.ts';
import { TOOLS, usePackage } from '../support/package.ts';

const { copyExample } = usePackage();

describe.each(['jest', 'jest-30'])('the npm package with %s', (jest) => {
  let root: string;
  let output: string;
  beforeAll(async () => {
    const fixture = copyExample('fixtures/jest', `with-${jest}/fixture`);
    root = writeProject(join(fixture, '..'), { 'package.json': '{"type":"commonjs"}' });
    writeProject(join(root, 'failing'), {
      'some.test.js': `const nanophoto = require('nanophoto-emulator/jest').useEmulator({ artifacts: 'artifacts' });${FAILING}`,
    });
    const useEmulator = (options: string) =>
      `require('nanophoto-emulator/jest').useEmulator(${options});\ntest('a test', () => {});\n`;
    writeProject(join(root, 'refused'), {
      'start.test.js': useEmulator('{ port: -1 }'),
      'account.test.js': useEmulator('{ account: { credits: -1 } }'),
    });
    const testIn = (folder: string) => ({ testMatch: [`<rootDir>/${folder}/*.test.js`] });
    const withFakeTimers = { ...testIn('fixture'), fakeTimers: { enableGlobally: true } };
    const projects = [testIn('fixture'), withFakeTimers, testIn('failing'), testIn('refused')];
    const config = JSON.stringify({ rootDir: root, projects });
    output = await runFailing(root, join(TOOLS, jest, 'bin/jest.js'), '--runInBand', '--config', config);
  });

  it('passes the example with the hooks, with real and with fake timers', () => {
    expect(output).toMatch(/Tests: +3 failed, 7 passed, 10 total/);
    expect(output).toMatch(/● fails > a$/m);
    expect(output).toContain('Expected spent credits: 1');
    expect(output).not.toContain('did not exit');
  });

  it('leaves artifacts of failed tests and of no others', () =>
    expectArtifacts(root, /^some\.test\.js-fails-a-np_\w+-[0-9a-f]{8}$/));

  it('fails with only the reason when the hooks cannot start the emulator or create the account', () => {
    expect([...new Set(output.match(/^ +\w*Error: .*$/gm))].sort()).toEqual([
      '    ControlError: Invalid parameter credits: expected a whole number from 0 to 1000000000000.',
      '    SetupError: port must be a port from 0 to 65535, not "-1".',
    ]);
  });
});
