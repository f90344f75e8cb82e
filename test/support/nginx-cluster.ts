import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { findFreePort } from './command.ts';
import { serveEmulator } from './emulator.ts';
import { tempDir } from './temp-dir.ts';

/** The configuration in docker/nginx. */
export const CONF = readFileSync(new URL('../../docker/nginx/nginx.conf', import.meta.url), 'utf8');
/** Admin token of the emulators. */
export const TOKEN = 'a-token-of-the-tests';

interface RequestOptions {
  key?: string;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Sends a request on its own connection, so that no pooled connection remains when nginx or an emulator ends. */
export async function openRequest(
  base: string,
  method: string,
  path: string,
  { key, body, headers }: RequestOptions = {},
) {
  const { hostname, port } = new URL(base);
  const text = body === undefined ? undefined : JSON.stringify(body);
  const outgoing = request({
    agent: false,
    hostname,
    port,
    method,
    path,
    headers: {
      ...(path.includes('/__admin') && { 'x-admin-token': TOKEN }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      }),
      ...headers,
    },
  });
  outgoing.end(text);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

export async function sendRequest(base: string, method: string, path: string, options?: RequestOptions) {
  const response = await openRequest(base, method, path, options);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const isJson = response.headers['content-type']?.startsWith('application/json') && bytes.length > 0;
  return {
    status: response.statusCode!,
    headers: response.headers,
    bytes,
    // biome-ignore lint/suspicious/noExplicitAny: responses have many shapes
    body: (isJson ? JSON.parse(bytes.toString()) : undefined) as any,
  };
}

export const accountPath = (key: string) => `/__admin/accounts/${encodeURIComponent(key)}`;

/** The configuration with a fourth emulator, added as docs/guides/scaling.md describes. */
export const addFourthEmulator = (conf: string) =>
  conf
    .replace(/^( *server emulator-)3(:6266 max_fails=0;\n)(?= *keepalive 64)/m, '$13$2$14$2')
    .replace(/^ {2}upstream emulator-3 \{\n[\s\S]*?\n {2}\}\n/m, (block) => block + block.replaceAll('r-3', 'r-4'))
    .replace(/^( *)3 emulator-3;\n/m, '$&$14 emulator-4;\n');

/** The configuration with this test's addresses and directories. */
const renderConf = (conf: string, port: number, emulators: string[], dir: string) =>
  emulators
    .reduce((text, url, n) => text.replaceAll(`emulator-${n + 1}:6266`, new URL(url).host), conf)
    .replace('listen 6266;', `listen 127.0.0.1:${port};`)
    .replaceAll('/tmp/', `${dir}/`);

/**
 * Starts three emulators behind nginx; all end with the test. They run in this process, except for those with a function
 * in `starters`, which gets the flags.
 */
export async function startNginxCluster(starters: Record<number, (flags: string[]) => Promise<{ url: string }>> = {}) {
  const port = await findFreePort();
  const url = `http://127.0.0.1:${port}`;
  const dir = tempDir();
  const file = join(dir, 'nginx.conf');

  const flagsOf = (n: number) => [
    ...['--public-url', `${url}/nodes/${n}`, '--admin-token', TOKEN, '--rate-limit', 'off'],
    ...['--speed', '1000000'],
  ];
  const startEmulator = (n: number) =>
    starters[n]?.(flagsOf(n)) ?? serveEmulator(flagsOf(n)).then((served) => ({ url: served }));
  const emulators = await Promise.all([1, 2, 3].map(startEmulator));
  const configure = (conf: string) => {
    const text = renderConf(
      conf,
      port,
      emulators.map((one) => one.url),
      dir,
    );
    expect(text).not.toMatch(/6266|\/tmp\/(?!nanophoto)/);
    writeFileSync(file, text);
  };
  configure(CONF);

  // Lets the workers write to this test's directory when the test runs as root.
  const globals = `daemon off;${process.getuid?.() === 0 ? ' user root;' : ''}`;
  const nginx = spawn('nginx', ['-e', 'stderr', '-p', dir, '-c', file, '-g', globals], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(nginx, 'close');
  onTestFinished(async () => {
    nginx.kill('SIGTERM');
    await ended;
  });
  let log = '';
  const countLogged = (pattern: RegExp) => log.match(new RegExp(pattern, 'g'))?.length ?? 0;
  nginx.stderr.setEncoding('utf8').on('data', (text) => {
    log += text;
    nginx.emit('logged');
  });
  /** Waits until the log has at least this many matches. */
  async function waitForLog(pattern: RegExp, times: number): Promise<void> {
    while (countLogged(pattern) < times) {
      if (nginx.exitCode !== null) throw new Error(`nginx ended:\n${log}`);
      await Promise.race([once(nginx, 'logged'), ended]);
    }
  }
  await waitForLog(/start worker process \d+/, 2);

  return {
    url,
    port,
    emulators,
    startEmulator,
    sendRequest: (method: string, path: string, options?: RequestOptions) => sendRequest(url, method, path, options),
    /** Returns a function that lists the emulators (by number) that have an account. */
    async findNodesByKey(): Promise<(key: string) => number[]> {
      const lists = await Promise.all(
        emulators.map(async (one) => {
          const { accounts } = (await sendRequest(one.url, 'GET', '/__admin/accounts?limit=1000')).body;
          return new Set(accounts.map(({ key }: { key: string }) => key));
        }),
      );
      return (key) => lists.flatMap((keys, index) => (keys.has(key) ? [index + 1] : []));
    },
    /** Reloads the configuration and waits until the old workers have ended. */
    async reload(conf: string): Promise<void> {
      configure(conf);
      const started = countLogged(/start worker process \d+/);
      nginx.kill('SIGHUP');
      await waitForLog(/worker process \d+ exited with code 0/, started);
    },
  };
}
