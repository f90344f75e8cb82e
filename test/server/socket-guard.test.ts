import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createSocketGuard } from '../../src/server/socket-guard.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { exchange, sendRawBytes } from '../support/raw-http.ts';
import { createTestClock } from '../support/test-clock.ts';
import { openTunnel } from '../support/tunnel.ts';

const HEALTH = 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';

/** Starts an emulator and returns what it logs at `error`. */
async function listening() {
  const errors: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line) => void errors.push(JSON.parse(line).err.message) });
  const emulator = await createTestEmulator(['--port', '0', '--https-port', '0'], createTestClock(), logger);
  const { port } = new URL(await emulator.listen());
  const isServing = async () => (await exchange(port, HEALTH))[0]!.status === 200;
  return { ...emulator, port, errors, isServing };
}

const fail = (name: string) => () => {
  throw new Error(name);
};

describe('errors of listeners', () => {
  // id: listener-errors-end-one-connection
  it.each([
    ['connection', HEALTH],
    ['request', HEALTH],
    ['checkExpectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n'],
    ['checkContinue', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n'],
    ['clientError', 'XX YY\r\n\r\n'],
    ['connect', 'CONNECT nanophoto.ai:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['upgrade', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n'],
  ])('end the connection of the event %s, and nothing else', async (event, request) => {
    const { app, port, errors, isServing } = await listening();
    app.server.prependOnceListener(event, fail(event));
    expect((await sendRawBytes(port, request)).bytes).toHaveLength(0);
    expect(errors).toEqual([event]);
    expect(await isServing()).toBe(true);
  });

  it.each(['data', 'end', 'close', 'drain', 'timeout', 'resume', 'error', 'lookup'])(
    'of %s on a connection end it, and nothing else',
    async (event) => {
      const { app, port, errors, isServing } = await listening();
      app.server.prependOnceListener('connection', (socket) => {
        // The event may occur by itself.
        setImmediate(() => {
          socket.once(event, fail(event));
          socket.emit(event, Buffer.from(''));
        });
      });
      const client = connect(Number(port), '127.0.0.1');
      client.on('error', () => {}).resume();
      await once(client, 'close');
      expect(errors).toEqual([event]);
      expect(await isServing()).toBe(true);
    },
  );

  it.each([
    ['end', 'request'],
    ['close', 'request'],
    ['prefinish', 'response'],
    ['finish', 'response'],
    ['close', 'response'],
  ])('of %s on a %s end its connection, and nothing else', async (event, message) => {
    const { app, port, errors, isServing } = await listening();
    app.server.prependOnceListener('request', (request, response) => {
      (message === 'request' ? request : response).prependOnceListener(event, fail(event));
    });
    const client = connect(Number(port), '127.0.0.1');
    client.on('error', () => {}).resume();
    client.write('POST /__admin/reset HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n');
    await once(client, 'close');
    expect(errors).toEqual([event]);
    expect(await isServing()).toBe(true);
  });

  it.each([
    ['during the handshake of a tunnel', 'secure'],
    ['inside of a tunnel', 'resume'],
  ])('%s end the tunnel, and nothing else', async (_when, event) => {
    const { port, authority, errors, isServing } = await listening();
    await authority();
    const spy = vi.spyOn(Socket.prototype, 'emit');
    onTestFinished(() => void spy.mockRestore());
    spy.mockImplementation(function (this: Socket, name: string | symbol, ...args: unknown[]) {
      if (name === event && this.constructor.name === 'TLSSocket' && !('isClient' in this)) throw new Error(event);
      return Object.getPrototypeOf(Socket.prototype).emit.call(this, name, ...args);
    });
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const client = Object.assign(connectTls({ socket, rejectUnauthorized: false }), { isClient: true });
    client.on('error', () => {}).resume();
    client.write(HEALTH);
    await once(client, 'close');
    spy.mockRestore();
    expect(errors).toContain(event);
    expect(await isServing()).toBe(true);
  });

  it('of one response do not affect the others of the same event-loop turn', async () => {
    const { port, errors, clock } = await listening();
    const held: (() => void)[] = [];
    clock.atTurnEnd = (work) => void held.push(work);
    const [one, other] = [exchange(port, HEALTH), exchange(port, HEALTH)];
    const request = await vi.waitFor(() => {
      expect(held).toHaveLength(1);
      return held[0]!;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const { writeHead } = await import('node:http').then(({ ServerResponse }) => ServerResponse.prototype);
    const spy = vi.spyOn((await import('node:http')).ServerResponse.prototype, 'writeHead');
    onTestFinished(() => void spy.mockRestore());
    spy.mockImplementationOnce(fail('writeHead')).mockImplementation(writeHead);
    request();
    const statuses = (await Promise.all([one, other])).map((responses) => responses.map(({ status }) => status));
    expect(statuses.sort()).toEqual([[], [200]]);
    expect(errors).toEqual(['writeHead']);
  });

  it('do not include an error of a connection that has no listener for it, such as EPIPE', () => {
    const socket = new Socket();
    createSocketGuard(fail('reported')).protect(socket);
    socket.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  });

  it('that concern no connection are not caught', () => {
    const server = createServer();
    createSocketGuard(fail('reported')).protectServer(server);
    server.on('listening', fail('listening'));
    expect(() => server.emit('listening')).toThrow('listening');
    expect(() => server.emit('error', new Error('EADDRINUSE'))).toThrow('EADDRINUSE');
  });
});
