import { execFile, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startCommand } from '../support/command.ts';
import { expectValidHar } from '../support/har.ts';
import { NO_PYTEST, NO_PYTEST_REASON, runPytest } from '../support/pytest.ts';
import { lastingTempDir, tempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
const TOOLS = join(ROOT, 'test/node_modules');
/** Bytes. The fonts (2.2 MB), the videos (2 MB) and the script of `/docs` (1.3 MB) are most of it. */
const MAX_TARBALL_BYTES = 6_600_000;
const run = promisify(execFile);
const environment = { PATH: process.env.PATH!, HOME: process.env.HOME! };
const runInProject = (command: string, ...args: string[]) => run(command, args, { cwd: project, env: environment });

/** An empty project in which the package is installed from its own tarball. */
let project: string;
let tarball: string;

beforeAll(async () => {
  // Packs a copy, because packing builds and other tests use this build.
  const copy = lastingTempDir();
  for (const name of readdirSync(ROOT)) {
    if (!['node_modules', 'dist', '.git', 'test'].includes(name))
      cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(MODULES, join(copy, 'node_modules'));
  const { stdout } = await run('npm', ['pack', '--json'], { cwd: copy, env: environment, maxBuffer: 1e7 });
  tarball = join(copy, JSON.parse(/\[\s*\{[\s\S]*/.exec(stdout)![0])[0].filename);

  project = lastingTempDir();
  // Links the two native packages instead of compiling them again.
  const addons = Object.fromEntries(['better-sqlite3', 'sharp'].map((name) => [name, `file:${join(MODULES, name)}`]));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', dependencies: addons }));
  await runInProject(
    'npm',
    'install',
    '--offline',
    '--install-links=false',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    tarball,
  );
  symlinkSync(join(MODULES, '@types'), join(project, 'node_modules/@types'));
}, 120_000);

describe('npm package', () => {
  it('contains exactly the files it needs and has two dependencies', () => {
    const at = join(project, 'node_modules/nanophoto-emulator');
    expect(readdirSync(at).sort()).toEqual(
      [
        ...['CHANGELOG.md', 'LICENSE', 'README.md', 'SKILL.md', 'llms.txt', 'package.json'],
        ...['dist', 'docs', 'fixtures', 'migrations'],
      ].sort(),
    );
    expect(readdirSync(join(at, 'fixtures')).sort()).toEqual(['accounts.json', 'fonts', 'texts', 'videos', 'wire']);
    const docs = readdirSync(join(at, 'docs'));
    expect(docs).toContain('openapi.json');
    expect(docs.filter((name) => !/\.(md|json)$/.test(name)).sort()).toEqual(['guides', 'reference']);
    for (const name of ['bench.md', 'bench.json', 'unbreakable.md']) expect(docs).not.toContain(name);
    const { dependencies } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'));
    expect(Object.keys(dependencies)).toEqual(['better-sqlite3', 'sharp']);
    const notices = readFileSync(join(at, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of ['fastify', 'zod', 'pino', '@peculiar/x509', 'undici', '@scalar/fastify-api-reference']) {
      expect(notices).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\\n\\n`, 'm'));
    }
  });

  it('is not larger than it has to be', () => {
    expect(statSync(tarball).size).toBeLessThan(MAX_TARBALL_BYTES);
  });

  it('has no links to files that it does not contain', () => {
    const at = join(project, 'node_modules/nanophoto-emulator');
    const pages = readdirSync(at, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.md$|^llms\.txt$/.test(name),
    );
    const links = pages.flatMap((page) =>
      [
        ...readFileSync(join(at, page), 'utf8').matchAll(/\]\((?![a-z]+:)([^)#]+)|(?:src|href)="(?![a-z]+:)([^"#]+)/g),
      ].map(([, link, attribute]) => ({ page, link: (link ?? attribute)! })),
    );
    expect(links.length).toBeGreaterThan(50);
    expect(links.filter(({ page, link }) => !existsSync(join(at, dirname(page), link)))).toEqual([]);
  });

  it('starts with npx', async () => {
    const args = ['--offline', 'nanophoto-emulator', '--port', '0'];
    const child = spawn('npx', args, { cwd: project, env: environment, detached: true });
    onTestFinished(() => void process.kill(-child.pid!, 'SIGKILL'));
    const [line] = await new Promise<string[]>((resolve) => {
      createInterface({ input: child.stdout }).once('line', (line) => resolve([line]));
    });
    const { url } = JSON.parse(line!);
    expect(await (await fetch(`${url}/ready`)).json()).toEqual({ status: 'ready' });
    expect((await fetch(`${url}/docs`)).status).toBe(200);
  });

  it('starts in the background with npx, and stops', async () => {
    const env = { ...environment, TMPDIR: lastingTempDir() };
    const npx = async (...args: string[]) =>
      (await run('npx', ['--offline', 'nanophoto-emulator', ...args], { cwd: project, env })).stdout;
    const { url, port, pid } = JSON.parse(await npx('start', '--detach', '--port', '0'));
    onTestFinished(() => {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has been stopped.
      }
    });
    expect(await npx('env', '--port', String(port))).toContain(`NANOPHOTO_API_BASE_URL='${url}'`);
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    await npx('stop', '--port', String(port));
    await expect(fetch(`${url}/ready`)).rejects.toThrow();
  });

  it('runs a command with npx exec that renders an image', async () => {
    const script = `
      const { NANOPHOTO_API_BASE_URL: url, NANOPHOTO_API_KEY: key } = process.env;
      const post = async (path, body) => (await fetch(url + path, { method: 'POST', body: JSON.stringify(body),
        headers: { authorization: 'Bearer ' + key, 'content-type': 'application/json' } })).json();
      const { generationId } = await post('/api/nano-banana-2/generate', { prompt: 'a', mode: 'generate' });
      let poll = {};
      while (poll.status !== 'completed') poll = await post('/api/nano-banana-2/check-status', { generationId });
      const image = await fetch(poll.imageUrl);
      console.log(image.headers.get('content-type'), (await image.arrayBuffer()).byteLength > 10000);`;
    const args = ['--offline', 'nanophoto-emulator', 'exec', '--', 'node', '--input-type=module', '-e', script];
    expect((await runInProject('npx', ...args)).stdout).toBe('image/jpeg true\n');
  });

  it.each([
    { resolution: 'nodenext', module: 'nodenext', extensions: ['mts', 'cts'] },
    { resolution: 'node16', module: 'node16', extensions: ['mts', 'cts'] },
    { resolution: 'bundler', module: 'esnext', extensions: ['ts'] },
    { resolution: 'node10', module: 'commonjs', extensions: ['ts'] },
  ])('has types that work in a strict project with $resolution', async ({ resolution, module, extensions }) => {
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
    const files = extensions.map((extension) => join(project, `use-${resolution}.${extension}`));
    for (const file of files) writeFileSync(file, text);
    const flags = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'esnext,dom', '--types', 'node'];
    const modules = ['--module', module, '--moduleResolution', resolution, '--skipLibCheck', 'false'];
    // TypeScript 7 does not have node10.
    const tsc = join(resolution === 'node10' ? TOOLS : MODULES, 'typescript/bin/tsc');
    expect((await runInProject('node', tsc, ...flags, ...modules, ...files)).stdout).toBe('');
  });

  it('is one module, however it is loaded', async () => {
    const script = `
      import * as imported from 'nanophoto-emulator';
      import { createRequire } from 'node:module';
      const required = createRequire(import.meta.url)('nanophoto-emulator');
      const names = Object.keys(imported);
      console.log(names.join(), names.every((name) => imported[name] === required[name]));`;
    const { stdout } = await runInProject('node', '--input-type=module', '-e', script);
    expect(stdout).toBe('ControlError,connectEmulator,startEmulator true\n');
  });

  it('passes publint and arethetypeswrong', async () => {
    const publint = await runInProject('node', join(TOOLS, 'publint/src/cli.js'), tarball, '--strict');
    expect(publint.stdout).toContain('All good!');
    const attw = join(TOOLS, '@arethetypeswrong/cli/dist/index.js');
    // It exits with 1 when there are problems.
    const { stdout } = await runInProject('node', attw, tarball, '--format', 'json', '--no-emoji').catch(
      (error) => error,
    );
    const { analysis } = JSON.parse(stdout);
    expect(analysis.types).toMatchObject({ kind: 'included' });
    // Vitest can only be imported.
    const problems = analysis.problems.filter(
      ({ entrypoint, kind }: { entrypoint: string; kind: string }) =>
        entrypoint !== './vitest' || kind !== 'CJSResolvesToESM',
    );
    expect(problems).toEqual([]);
  });
});

describe('npm package without a native binary', () => {
  /** Copies the package and its dependencies into an empty project, except for the folders that match `omitted`. */
  function copyWithout(omitted: RegExp): string {
    const modules = join(tempDir(), 'node_modules');
    cpSync(join(project, 'node_modules/nanophoto-emulator'), join(modules, 'nanophoto-emulator'), { recursive: true });
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

describe('examples with the npm package', () => {
  beforeAll(() => {
    for (const name of ['vitest', '@playwright']) {
      symlinkSync(join(MODULES, name), join(project, 'node_modules', name));
    }
  });

  const copyExample = (name: string, target = name) => {
    const dir = join(project, target);
    mkdirSync(dir, { recursive: true });
    cpSync(join(ROOT, 'docs/examples', name), dir, { recursive: true });
    return dir;
  };

  /** The tests for Playwright are those for vitest with another import, as docs/guides/first-test.md says. */
  const copyPlaywrightExample = () => {
    const dir = copyExample('fixtures/vitest', 'fixtures/playwright');
    for (const name of readdirSync(dir).filter((one) => one.endsWith('.ts'))) {
      const text = readFileSync(join(dir, name), 'utf8');
      writeFileSync(join(dir, name), text.replace("'nanophoto-emulator/vitest'", "'nanophoto-emulator/playwright'"));
    }
    return dir;
  };

  const runVitest = async (dir: string) => {
    const vitest = join(project, 'node_modules/vitest/vitest.mjs');
    return (await runInProject('node', vitest, 'run', '--root', dir, '--no-color')).stdout;
  };

  it('pass with vitest', async () => {
    expect(await runVitest(copyExample('library'))).toMatch(/Tests {2}3 passed/);
  });

  it.each([
    ['real', ''],
    ['fake', "import { vi } from 'vitest'; vi.useFakeTimers();"],
  ])('pass with the fixture of vitest and %s timers', async (_, setup) => {
    const dir = copyExample('fixtures/vitest');
    writeFileSync(join(dir, 'setup.ts'), setup);
    writeFileSync(join(dir, 'vitest.config.ts'), "export default { test: { setupFiles: ['./setup.ts'] } };");
    expect(await runVitest(dir)).toMatch(/Tests {2}14 passed/);
  });

  it.each([
    ['jest', 'real'],
    ['jest', 'fake'],
    ['jest-30', 'real'],
    ['jest-30', 'fake'],
  ])('pass with the hooks of %s and %s timers', async (jest, timers) => {
    const dir = copyExample('fixtures/jest');
    writeFileSync(join(dir, 'package.json'), '{"type":"commonjs"}');
    const config = JSON.stringify({ rootDir: dir, fakeTimers: { enableGlobally: timers === 'fake' } });
    const { stderr } = await runInProject('node', join(TOOLS, jest, 'bin/jest.js'), '--config', config);
    expect(stderr).toMatch(/Tests: +3 passed, 3 total/);
    expect(stderr).not.toContain('did not exit');
  });

  it('fail with only the reason when the hooks of jest cannot start the emulator or create the account', async () => {
    const dir = join(project, 'failing-hooks');
    mkdirSync(dir);
    writeFileSync(join(dir, 'package.json'), '{"type":"commonjs"}');
    for (const [name, options] of Object.entries({ start: '{ port: -1 }', account: '{ account: { credits: -1 } }' })) {
      const text = `require('nanophoto-emulator/jest').useEmulator(${options});\ntest('a test', () => {});\n`;
      writeFileSync(join(dir, `${name}.test.js`), text);
    }
    const args = [join(TOOLS, 'jest-30/bin/jest.js'), '--config', JSON.stringify({ rootDir: dir })];
    const { stderr } = await runInProject('node', ...args).catch((error) => error);
    expect(stderr.match(/^ +\w*Error: .*$/gm).sort()).toEqual([
      '    ControlError: Invalid parameter credits: expected a whole number from 0 to 1000000000000.',
      '    SetupError: port must be a port from 0 to 65535, not "-1".',
    ]);
  });

  it('pass with the fixture of Playwright', async () => {
    const playwright = join(project, 'node_modules/@playwright/test/cli.js');
    const { stdout } = await runInProject('node', playwright, 'test', copyPlaywrightExample());
    expect(stdout).toMatch(/14 passed/);
  });

  describe('leave artifacts of failed tests, and of no others', () => {
    const TESTS = `
      test('fails > a', async () => {
        await nanophoto.credit(-1);
        await fetch(nanophoto.baseUrl + '/api/sora-2/generate', {
          method: 'POST',
          headers: { authorization: 'Bearer ' + nanophoto.apiKey, 'content-type': 'application/json' },
          body: '{}',
        });
        await expect(nanophoto).toHaveSpent(1);
      });
      test('passes', () => nanophoto.credit(-1));`;
    const WITH_FIXTURE = TESTS.replace("', async () =>", "', async ({ nanophoto }) =>").replace(
      "', () =>",
      "', ({ nanophoto }) =>",
    );

    /** Writes a project in which a test fails, runs its tests and returns their output. */
    async function runFailing(name: string, files: Record<string, string>, toArgs: (dir: string) => string[]) {
      const dir = join(project, 'failing', name);
      mkdirSync(dir, { recursive: true });
      for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
      const result = await run('node', toArgs(dir), { cwd: dir, env: environment }).catch((error) => error);
      expect(result.code).toBe(1);
      const output = `${result.stdout}${result.stderr}`;
      expect(output).toContain('Expected spent credits: 1');
      return { dir, output };
    }

    async function expectArtifacts(dir: string, name: RegExp): Promise<void> {
      const artifacts = join(dir, 'artifacts');
      expect(readdirSync(artifacts)).toEqual([expect.stringMatching(name)]);
      const read = (file: string) => readFileSync(join(artifacts, readdirSync(artifacts)[0]!, file), 'utf8');
      const { format, account, requests, ledger, verdict } = JSON.parse(read('account.json'));
      expect([format, requests.length, ledger.at(-1).amount, verdict.ok]).toEqual([
        ...['nanophoto-emulator/account', 1, -1, true],
      ]);
      expectValidHar(JSON.parse(read('requests.har')));
      expect(read('summary.md')).toContain('| PROMPT_REQUIRED |');
      const { url } = await startCommand(['open', artifacts]);
      const response = await fetch(`${url}/__admin/accounts/${account.key}/requests`);
      expect(await response.json()).toMatchObject({ requests: [{ errorCode: 'PROMPT_REQUIRED' }] });
    }

    it('with the fixture of vitest', async () => {
      const files = {
        'some.test.ts': `import { expect, test } from 'nanophoto-emulator/vitest';${WITH_FIXTURE}`,
        'vitest.config.ts': "export default { test: { provide: { nanophotoArtifacts: 'artifacts' } } };",
      };
      const vitest = join(project, 'node_modules/vitest/vitest.mjs');
      const { dir } = await runFailing('vitest', files, (dir) => [vitest, 'run', '--root', dir, '--no-color']);
      await expectArtifacts(dir, /^some\.test\.ts-fails-a-np_\w+-[0-9a-f]{8}$/);
    });

    it.each(['jest', 'jest-30'])('with the hooks of %s', async (jest) => {
      const files = {
        'package.json': '{"type":"commonjs"}',
        'some.test.js': `const { useEmulator } = require('nanophoto-emulator/jest');
          const nanophoto = useEmulator({ artifacts: 'artifacts' });${TESTS}`,
      };
      const { dir } = await runFailing(jest, files, (dir) => [...[join(TOOLS, jest, 'bin/jest.js'), '--rootDir', dir]]);
      await expectArtifacts(dir, /^some\.test\.js-fails-a-np_\w+-[0-9a-f]{8}$/);
    });

    it('with the fixture of Playwright', async () => {
      const files = {
        'some.test.ts': `import { expect, test } from 'nanophoto-emulator/playwright';${WITH_FIXTURE}`,
        'playwright.config.ts': "export default { use: { nanophotoArtifacts: 'artifacts' } };",
      };
      const playwright = join(project, 'node_modules/@playwright/test/cli.js');
      const { dir } = await runFailing('playwright', files, () => [playwright, 'test']);
      await expectArtifacts(dir, /^some\.test\.ts-fails-a-np_\w+-[0-9a-f]{8}$/);
    });

    it('or only warn if that is not possible', async () => {
      const files = {
        artifacts: '',
        'some.test.ts': `import { expect, test as base } from 'nanophoto-emulator/vitest';
          const test = base.extend({ nanophotoArtifacts: 'artifacts' });${WITH_FIXTURE}`,
      };
      const vitest = join(project, 'node_modules/vitest/vitest.mjs');
      const { output } = await runFailing('warned', files, (dir) => [vitest, 'run', '--root', dir, '--no-color']);
      expect(output).toMatch(/nanophoto-emulator: Artifacts cannot be written: E\w+/);
      expect(output).toMatch(/Tests {2}1 failed \| 1 passed/);
    });
  });

  it('have types that work in a strict project', async () => {
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node'];
    const tsc = join(MODULES, 'typescript/bin/tsc');
    const flags = [...options, '--allowImportingTsExtensions', '--skipLibCheck'];
    const files = [copyExample('fixtures/vitest'), copyPlaywrightExample()].map((dir) => join(dir, 'video.test.ts'));
    const { stdout } = await runInProject('node', tsc, ...flags, ...files).catch((error) => error);
    expect(stdout).toBe('');
  });

  it.each([
    ['vitest', 'import', 'nanophoto-emulator/vitest needs vitest 3.2 or later: npm install --save-dev vitest'],
    [
      'playwright',
      'require',
      'nanophoto-emulator/playwright needs @playwright/test: npm install --save-dev @playwright/test',
    ],
    [
      'jest',
      'require',
      'nanophoto-emulator/jest needs the globals of Jest: call useEmulator() in a file that Jest runs.',
    ],
  ])('report in one sentence that %s is missing', async (runner, load, sentence) => {
    const dir = lastingTempDir();
    mkdirSync(join(dir, 'node_modules'));
    cpSync(join(project, 'node_modules/nanophoto-emulator'), join(dir, 'node_modules/nanophoto-emulator'), {
      recursive: true,
    });
    const script = `(async () => { const { useEmulator } = await ${load}('nanophoto-emulator/${runner}'); useEmulator?.(); })()
      .catch((error) => console.log(error.message));`;
    const { stdout } = await run('node', ['-e', script], { cwd: dir, env: environment });
    expect(stdout).toBe(`${sentence}\n`);
  });

  it('pass with pytest, which finds the emulator in node_modules', async ({ skip }) => {
    skip(NO_PYTEST, NO_PYTEST_REASON);
    expect(await runPytest(copyExample('pytest'))).toContain('4 passed');
  });
});
