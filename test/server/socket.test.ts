import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { sendRawForJson } from '../support/raw-http.ts';

/** Returns the response to bytes that no HTTP library would send. */
async function raw(bytes: string): Promise<{ status: number; body: unknown }> {
  const { app } = await createTestEmulator();
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as { port: number };
  return sendRawForJson(port, bytes);
}

const HOST = 'Host: localhost\r\nConnection: close\r\n';
const KEY = 'Authorization: Bearer np_test_default\r\n';
const invalid = { success: false, error: expect.any(String), errorCode: 'INVALID_INPUT' };

describe('raw HTTP', () => {
  it.each([
    ['a malformed request line', 'HELLO\r\n\r\n', 400],
    ['a malformed header', `GET / HTTP/1.1\r\n${HOST}no colon here\r\n\r\n`, 400],
    ['a second Content-Length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400],
    ['a second Host (RFC 9112, section 3.2)', `GET / HTTP/1.1\r\n${HOST}host: localhost\r\n\r\n`, 400],
    ['HTTP/0.9', 'GET /api\r\n\r\n', 400],
    ['a Content-Length that is not a number', `POST / HTTP/1.1\r\n${HOST}Content-Length: x\r\n\r\n`, 400],
    ['headers of absurd size', `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['no Host', `GET /api HTTP/1.1\r\nConnection: close\r\n\r\n`, 400],
    ['an unknown expectation', `POST / HTTP/1.1\r\n${HOST}Expect: miracles\r\nContent-Length: 0\r\n\r\n`, 417],
    [
      'a broken chunk',
      `POST /api/sora-2/generate HTTP/1.1\r\n${HOST}${KEY}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
      400,
    ],
  ])('%s gets an error in the API format', async (_case, bytes, status) => {
    expect(await raw(bytes)).toEqual({ status, body: invalid });
  });

  it('HTTP/1.0 without Host is accepted', async () => {
    expect((await raw('GET /health HTTP/1.0\r\n\r\n')).status).toBe(200);
  });

  it('a body may arrive in pieces', async () => {
    const body = '{"prompt":"a","mode":"textToVideo"}';
    const chunks = [...body].map((character) => `1\r\n${character}\r\n`).join('');
    const head = `POST /api/sora-2/generate HTTP/1.1\r\n${HOST}${KEY}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    expect(await raw(`${head}${chunks}0\r\n\r\n`)).toMatchObject({ status: 200, body: { success: true } });
  });
});

describe('clients that send too much', () => {
  it('receive the error response although they are still sending', async () => {
    const { app } = await createTestEmulator();
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    for (const path of ['/api/sora-2/generate', '/api/veo-3/generate']) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { authorization: 'Bearer np_test_default', 'content-type': 'application/json' },
        body: `{"prompt":"${'x'.repeat(8_000_000)}"}`,
      });
      expect([response.status, await response.json()]).toEqual([413, invalid]);
    }
  });

  // id: endless-body-cut-off
  it('are disconnected after the error response if they do not stop', async () => {
    const { app } = await createTestEmulator();
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = new URL(url);
    const text = await new Promise<string>((resolve) => {
      let received = '';
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(
          `POST /api/sora-2/generate HTTP/1.1\r\nHost: x\r\n${KEY}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{`,
        ),
      );
      socket.setEncoding('utf8');
      socket.on('data', (chunk) => {
        received += chunk;
      });
      socket.on('close', () => resolve(received));
    });
    expect(text).toMatch(/^HTTP\/1\.1 413 [\s\S]*"errorCode":"INVALID_INPUT"\}$/);
  });
});

describe('clients that disconnect in the middle of a body', () => {
  it('have no effect', async () => {
    const { app, account } = await createTestEmulator();
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = new URL(url);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write(
          `POST /api/sora-2/generate HTTP/1.1\r\nHost: x\r\n${KEY}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"prompt"`,
          () => socket.destroy(),
        );
      });
      socket.on('close', () => resolve());
    });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(account('np_test_default').balance).toBe(1000);
  });
});
