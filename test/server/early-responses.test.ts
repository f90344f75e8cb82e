import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createTestEmulator, type TestEmulator } from '../support/emulator.ts';
import { collectResponses } from '../support/raw-http.ts';
import { openTunnel } from '../support/tunnel.ts';

const MB = 1000 * 1000;
const MIB = 1024 * 1024;
/** The second is more than a client can send before the emulator reads. */
const SIZES = [0.1 * MB, 10 * MB];
const CONNECTIONS = ['close', 'keep-alive', 'HTTP/1.0'] as const;
type Connection = (typeof CONNECTIONS)[number];

const KEY = 'Authorization: Bearer np_test_default';
const JSON_TYPE = 'Content-Type: application/json';
const GENERATE = 'POST /api/sora-2/generate';
const ORDER = { prompt: 'a', mode: 'textToVideo' };
const VIDEOS = new Map(SIZES.map((bytes) => [bytes, Buffer.from(`{"videoFile":"${'A'.repeat(bytes - 16)}"}`)]));

interface Refusal {
  name: string;
  /** By upload size, if not the same for all. */
  statuses: number | number[];
  target?: string;
  headers?: string[];
  body?: (bytes: number) => Buffer | string;
  flags?: string[];
  prepare?: (emulator: TestEmulator, port: number) => Promise<unknown>;
}

const REFUSALS: Refusal[] = [
  { name: 'a missing key', statuses: 401, headers: [JSON_TYPE] },
  { name: 'a wrong key', statuses: 401, headers: ['Authorization: Bearer wrong', JSON_TYPE] },
  { name: 'a wrong key and Expect: 100-continue', statuses: 401, headers: [JSON_TYPE, 'Expect: 100-continue'] },
  { name: 'an unknown path', statuses: 404, target: 'POST /api/none' },
  { name: 'an unsupported method', statuses: 405, target: 'PUT /api/sora-2/generate' },
  { name: 'a method that a page does not support', statuses: 405, target: 'PUT /docs' },
  { name: 'a content type other than JSON', statuses: 415, headers: [KEY, 'Content-Type: text/plain'] },
  { name: 'a compressed body', statuses: 415, headers: [KEY, JSON_TYPE, 'Content-Encoding: gzip'] },
  { name: 'a body over --body-limit-bytes', statuses: 413, flags: ['--body-limit-bytes', '2048'] },
  { name: 'two Host headers', statuses: 400, headers: ['Host: other', KEY, JSON_TYPE] },
  { name: 'large headers', statuses: 431, headers: [`X: ${'x'.repeat(20_000)}`] },
  { name: 'a request to the proxy for another host', statuses: 403, target: 'POST http://other.test/' },
  { name: 'CONNECT to another host', statuses: 403, target: 'CONNECT other.test:443' },
  {
    name: 'an exceeded rate limit',
    statuses: 429,
    headers: ['Authorization: Bearer limited', JSON_TYPE],
    prepare: async ({ createAccount, post }) => {
      createAccount('limited', { rateLimit: 1 });
      await post('/api/sora-2/generate', {}, 'limited');
    },
  },
  {
    name: 'too many auto-created accounts',
    statuses: 503,
    headers: ['Authorization: Bearer np_test_second', JSON_TYPE],
    flags: ['--auto-account-limit', '1'],
    prepare: ({ post }) => post('/api/sora-2/generate', ORDER, 'np_test_first'),
  },
  {
    name: 'too many connections',
    statuses: 503,
    flags: ['--connection-limit', '1'],
    prepare: (_emulator, port) => openConnection(port),
  },
  {
    name: 'a fault at the stage `request`',
    statuses: 500,
    target: 'POST /api/sora-2/reverse-prompt',
    prepare: ({ send }) => {
      const body = { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } };
      return send('POST', '/__admin/faults', { key: null, body });
    },
  },
  {
    name: 'a call of the control plane from a foreign page',
    statuses: 403,
    target: 'POST /__admin/accounts',
    headers: [JSON_TYPE, 'Origin: http://other.test'],
  },
  { name: 'an unknown path of the control plane', statuses: 404, target: 'POST /__admin/none' },
  {
    name: 'an account that exists already',
    statuses: [409, 413],
    target: 'POST /__admin/accounts',
    body: (bytes) => '{"key":"np_test_default"}'.padEnd(bytes),
  },
  {
    name: 'a content type that the control plane does not accept',
    statuses: 415,
    target: 'POST /__admin/accounts',
    headers: ['Content-Type: text/plain'],
  },
];

/** Connections of the running test, which are closed before the emulator stops. */
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

async function openConnection(port: number, allowHalfOpen = false): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen });
  sockets.add(socket);
  await once(socket, 'connect');
  return socket;
}

async function listening(flags: string[] = []) {
  const emulator = await createTestEmulator(['--port', '0', ...flags]);
  const port = Number(new URL(await emulator.listen()).port);
  return { ...emulator, port, open: (allowHalfOpen?: boolean) => openConnection(port, allowHalfOpen) };
}

/** Opens a connection. Returns both of its ends. */
async function openWithServerSocket({ app, open }: Awaited<ReturnType<typeof listening>>) {
  const connected = once(app.server, 'connection');
  const socket = await open();
  const [serverSocket] = (await connected) as [Socket];
  return { socket, serverSocket };
}

interface Upload extends Pick<Refusal, 'target' | 'headers' | 'body'> {
  connection: Connection;
  bytes: number;
  isChunked?: boolean;
}

function toHead({ target = GENERATE, headers = [KEY, JSON_TYPE], connection, bytes, isChunked }: Upload): string {
  return [
    `${target} ${connection === 'HTTP/1.0' ? connection : 'HTTP/1.1'}`,
    'Host: localhost',
    ...(connection === 'HTTP/1.0' ? [] : [`Connection: ${connection}`]),
    ...headers,
    isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`,
    '\r\n',
  ].join('\r\n');
}

/**
 * Sends an upload and reads nothing before all of it is written, as Python's urllib does. Returns the status of the
 * response, or the error of the connection. Unless the response announces that the connection closes, the connection
 * must serve another request; otherwise it must close without an error.
 */
async function send(socket: Socket, upload: Upload): Promise<number | string> {
  const { body = (size) => VIDEOS.get(size)!, bytes, isChunked } = upload;
  const connection = collectResponses(socket);
  socket.pause();
  socket.write(toHead(upload) + (isChunked ? `${bytes.toString(16)}\r\n` : ''));
  socket.write(body(bytes));
  await new Promise((resolve) => socket.write(isChunked ? '\r\n0\r\n\r\n' : '', resolve));
  socket.resume();
  const [response] = await connection.receive(1);
  if (response?.headers.connection === 'close') await connection.closed();
  else if (response) {
    connection.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await connection.receive(2))[1]?.status).toBe(200);
  }
  expect(connection.violations).toEqual([]);
  const error = socket.errored as NodeJS.ErrnoException | null;
  socket.destroy();
  return error?.code ?? response?.status ?? 'no response';
}

describe('responses that are sent before the end of an upload', () => {
  it.each(REFUSALS)('reach a client that sends all of it before it reads: $name', async (refusal) => {
    const { statuses, flags, prepare, ...request } = refusal;
    const emulator = await listening(flags);
    await prepare?.(emulator, emulator.port);
    const upload = async (connection: Connection, bytes: number, isChunked = false) =>
      send(await emulator.open(), { ...request, connection, bytes, isChunked });
    const results: unknown[] = [];
    const expected: unknown[] = [];
    for (const connection of CONNECTIONS) {
      for (const [index, bytes] of SIZES.entries()) {
        results.push([connection, bytes, await upload(connection, bytes)]);
        expected.push([connection, bytes, Array.isArray(statuses) ? statuses[index] : statuses]);
      }
      if (connection === 'HTTP/1.0') continue;
      results.push([connection, 'chunked', await upload(connection, 10 * MB, true)]);
      expected.push([connection, 'chunked', Array.isArray(statuses) ? statuses[1] : statuses]);
    }
    expect(results).toEqual(expected);
  });

  const openSecure = async (socket: Socket, ca: string) => {
    const secure = connectTls({ socket, ca, servername: 'nanophoto.ai', ALPNProtocols: ['http/1.1'] });
    await once(secure, 'secureConnect');
    return secure;
  };
  const openTunnelTo = async (port: number, target: string) => {
    const { socket } = await openTunnel(port, target);
    sockets.add(socket);
    return socket;
  };
  type Listening = Awaited<ReturnType<typeof listening>>;
  const certificateOf = async ({ authority }: Listening) => (await authority()).certificate;

  it.each<[string, (emulator: Listening) => Promise<Socket>, Partial<Upload>?]>([
    [
      'HTTPS',
      async (emulator) => openSecure(await openConnection(emulator.httpsPort()!), await certificateOf(emulator)),
    ],
    [
      'an encrypted tunnel',
      async (emulator) =>
        openSecure(await openTunnelTo(emulator.port, 'nanophoto.ai:443'), await certificateOf(emulator)),
    ],
    ['a plain tunnel', ({ port }) => openTunnelTo(port, 'nanophoto.ai:80')],
    ['an absolute URL', ({ open }) => open(), { target: 'POST http://nanophoto.ai/api/sora-2/generate' }],
    ['the header Upgrade', ({ open }) => open(), { headers: ['Upgrade: h2c', 'Connection: Upgrade'] }],
  ])('reach the client over every transport: %s', async (_transport, open, request) => {
    const emulator = await listening(['--https-port', '0']);
    const results: unknown[] = [];
    for (const connection of CONNECTIONS) {
      for (const bytes of SIZES) {
        const upload = { headers: [JSON_TYPE], ...request, connection, bytes };
        results.push(await send(await open(emulator), upload));
      }
    }
    expect(results).toEqual(Array(6).fill(401));
  });

  // id: refused-uploads-cut-off
  it.each<[string, number, Pick<Upload, 'connection' | 'isChunked' | 'headers'>]>([
    ['chunked', 0, { connection: 'close', isChunked: true }],
    ['chunked on a connection that could remain open', 0, { connection: 'keep-alive', isChunked: true }],
    ['of a declared terabyte', 0, { connection: 'keep-alive' }],
    // The response is not sent before the body exceeds its limit by 64 MiB.
    ['with a valid key', 64 * MIB, { connection: 'close', isChunked: true, headers: [KEY, JSON_TYPE] }],
  ])('close the connection after 64 MiB of an endless upload: %s', async (_case, bytesBefore, upload) => {
    const { open, core } = await listening();
    const socket = await open();
    socket.on('error', () => {}).write(toHead({ headers: [JSON_TYPE], ...upload, bytes: 1e12 }));
    const piece = Buffer.alloc(MB, 'x');
    const [before, after] = upload.isChunked ? [`${MB.toString(16)}\r\n`, '\r\n'] : ['', ''];
    while (!socket.destroyed) {
      socket.write(before);
      socket.write(piece);
      await new Promise((resolve) => socket.write(after, resolve));
    }
    expect(socket.bytesWritten).toBeGreaterThan(bytesBefore + 64 * MIB);
    expect(socket.bytesWritten).toBeLessThan(bytesBefore + 100 * MIB);
    expect(core.memory.usedBytes.bodies).toBe(0);
  });

  // id: refused-uploads-in-turns
  it.each<[string, Partial<Upload>]>([
    ['the connection closes', { isChunked: true }],
    ['the connection remains open', {}],
  ])('leave time for other clients while the rest of an upload is read: %s', async (_case, upload) => {
    const { socket, serverSocket } = await openWithServerSocket(await listening());
    let largestTurn = 0;
    const watchTurn = (bytesBefore: number) => {
      largestTurn = Math.max(largestTurn, serverSocket.bytesRead - bytesBefore);
      if (!serverSocket.destroyed) setImmediate(watchTurn, serverSocket.bytesRead);
    };
    watchTurn(0);
    expect(await send(socket, { headers: [JSON_TYPE], connection: 'keep-alive', bytes: 10 * MB, ...upload })).toBe(401);
    expect(serverSocket.bytesRead).toBeGreaterThan(2 * MB);
    // A read of libuv has 64 KiB.
    expect(largestTurn).toBeLessThanOrEqual(2 * 64 * 1024);
  });

  it('do not read an endless body while they are still being sent', async () => {
    const { socket, serverSocket } = await openWithServerSocket(await listening());
    socket.write('GET /__admin/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n');
    await once(socket, 'data');
    const piece = Buffer.alloc(MB, 'x');
    let written = 0;
    const write = () => {
      while (written < 100 && socket.write(piece)) written += 1;
    };
    socket.on('drain', write);
    write();
    await vi.waitUntil(() => serverSocket.bytesRead > 64 * MIB);
    for (let turn = 0; turn < 1000; turn++) await new Promise(setImmediate);
    expect(serverSocket.bytesRead).toBeLessThan(66 * MIB);
  });

  // id: refused-uploads-closed
  it('close the connection after 30 s if the client does not', async () => {
    const { open, clock, app } = await listening();
    const socket = await open(true);
    socket.resume().write(toHead({ headers: [JSON_TYPE], connection: 'close', bytes: MB }));
    await once(socket, 'end');
    const countConnections = () => new Promise((resolve) => app.server.getConnections((_, count) => resolve(count)));
    clock.advance(29_999);
    expect(await countConnections()).toBe(1);
    clock.advance(1);
    await expect.poll(countConnections).toBe(0);
  });

  // id: refused-uploads-time-out
  it('close the connection when the request times out', async () => {
    const { open } = await listening(['--request-timeout-seconds', '1']);
    const connection = collectResponses(await open(true));
    connection.write(`${toHead({ headers: [JSON_TYPE], connection: 'keep-alive', bytes: MB })}x`);
    await connection.closed();
    expect(connection.responses.map(({ status, headers }) => [status, headers.connection])).toEqual([
      [401, 'keep-alive'],
    ]);
  });

  it('reach a client that sends on after a malformed chunk', async () => {
    const { open } = await listening();
    const connection = collectResponses(await open());
    connection.socket.pause();
    connection.write(`${toHead({ connection: 'keep-alive', bytes: 0, isChunked: true })}1\r\nxxx\r\n`);
    await new Promise((resolve) => connection.socket.write(Buffer.alloc(10 * MB, 'x'), resolve));
    connection.socket.resume();
    await connection.closed();
    expect(connection.socket.errored).toBeNull();
    expect(connection.responses.map(({ status }) => status)).toEqual([400]);
  });

  it('keep further requests from being processed if they close the connection', async () => {
    const { open, account } = await listening();
    const connection = collectResponses(await open(true));
    connection.write(toHead({ headers: [KEY, JSON_TYPE, 'Expect: x'], connection: 'keep-alive', bytes: 2 * MB }));
    await connection.receive(1);
    const body = JSON.stringify(ORDER);
    const order = toHead({ connection: 'keep-alive', bytes: body.length }) + body;
    connection.write('x'.repeat(2 * MB) + order);
    await connection.closed();
    expect(connection.responses.map(({ status }) => status)).toEqual([417]);
    expect(account('np_test_default').taskCount).toBe(0);
  });
});
