import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readCaCertificate } from '../../src/cli/ca.ts';
import { isReady } from '../../src/cli/healthcheck.ts';
import { request } from '../../src/conformance/http-client.ts';
import { readConfig } from '../../src/settings/config.ts';
import { tempDir } from '../support/temp-dir.ts';
import { readSentence, runTool } from '../support/tools.ts';

const MIB = 1024 ** 2;
const chunk = Buffer.alloc(64 * 1024, 'x');
const bomb = Buffer.concat(Array(20).fill(gzipSync(Buffer.alloc(10 * MIB, ' '))));
const nested = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`f${n}`, n])));
/** Terminal control sequences, and text that a report in XML or JSON has to escape. */
const ESCAPES = '\u001b[2J\u009b31m\u202e<&"]]>\u0000';

type Respond = RequestListener;
const respondWith =
  (body: string | Buffer, headers: Record<string, string> = {}): Respond =>
  (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body);

function writeForever(socket: { write(data: Buffer): boolean; once(event: 'drain', next: () => void): unknown }) {
  const write = () => {
    while (socket.write(chunk));
    socket.once('drain', write);
  };
  write();
}

const HTTP_SERVERS: Record<string, Respond> = {
  'an endless body': (_request, response) => writeForever(response.writeHead(200)),
  'an endless error': (_request, response) => writeForever(response.writeHead(500)),
  'a compressed body that expands to 200 MB': respondWith(bomb, { 'content-encoding': 'gzip' }),
  'redirects in a circle': (request, response) => void response.writeHead(307, { location: request.url! }).end(),
  'deeply nested JSON': respondWith(nested),
  'a wide object': respondWith(wide),
  'JSON of another type': respondWith('null'),
  'a content type that is a field of every object': respondWith('{}', { 'content-type': 'constructor' }),
  'fields of every object': respondWith('{"__proto__":{"toString":1},"constructor":1,"toString":1,"status":{}}'),
  'control characters': respondWith(JSON.stringify({ error: ESCAPES, errorCode: ESCAPES, status: ESCAPES })),
  'half a body': (_request, response) =>
    void response.writeHead(200, { 'content-length': 1000 }).write('{"a":', () => response.destroy()),
};

/** Servers that claim to be an emulator, so that the tools use their control plane. */
const claimToBeEmulator =
  (respond: Respond): Respond =>
  (request, response) =>
    request.url === '/__admin/accounts?limit=1'
      ? respondWith('{"accounts":[]}')(request, response)
      : respond(request, response);

const LISTS = ['tasks', 'entries', 'accounts', 'faults'];
const respondToAll: Record<string, Respond> = {
  'lists that never end': (request, response) => {
    const page = Object.fromEntries(LISTS.map((name) => [name, Array.from({ length: 9000 }, () => ({ id: 'x' }))]));
    const body = request.url!.startsWith('/__admin')
      ? JSON.stringify({ ...page, key: 'x', next: String(Math.random()) })
      : JSON.stringify({ taskId: 'task_x', status: 'completed' });
    respondWith(body)(request, response);
  },
  'keys that make regular expressions slow': (_request, response) =>
    respondWith(JSON.stringify({ key: '\\'.repeat(60), entries: [], tasks: [], next: null, error: '\\'.repeat(5000) }))(
      _request,
      response,
    ),
  'thousands of URLs': (request, response) =>
    respondWith(
      JSON.stringify({ taskId: "$`$'", status: 'completed', ...urls(`http://${request.headers.host}/media/x`) }),
    )(request, response),
};
const urls = (url: string) => Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`videoUrl${n}`, url]));

const TCP_SERVERS: Record<string, (socket: Socket) => void> = {
  'endless headers': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nx: ');
    writeForever(socket);
  },
  'bytes that are not HTTP': (socket) => void socket.end('\u0000\u001b[31mSSH-2.0-OpenSSH\r\n'),
  'a closed connection': (socket) => socket.destroy(),
};

async function listen(server: ReturnType<typeof createTcpServer>): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const startHttp = (respond: Respond) =>
  listen(createServer((request, response) => void request.resume().on('end', () => respond(request, response))));

const FORMATS = ['human', 'json', 'junit'];
const SERVERS = (
  [
    ...Object.entries(HTTP_SERVERS).flatMap(([name, respond]): [string, () => Promise<string>][] => [
      [name, () => startHttp(respond)],
      [`${name}, from an emulator`, () => startHttp(claimToBeEmulator(respond))],
    ]),
    ...Object.entries(respondToAll).map(([name, respond]): [string, () => Promise<string>] => [
      name,
      () => startHttp(claimToBeEmulator(respond)),
    ]),
    ...Object.entries(TCP_SERVERS).map(([name, respond]): [string, () => Promise<string>] => [
      name,
      () => listen(createTcpServer(respond)),
    ]),
  ] as const
).map(([what, start], index) => [what, start, FORMATS[index % FORMATS.length]!] as const);

/** Some cases of each kind. */
const CASES = 'sora-2/task-is-paid,sora-2/task-completes,sora-2/check-status/,veo-3/task-completes,veo-3/task-is-paid';
const WITHOUT_CONTROL_CHARACTERS = /^(\P{Cc}|\n)*$/u;

describe('hostile servers', () => {
  // id: hostile-servers-one-sentence
  it.each(SERVERS)('that send %s cause a sentence or a finding', async (_what, start, format) => {
    const url = await start();
    const { port } = new URL(url);
    const args = ['--base-url', url, '--key', 'np_live_key', '--only', CASES, '--patience', '0', '--poll-every', '0'];
    const recordArgs = ['--record', join(tempDir(), 'recorded'), '--spend', '1000', '--format', format];
    const { code, sentence = '', stdout } = await runTool('verify', ...args, ...recordArgs);
    expect(code).toBeGreaterThan(0);
    expect(sentence + stdout).toMatch(WITHOUT_CONTROL_CHARACTERS);
    expect(sentence + stdout).not.toMatch(/^ {4}at /m);
    expect(stdout.length).toBeLessThan(MIB);
    const sample = new URL('../../fixtures/wire/sora-2/check-status-completed.json', import.meta.url).pathname;
    const drift = await runTool('drift', sample, '--base-url', url);
    expect(drift.code).toBeGreaterThan(0);
    expect(drift.stdout + (drift.sentence ?? '')).toMatch(WITHOUT_CONTROL_CHARACTERS);
    const imported = await runTool('import', sample, '--base-url', url, '--key', 'np_test_default');
    if (imported.code !== 0) expect(imported.sentence).toMatch(/^\P{Cc}+\.$/u);
    const config = readConfig({ port }, {});
    expect(await readSentence(() => readCaCertificate(config))).toMatch(/^\P{Cc}+\.$/u);
    expect(typeof (await isReady(config))).toBe('boolean');
  });

  it('cannot keep a request waiting', async () => {
    const url = await startHttp((_request, response) => void response.writeHead(200).write('{'));
    await expect(request(url, {}, 50)).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  // id: no-token-through-redirect
  it('get no admin token through a redirect', async () => {
    const received: unknown[] = [];
    const other = await startHttp((request, response) => {
      received.push(request.headers);
      respondWith('{"id":"f1"}')(request, response);
    });
    const url = await startHttp(
      (request, response) => void response.writeHead(307, { location: `${other}${request.url}` }).end(),
    );
    const sample = new URL('../../fixtures/wire/sora-2/check-status-completed.json', import.meta.url).pathname;
    const args = ['--base-url', url, '--key', 'np_test_default', '--admin-token', 'secret'];
    expect((await runTool('import', sample, ...args)).code).toBe(2);
    expect(received).toEqual([]);
  });
});
