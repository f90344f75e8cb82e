import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { environment, MODULES, run, usePackage } from '../support/package.ts';
import { tempDir } from '../support/temp-dir.ts';

const { installed } = usePackage();

describe('npm package without a native binary', () => {
  /** Copies the package and its dependencies into an empty project, except for the folders that match `omitted`. */
  function copyWithout(omitted: RegExp): string {
    const modules = join(tempDir(), 'node_modules');
    cpSync(installed(), join(modules, 'nanophoto-emulator'), { recursive: true });
    for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path', 'sharp', '@img', 'detect-libc', 'semver']) {
      cpSync(join(MODULES, name), join(modules, name), {
        recursive: true,
        filter: (source) => !omitted.test(source.slice(MODULES.length)),
      });
    }
    return dirname(modules);
  }

  /** Runs the command and `startEmulator`, which must fail with the same sentence. Returns it. */
  async function readSetupError(dir: string): Promise<string> {
    const main = join(dir, 'node_modules/nanophoto-emulator/dist/main.js');
    const command = await run('node', [main, '--port', '0'], { env: environment }).catch((error) => error);
    const script = `require('nanophoto-emulator').startEmulator().catch((error) => console.log(error.message));`;
    const { stdout } = await run('node', ['-e', script], { cwd: dir, env: environment });
    expect(command).toMatchObject({ code: 2, stdout: '', stderr: `nanophoto-emulator: ${stdout}` });
    return stdout.trimEnd();
  }

  it('of better-sqlite3 names the command that installs it', async () => {
    expect(await readSetupError(copyWithout(/^\/better-sqlite3\/(build|deps|src)/))).toBe(
      'The native binding of better-sqlite3 is missing, because its install script did not run; ' +
        'run npm rebuild better-sqlite3 or pnpm approve-builds.',
    );
  });

  it('of better-sqlite3 for this version of Node.js names the command that installs it', async () => {
    const dir = copyWithout(/^\/better-sqlite3\/(build|deps|src)/);
    const build = join(dir, 'node_modules/better-sqlite3/build/Release');
    mkdirSync(build, { recursive: true });
    writeFileSync(join(build, 'better_sqlite3.node'), 'not a binary of this platform');
    expect(await readSetupError(dir)).toBe(
      `The native binding of better-sqlite3 is not for Node.js ${process.version} on ${process.platform}-${process.arch}; ` +
        'run npm rebuild better-sqlite3 or pnpm rebuild better-sqlite3.',
    );
  });

  it('of sharp names the command that installs it when an image is requested', async () => {
    const dir = copyWithout(/^\/(@img\/sharp-|better-sqlite3\/(deps|src))/);
    const script = `
      require('nanophoto-emulator').startEmulator({ clock: 'auto' }).then(async (emulator) => {
        const headers = { authorization: 'Bearer ' + emulator.apiKey, 'content-type': 'application/json' };
        const post = async (path, body) =>
          (await fetch(emulator.url + path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
        const { generationId } = await post('/api/nano-banana-2/generate', { prompt: 'a', mode: 'generate' });
        let poll = {};
        while (poll.status !== 'completed') poll = await post('/api/nano-banana-2/check-status', { generationId });
        const image = await fetch(poll.imageUrl);
        console.log(image.status, await image.text());
        await emulator.close();
      });`;
    const { stdout } = await run('node', ['-e', script], { cwd: dir, env: environment });
    expect(stdout).toBe(
      '500 {"success":false,"error":"Images cannot be rendered without the binary of sharp: ' +
        'run npm install --include=optional sharp","errorCode":"INTERNAL_ERROR"}\n',
    );
  });
});
