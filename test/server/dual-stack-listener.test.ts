import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

const ADDRESSES = ['127.0.0.1', '::1'];
const hasBoth = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === '::1');

async function listening(flags: string[] = []) {
  const emulator = await createTestEmulator(['--host', 'localhost', '--port', '0', ...flags]);
  const url = await emulator.listen();
  const port = Number(new URL(url).port);
  const at = (host: string) => {
    const socket = connect(port, host).on('error', () => {});
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  /** Returns all data until the connection ends. */
  async function ask(host: string, request: string): Promise<string> {
    const socket = at(host).setEncoding('utf8');
    socket.write(request);
    let text = '';
    for await (const piece of socket) text += piece;
    return text;
  }
  return { ...emulator, url, port, at, ask };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

describe.skipIf(!hasBoth)('localhost', () => {
  it.each(ADDRESSES)('serves everything at %s', async (host) => {
    const { ask, at, port, url } = await listening();
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(await ask(host, get('/health'))).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\{"status":"ok"\}$/);
    expect(await ask(host, get('/__admin/accounts'))).toMatch(/^HTTP\/1\.1 200 /);
    // By default Node responds to these without a body or not at all.
    const expecting = 'POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n';
    expect(await ask(host, expecting)).toMatch(/^HTTP\/1\.1 417 [\s\S]*"errorCode":"INVALID_INPUT"\}$/);
    expect(await ask(host, 'CONNECT else.test:443 HTTP/1.1\r\nHost: else.test:443\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 403 /,
    );
    const tunnel = at(host);
    tunnel.write('CONNECT nanophoto.ai:80 HTTP/1.1\r\nHost: nanophoto.ai\r\n\r\n');
    const [established] = await once(tunnel, 'data');
    expect(String(established)).toMatch(/^HTTP\/1\.1 200 Connection Established/);
    tunnel.write(get('/health'));
    const [answer] = await once(tunnel, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it('shares the connection limit between both addresses', async () => {
    const { ask, at } = await listening(['--connection-limit', '2']);
    const held = ADDRESSES.map(at);
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    for (const host of ADDRESSES) {
      await expect.poll(() => ask(host, get('/health'))).toMatch(/^HTTP\/1\.1 503 /);
    }
    held[0]!.destroy();
    await expect.poll(() => ask('::1', get('/health'))).toMatch(/^HTTP\/1\.1 200 /);
    held[1]!.destroy();
  });

  it('closes both addresses, with idle and silent connections', async () => {
    const { at, clock, close } = await listening();
    const ended: Promise<unknown>[] = [];
    for (const host of ADDRESSES) {
      const [silent, kept] = [at(host), at(host)];
      await once(silent, 'connect');
      kept.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await once(kept, 'data');
      for (const socket of [silent, kept]) ended.push(once(socket.resume(), 'close'));
    }
    const closed = close();
    // The grace period of connections that have not sent a request.
    clock.advance(1500);
    await Promise.all([closed, ...ended]);
    for (const host of ADDRESSES) {
      const isThere = await new Promise((resolve) => {
        at(host)
          .on('connect', () => resolve(true))
          .on('close', () => resolve(false));
      });
      expect([host, isThere]).toEqual([host, false]);
    }
  });

  it('listens on one address when the other one is in use', async () => {
    const other = createServer();
    other.listen(0, '::1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const { listen, close } = await createTestEmulator(['--host', 'localhost', '--port', String(port)]);
    expect(await listen()).toBe(`http://127.0.0.1:${port}`);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    await close();
  });
});

it('--host with an address listens on this address only', async () => {
  const emulator = await createTestEmulator(['--host', '127.0.0.1', '--port', '0']);
  const port = Number(new URL(await emulator.listen()).port);
  const socket = connect(port, '::1');
  const [error] = await once(socket, 'error');
  expect(['ECONNREFUSED', 'EADDRNOTAVAIL', 'ENETUNREACH']).toContain(error.code);
});
