import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MODULES, TOOLS, usePackage } from '../support/package.ts';

const { project, copyExample, copyPlaywrightExample, runInProject } = usePackage();

describe('types of the npm package', () => {
  it.each([
    { resolution: 'nodenext', module: 'nodenext', extensions: ['mts', 'cts'] },
    { resolution: 'node16', module: 'node16', extensions: ['mts', 'cts'] },
    { resolution: 'bundler', module: 'esnext', extensions: ['ts'] },
    { resolution: 'node10', module: 'commonjs', extensions: ['ts'] },
  ])('work in a strict project with $resolution', async ({ resolution, module, extensions }) => {
    const text = `import { type AccountControl, ControlError, connectEmulator, type Task, startEmulator } from 'nanophoto-emulator';
      async function main(): Promise<void> {
        await using emulator = await startEmulator({ clock: 'auto', rateLimit: null });
        const account: AccountControl = await emulator.accounts.create({ credits: 5 });
        const tasks: Task[] = await account.tasks.list({ status: 'completed' });
        const remote = connectEmulator(emulator.url);
        console.log(tasks.length, new ControlError('', '', 1).status, remote.account('a').key);
        // @ts-expect-error: unknown option
        await startEmulator({ sped: 1 });
        // @ts-expect-error: unknown stage
        await account.faults.add({ at: 'never', effect: {} });
      }
      void main();`;
    const files = extensions.map((extension) => join(project(), `use-${resolution}.${extension}`));
    for (const file of files) writeFileSync(file, text);
    const flags = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'esnext,dom', '--types', 'node'];
    // The declarations are the same in each resolution, and checking them takes most of the time.
    const check = resolution === 'nodenext' ? '--skipDefaultLibCheck' : '--skipLibCheck';
    const modules = ['--module', module, '--moduleResolution', resolution, check];
    // TypeScript 7 does not have node10.
    const tsc = join(resolution === 'node10' ? TOOLS : MODULES, 'typescript/bin/tsc');
    expect((await runInProject('node', tsc, ...flags, ...modules, ...files)).stdout).toBe('');
  });

  it('work in the examples for test runners', async () => {
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node'];
    const tsc = join(MODULES, 'typescript/bin/tsc');
    const flags = [...options, '--allowImportingTsExtensions', '--skipLibCheck'];
    const files = [copyExample('fixtures/vitest', 'types/vitest'), copyPlaywrightExample('types/playwright')].map(
      (dir) => join(dir, 'video.test.ts'),
    );
    const { stdout } = await runInProject('node', tsc, ...flags, ...files).catch((error) => error);
    expect(stdout).toBe('');
  });
});
