import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { readCommand } from '../../src/cli/arguments.ts';
import { hasProgram, postJson, startCommand } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { lastingTempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const run = promisify(execFile);
const manifest = JSON.parse(read('package.json'));

/** The instructions, with continued lines joined. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n\s*/g, '')
  .split('\n')
  .filter(Boolean)
  .map((line) => ({ name: line.split(' ', 1)[0]!, rest: line.slice(line.indexOf(' ') + 1) }));
const stages = instructions.reduce<(typeof instructions)[]>((all, instruction) => {
  if (instruction.name === 'FROM') all.push([]);
  all.at(-1)?.push(instruction);
  return all;
}, []);
const last = stages.at(-1)!;
const findOnly = (name: string) => {
  const found = last.filter((instruction) => instruction.name === name);
  expect(found, name).toHaveLength(1);
  return found[0]!.rest;
};
const parsePairs = (text: string) =>
  Object.fromEntries(
    [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, key, quoted, bare]) => [key, quoted ?? bare]),
  );
/** Empty, or the digest that Renovate appends. */
const DIGEST = '(@sha256:[0-9a-f]{64})?';
const base = instructions.find(({ name }) => name === 'ARG')!.rest.replace('BASE=', '');
const environment = parsePairs(findOnly('ENV'));
const config = readCommand([], environment).config;

/** The arguments of the only command of the Dockerfile that starts with `prefix`. */
const argumentsAfter = (prefix: string) => {
  const commands = instructions.flatMap(({ rest }) => rest.split(/\s*&&\s*/));
  const found = commands.filter((command) => command.startsWith(`${prefix} `));
  expect(found, prefix).toHaveLength(1);
  return found[0]!.slice(prefix.length + 1).split(/\s+/);
};

describe('Dockerfile', () => {
  it('copies everything from the package that is needed at run time', () => {
    const needed = manifest.files.filter((file: string) => !/^!|^docs|\.md$|^llms\.txt$/.test(file));
    const [target, ...copied] = argumentsAfter('cp -r --parents').reverse();
    expect(target).toBe('/product/');
    expect(copied.sort()).toEqual([...needed, 'LICENSE', 'package.json'].sort());
  });

  it('uses a Node.js version that the package supports and that Compose uses, too', () => {
    const version = Number(new RegExp(`^node:(\\d+)-bookworm-slim${DIGEST}$`).exec(base)![1]);
    expect(version).toBeGreaterThan(Number.parseFloat(manifest.engines.node.slice(2)));
    expect(parse(read('docker/compose.yaml'), { merge: true }).services.app.image).toBe(base);
    expect(stages.every(([from]) => /^\$\{BASE\}( AS \w+)?$/.test(from!.rest))).toBe(true);
  });

  it('names the version of its syntax in the first line', () => {
    expect(read('Dockerfile')).toMatch(new RegExp(`^# syntax=docker/dockerfile:1${DIGEST}\n`));
  });

  it('runs nothing as root, not even while building the last stage', () => {
    expect(findOnly('USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(last.map(({ name }) => name)).not.toContain('RUN');
  });

  it('has a directory for a volume in which every user can create files', () => {
    expect(argumentsAfter('chmod 1777')).toEqual(['/volume/data']);
    expect(last).toContainEqual({ name: 'COPY', rest: '--from=dependencies /volume/ /' });
  });

  it('sets valid settings and keeps everything in memory', () => {
    expect(readCommand([], environment).warnings).toEqual([]);
    expect(config).toMatchObject({ host: '0.0.0.0', dataDir: undefined, port: Number(findOnly('EXPOSE')) });
    expect(last.map(({ name }) => name)).not.toContain('VOLUME');
  });

  it('starts the emulator and uses the script for its health check', () => {
    const workDir = findOnly('WORKDIR');
    const health = JSON.parse(/ CMD (\[.*\])$/.exec(findOnly('HEALTHCHECK'))![1]!);
    expect(JSON.parse(findOnly('ENTRYPOINT'))).toEqual(['node', join(workDir, manifest.bin['nanophoto-emulator'])]);
    expect(argumentsAfter('cp docker/healthcheck.sh')).toEqual(['/product/']);
    expect(health).toEqual(['bash', join(workDir, 'healthcheck.sh')]);
  });

  it('has labels that match package.json', () => {
    const { license, name, version } = manifest;
    expect(parsePairs(findOnly('LABEL'))).toMatchObject({
      'org.opencontainers.image.title': name,
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': license,
    });
  });
});

describe.skipIf(!hasProgram('bash', '--version'))('the health check of the image', () => {
  /** Returns the exit code. The script finds no other programs, so it starts none. */
  const check = (env: Record<string, string>) =>
    new Promise((resolve) => {
      const script = join(ROOT, 'docker/healthcheck.sh');
      execFile('/bin/bash', [script], { env: { PATH: '/none', ...env } }, (error) => resolve(error?.code ?? 0));
    });

  it('exits with 0 if an emulator is ready at the host and port of the settings', async () => {
    const { ready, child, ended } = await startCommand(['--host', '0.0.0.0', '--log-level', 'debug']);
    const port = new URL(String(ready.url)).port;
    for (const host of [environment.NANOPHOTO_EMULATOR_HOST!, '', '127.0.0.1']) {
      expect(await check({ NANOPHOTO_EMULATOR_HOST: host, NANOPHOTO_EMULATOR_PORT: port }), host).toBe(0);
    }
    expect(await check({ PORT: port })).toBe(0);
    child.kill();
    const { stdout } = await ended;
    expect(stdout).not.toMatch(/ECONN|"level":[45]0/);
  });

  it('exits with 1 if none runs there, and if it is not ready', async () => {
    expect(await check({ NANOPHOTO_EMULATOR_PORT: '1' })).toBe(1);
    const server = createServer((_, response) => response.writeHead(503).end()).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    expect(await check({ NANOPHOTO_EMULATOR_PORT: String((server.address() as AddressInfo).port) })).toBe(1);
  });
});

describe('image contents', () => {
  let product: string;

  beforeAll(async () => {
    const context = lastingTempDir();
    for (const line of read('.dockerignore').split('\n')) {
      // The build has to create the rest: nothing that this test run has built may be copied.
      if (line.startsWith('!')) cpSync(join(ROOT, line.slice(1)), join(context, line.slice(1)), { recursive: true });
    }
    symlinkSync(MODULES, join(context, 'node_modules'));
    await run(process.execPath, ['scripts/build.mjs'], { cwd: context });

    product = lastingTempDir();
    for (const path of argumentsAfter('cp -r --parents').slice(0, -1)) {
      cpSync(join(context, path), join(product, path), { recursive: true });
    }
    const removed = [
      ...argumentsAfter('rm -rf build').map((path) => join(MODULES, 'better-sqlite3', path)),
      ...['sharp/src', ...argumentsAfter('rm -rf sharp/src')].map((path) => join(MODULES, path)),
    ];
    const addons = join(MODULES, 'better-sqlite3/build');
    for (const name of argumentsAfter('mv better-sqlite3').slice(0, -1).concat('better-sqlite3')) {
      mkdirSync(join(product, 'node_modules'), { recursive: true });
      cpSync(join(MODULES, name), join(product, 'node_modules', name), {
        recursive: true,
        filter: (path) =>
          !removed.includes(path) &&
          (!path.startsWith(addons) ||
            statSync(path).isDirectory() ||
            relative(addons, path) === 'Release/better_sqlite3.node'),
      });
    }
  });

  it('suffice to store data, serve a video and render an image, as a user without a name and a home', async () => {
    const data = lastingTempDir();
    chmodSync(product, 0o755);
    chmodSync(data, 0o1777);
    // Only root may become another user. OpenShift runs images as a user like this.
    const user = process.getuid?.() === 0 ? { uid: 1_000_660_000, gid: 0 } : {};
    const args = [join(product, 'dist/main.js'), '--port', '0', '--host', '127.0.0.1', '--data-dir', data];
    const child = spawn(process.execPath, args, { cwd: product, env: { PATH: process.env.PATH! }, ...user });
    onTestFinished(() => void child.kill('SIGKILL'));
    const output: string[] = [];
    child.stderr.on('data', (text) => output.push(String(text)));
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (text) => {
        output.push(String(text));
        const [, found] = /"url":"([^"]+)"/.exec(output.join('')) ?? [];
        if (found) resolve(found);
      });
      child.on('exit', () => reject(new Error(output.join(''))));
    });
    const results = [
      ['/api/sora-2', { mode: 'textToVideo' }, 'taskId', 'videoUrl', 'video/mp4'],
      ['/api/nano-banana-2', { mode: 'generate' }, 'generationId', 'imageUrl', 'image/jpeg'],
    ] as const;
    for (const [api, rest, id, link, type] of results) {
      const body = { prompt: 'A lighthouse', ...rest };
      const submitted = await postJson(url, `${api}/generate`, body, 'np_test_auto');
      let polled = submitted;
      await expect
        .poll(async () => {
          polled = await postJson(url, `${api}/check-status`, { [id]: submitted.body[id] }, 'np_test_auto');
          return polled.body.status;
        })
        .toBe('completed');
      const file = await fetch(polled.body[link]);
      expect(file.headers.get('content-type')).toBe(type);
      expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(10_000);
    }
    expect((await fetch(`${url}/docs`)).status).toBe(200);
    expect(existsSync(join(data, 'emulator.sqlite'))).toBe(true);
  });
});

describe('compose', () => {
  const { services, volumes } = parse(read('docker/compose.yaml'), { merge: true });
  const { emulator, app } = services;

  it('builds the image and configures settings, a volume and a port', () => {
    expect(existsSync(resolve(ROOT, 'docker', emulator.build, 'Dockerfile'))).toBe(true);
    // YAML 1.1 parsers read an unquoted `on` as true, which is not a valid value for the emulator.
    expect(read('docker/compose.yaml')).not.toMatch(/: (on|off|yes|no)\s*$/m);
    const own = readCommand([], { ...environment, ...emulator.environment });
    expect(own.warnings).toEqual([]);
    expect(own.config).toMatchObject({ ...config, adminRemote: true, dataDir: '/data' });
    expect(emulator.volumes).toEqual([`${Object.keys(volumes)[0]}:${own.config.dataDir}`]);
    // Every client that reaches the port controls the emulator, so it is published to this machine only.
    expect(emulator.ports).toEqual([`127.0.0.1:${config.port}:${config.port}`]);
    // Without a test of its own, the service uses that of the image.
    expect(emulator.healthcheck).not.toHaveProperty('test');
  });

  it('gives no service unnecessary privileges', () => {
    for (const service of [emulator, app]) {
      expect(service).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
    }
    expect(emulator.user ?? findOnly('USER')).toBe(app.user);
  });

  it('has an application that waits for the emulator and calls it by its service name', () => {
    expect(app.depends_on).toEqual({ emulator: { condition: 'service_healthy' } });
    expect(app.environment.NANOPHOTO_API_BASE_URL).toBe(`http://emulator:${config.port}`);
    const [from, to] = app.volumes[0].split(':');
    const script = app.command.at(-1);
    expect(existsSync(resolve(ROOT, 'docker', from, relative(to, script)))).toBe(true);
  });

  it('has an application that downloads its video', async () => {
    const url = await serveEmulator(['--speed', '600']);
    const env = { PATH: process.env.PATH!, ...app.environment, NANOPHOTO_API_BASE_URL: url };
    const script = join(ROOT, 'docker/example', basename(app.command.at(-1)));
    const { stdout } = await run(process.execPath, [script], { env });
    expect(stdout).toMatch(/: 200 video\/mp4, \d{5,} bytes\n996 credits left\n$/);
  });
});

it.skipIf(!hasProgram('curl', '--version'))('docs/guides/docker.md has lines that read the printed token', async () => {
  const { ready, url } = await startCommand(['--host', '0.0.0.0']);
  const [, lines] = /\n(TOKEN=[\s\S]*?)```/.exec(read('docs/guides/docker.md'))!;
  const here = lines!
    .replace('docker logs emulator', `echo '${JSON.stringify(ready)}'`)
    .replace('http://127.0.0.1:6266', url);
  const { stdout } = await run('sh', ['-c', `${here}echo "$TOKEN"`]);
  expect(stdout).toContain('"key":"np_test_default"');
  expect(stdout.trimEnd().split('\n').at(-1)).toContain(String(ready.adminToken));
});

it.each(['docs/guides/docker.md', 'docker/try-image.sh'])('settings named in %s exist', (file) => {
  const names = read(file).match(/NANOPHOTO_EMULATOR_\w+/g)!;
  const unknown = [...new Set(names)].flatMap((name) => {
    try {
      return readCommand(['config'], { [name]: '' }).warnings;
    } catch {
      return [];
    }
  });
  expect(unknown).toEqual([]);
});
