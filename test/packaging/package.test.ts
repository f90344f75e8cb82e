import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { environment, run, TOOLS, usePackage } from '../support/package.ts';
import { lastingTempDir } from '../support/temp-dir.ts';

/** Bytes. The fonts (2.2 MB), the videos (2 MB) and the script of `/docs` (1.3 MB) are most of it. */
const MAX_TARBALL_BYTES = 6_600_000;

const { project, installed, tarball, runInProject } = usePackage();
const command = () => join(project(), 'node_modules/.bin/nanophoto-emulator');

describe('npm package', () => {
  it('contains exactly the files it needs and has two dependencies', () => {
    const at = installed();
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
    expect(statSync(tarball()).size).toBeLessThan(MAX_TARBALL_BYTES);
  });

  it('has no links to files that it does not contain', () => {
    const at = installed();
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

  it('starts in the background with npx, and stops', async () => {
    const env = { ...environment, TMPDIR: lastingTempDir() };
    const npxArgs = ['--offline', 'nanophoto-emulator', 'start', '--detach', '--port', '0'];
    const { url, port, pid } = JSON.parse((await run('npx', npxArgs, { cwd: project(), env })).stdout);
    onTestFinished(() => {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has been stopped.
      }
    });
    const { stdout } = await run(command(), ['env', '--port', String(port)], { env });
    expect(stdout).toContain(`NANOPHOTO_API_BASE_URL='${url}'`);
    expect(await (await fetch(`${url}/ready`)).json()).toEqual({ status: 'ready' });
    expect((await fetch(`${url}/docs`)).status).toBe(200);
    await run(command(), ['stop', '--port', String(port)], { env });
    await expect(fetch(`${url}/ready`)).rejects.toThrow();
  });

  it('runs a command with exec that renders an image', async () => {
    const script = `
      const { NANOPHOTO_API_BASE_URL: url, NANOPHOTO_API_KEY: key } = process.env;
      const post = async (path, body) => (await fetch(url + path, { method: 'POST', body: JSON.stringify(body),
        headers: { authorization: 'Bearer ' + key, 'content-type': 'application/json' } })).json();
      const { generationId } = await post('/api/nano-banana-2/generate', { prompt: 'a', mode: 'generate' });
      let poll = {};
      while (poll.status !== 'completed') poll = await post('/api/nano-banana-2/check-status', { generationId });
      const image = await fetch(poll.imageUrl);
      console.log(image.headers.get('content-type'), (await image.arrayBuffer()).byteLength > 10000);`;
    const args = ['exec', '--', 'node', '--input-type=module', '-e', script];
    expect((await runInProject(command(), ...args)).stdout).toBe('image/jpeg true\n');
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
    const publint = await runInProject('node', join(TOOLS, 'publint/src/cli.js'), tarball(), '--strict');
    expect(publint.stdout).toContain('All good!');
    const attw = join(TOOLS, '@arethetypeswrong/cli/dist/index.js');
    // It exits with 1 when there are problems.
    const { stdout } = await runInProject('node', attw, tarball(), '--format', 'json', '--no-emoji').catch(
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
