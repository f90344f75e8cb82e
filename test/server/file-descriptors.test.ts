import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fitToDescriptors } from '../../src/server/connection-limit.ts';
import { MAIN, postJson } from '../support/command.ts';
import { createTestEmulator } from '../support/emulator.ts';

const run = promisify(execFile);
const INDEX = join(MAIN, '../index.js');
/** Enough for a start, which opens about 30 files, and few enough to be used up quickly. */
const MAX_DESCRIPTORS = 256;
const limitedNode = (...args: string[]) =>
  ['-c', `ulimit -n ${MAX_DESCRIPTORS}; exec "$@"`, 'sh', process.execPath, ...args] as const;

/** Starts the built command with few descriptors. */
async function startLimited(...flags: string[]) {
  const child = spawn('sh', limitedNode(MAIN, '--port', '0', ...flags), { env: { PATH: process.env.PATH! } });
  onTestFinished(() => void child.kill('SIGKILL'));
  const logged: Record<string, unknown>[] = [];
  const url = await new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      logged.push(JSON.parse(line));
      if (logged.at(-1)!.url) resolve(logged.at(-1)!.url as string);
    });
  });
  return { url, port: Number(new URL(url).port), logged };
}

async function openConnections(port: number, count: number): Promise<void> {
  const sockets: Socket[] = [];
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  while (sockets.length < count) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
  }
}

/** Sends one request after the other on one connection. */
function createClient(port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  return async (path: string) => {
    const [response] = (await once(get({ agent, port, path, host: '127.0.0.1' }), 'response')) as [IncomingMessage];
    const { localPort } = response.socket;
    await finished(response.resume());
    return { status: response.statusCode, port: localPort };
  };
}

describe('file descriptors', () => {
  // id: descriptors-limit-connections
  it('limit the connections, so that images and modules can still be loaded', async () => {
    const { url, port, logged } = await startLimited('--clock', 'auto');
    const order = { prompt: 'a', mode: 'generate' };
    const { body } = await postJson(url, '/api/nano-banana-2/generate', order);
    let poll: { status?: string; imageUrl?: string } = {};
    while (poll.status !== 'completed') {
      poll = (await postJson(url, '/api/nano-banana-2/check-status', { generationId: body.generationId })).body;
    }
    const request = createClient(port);
    const first = await request('/health');
    expect(first.status).toBe(200);
    await openConnections(port, 2 * MAX_DESCRIPTORS);
    const paths = [new URL(poll.imageUrl!).pathname, '/ca.pem', '/openapi.json', '/__admin/openapi.json', '/metrics'];
    for (const path of paths) expect([path, await request(path)]).toEqual([path, first]);
    expect(logged).toContainEqual(
      expect.objectContaining({ level: 40, connectionLimit: 5000, max: expect.any(Number) }),
    );
    expect(logged.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  }, 30_000);

  // id: descriptor-exhaustion-leaves-no-damage
  it('run out without lasting damage: a 503 until some are free again', async () => {
    const program = `
      import { closeSync, openSync } from 'node:fs';
      import { startEmulator } from ${JSON.stringify(INDEX)};
      const emulator = await startEmulator({ port: 0, clock: 'auto', logLevel: 'silent' });
      const headers = { authorization: 'Bearer ' + emulator.apiKey, 'content-type': 'application/json' };
      const post = async (path, body) =>
        (await fetch(emulator.url + path, { method: 'POST', headers, body: JSON.stringify(body) })).json();
      const complete = async (family, mode) => {
        const { generationId, taskId } = await post('/api/' + family + '/generate', { prompt: 'a', mode });
        let poll = {};
        while (poll.status !== 'completed') {
          poll = await post('/api/' + family + '/check-status', { generationId, taskId });
        }
        return poll.imageUrl ?? poll.videoUrl;
      };
      const files = [await complete('nano-banana-2', 'generate'), await complete('sora-2', 'textToVideo')];
      const paths = [...files, ...['/ca.pem', '/docs', '/console', '/openapi.json',
        '/__admin/openapi.json'].map((path) => emulator.url + path)];
      const request = async () => {
        const results = [];
        // One after the other, on the connection that is still open.
        for (const path of paths) {
          const response = await fetch(path);
          const text = await response.text();
          results.push([response.status, text.includes('cannot open more files')]);
        }
        return results;
      };
      const opened = [];
      try {
        for (;;) opened.push(openSync('/dev/null'));
      } catch {}
      const during = await request();
      opened.forEach((descriptor) => closeSync(descriptor));
      const after = await request();
      console.log(JSON.stringify({ during, after }));
      process.exit(0);`;
    const { stdout } = await run('sh', limitedNode('--input-type=module', '-e', program), {
      env: { PATH: process.env.PATH! },
      timeout: 30_000,
    });
    const { during, after } = JSON.parse(stdout);
    expect(during).toEqual(during.map(() => [503, true]));
    expect(after.map(([status]: [number]) => status)).toEqual(during.map(() => 200));
  }, 30_000);

  it('lower a connection limit that exceeds them, and leave some for files', () => {
    expect(fitToDescriptors(5000, Number.POSITIVE_INFINITY)).toEqual({ max: 5000, maxPendingRefusals: 100 });
    expect(fitToDescriptors(5000, 20_000)).toEqual({ max: 5000, maxPendingRefusals: 100 });
    expect(fitToDescriptors(5000, 4096)).toEqual({ max: 3868, maxPendingRefusals: 100 });
    for (const free of [0, 1, 10, 100, 500, 5000]) {
      const { max, maxPendingRefusals } = fitToDescriptors(5000, free);
      expect(max).toBeGreaterThan(0);
      expect(maxPendingRefusals).toBeGreaterThan(0);
      expect(max + maxPendingRefusals).toBeLessThanOrEqual(Math.max(2, free - Math.min(128, free / 2)));
    }
  });

  // id: accept-error-survived
  it('may be missing for a connection: the error of accept() does not end the process', async () => {
    const emulator = await createTestEmulator(['--port', '0', '--https-port', '0', '--host', 'localhost']);
    await emulator.listen();
    const error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
    expect(emulator.app.server.emit('error', error)).toBe(true);
    expect((await emulator.app.inject('/health')).statusCode).toBe(200);
  });
});
