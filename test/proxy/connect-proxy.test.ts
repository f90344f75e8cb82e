import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startEmulator } from '../../src/index.ts';
import { createTestEmulator, startLoggingEmulator } from '../support/emulator.ts';
import { sendRawBytes, sendRawForJson } from '../support/raw-http.ts';
import { completeTask } from '../support/results.ts';
import { tempDir } from '../support/temp-dir.ts';
import { openTunnel, sendOverTls } from '../support/tunnel.ts';

const get = (path: string, host = 'nanophoto.ai', more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;
const FORBIDDEN = { success: false, error: 'This proxy only connects to nanophoto.ai', errorCode: 'FORBIDDEN' };

async function listening(flags: string[] = []) {
  const emulator = await createTestEmulator(['--port', '0', ...flags]);
  const { port } = new URL(await emulator.listen());
  const { certificate: ca } = await emulator.authority();
  return { ...emulator, emulator, port, ca };
}

/** Opens an encrypted connection through a tunnel. */
async function secureTunnel(port: string, ca: string, servername = 'nanophoto.ai') {
  const { socket } = await openTunnel(port, 'nanophoto.ai:443');
  const secure = connectTls({ socket, servername, ca, ALPNProtocols: ['h2', 'http/1.1'] });
  secure.setEncoding('utf8').on('error', () => {});
  await once(secure, 'secureConnect');
  return secure;
}

describe('CONNECT tunnels', () => {
  it.each(['nanophoto.ai', 'www.nanophoto.ai', 'video.nanophoto.ai', 'a.b.nanophoto.ai', 'NanoPhoto.AI'])(
    'to %s end in the emulator, with a certificate for the host',
    async (host) => {
      const { port, ca } = await listening();
      const { head, socket } = await openTunnel(port, `${host}:443`);
      expect(head).toBe('HTTP/1.1 200 Connection Established\r\n\r\n');
      const answer = await sendOverTls(socket, { host, ca, request: get('/media/sora/x.mp4', host) });
      expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
      expect(answer).toContain('"errorCode":"NOT_FOUND"');
    },
  );

  it('to port 80 are not encrypted', async () => {
    const { port } = await listening();
    const { head, socket } = await openTunnel(port, 'nanophoto.ai:80');
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    socket.write(get('/health'));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    socket.destroy();
  });

  // id: connect-refuses-tunnels-in-tunnels
  it.each(['443', '80'])('refuse a CONNECT inside a tunnel to port %s', async (innerPort) => {
    const { port, ca } = await listening();
    const connectRequest = `CONNECT nanophoto.ai:${innerPort} HTTP/1.1\r\nHost: nanophoto.ai\r\n\r\n`;
    const { socket: plain } = await openTunnel(port, 'nanophoto.ai:80');
    plain.write(connectRequest);
    const [plainResponse] = (await once(plain, 'data')) as [Buffer];
    expect(plainResponse.toString()).toMatch(/^HTTP\/1\.1 403 .*"errorCode":"FORBIDDEN"/s);
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const response = await sendOverTls(socket, { host: 'nanophoto.ai', ca, request: connectRequest });
    expect(response).toMatch(/^HTTP\/1\.1 403 .*"errorCode":"FORBIDDEN"/s);
  });

  // id: connect-refuses-other-hosts
  it.each([
    'example.com:443',
    'nanophoto.ai.evil.com:443',
    'evilnanophoto.ai:443',
    'nanophoto-ai:443',
    'nanophoto.ai:22',
    'nanophoto.ai:6266',
    '127.0.0.1:443',
    '[::1]:443',
    'localhost:80',
    'nanophoto.ai',
    'nanophoto.ai:443:443',
    'user@nanophoto.ai:443',
    'nanophoto.ai%00:443',
    '/nanophoto.ai:443',
    `${'a'.repeat(300)}.nanophoto.ai:443`,
  ])('to %s are refused', async (target) => {
    const { port } = await listening();
    const answer = await sendRawForJson(port, `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    expect(answer).toEqual({ status: 403, body: FORBIDDEN });
    expect((await sendRawBytes(port, get('/health', 'x'))).bytes.toString()).toContain('"ok"');
  });

  it('carry responses with URLs that work through the tunnel', async () => {
    const { emulator, port, ca } = await listening();
    const { taskId, videoUrl } = await completeTask(emulator, 'sora-2');
    const body = JSON.stringify({ taskId });
    const request = `POST /api/sora-2/check-status HTTP/1.1\r\nHost: nanophoto.ai\r\nConnection: close\r\nAuthorization: Bearer np_test_unlimited\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const answer = await sendOverTls(socket, { host: 'nanophoto.ai', ca, request });
    expect(answer).toContain(`"videoUrl":"https://nanophoto.ai${new URL(videoUrl).pathname}"`);
  });

  // id: proxy-no-bypass-of-guard
  it('do not bypass the guard of the control plane', async () => {
    const { port, ca } = await listening();
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const answer = await sendOverTls(socket, { host: 'nanophoto.ai', ca, request: get('/__admin/accounts') });
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
  });

  it.each([
    ['no TLS', 'GET / HTTP/1.1\r\nHost: nanophoto.ai\r\n\r\n'],
    ['broken TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and then nonsense'.padEnd(600, 'x')],
    ['binary nonsense', '\x00\x01\x02\x03\x04\x05\x06\x07'],
  ])('with %s instead of a TLS handshake are closed', async (_what, bytes) => {
    const { port } = await listening();
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const closed = once(socket, 'close');
    socket.write(bytes, 'latin1');
    socket.resume();
    await closed;
    expect((await sendRawBytes(port, get('/health', 'x'))).bytes.toString()).toContain('"ok"');
  });

  it('without data are closed after a timeout', async () => {
    const { port, clock } = await listening();
    const tunnels = await Promise.all(Array.from({ length: 50 }, () => openTunnel(port, 'nanophoto.ai:443')));
    const closed = Promise.all(tunnels.map(({ socket }) => once(socket.resume(), 'close')));
    clock.advance(9_999);
    expect(tunnels.some(({ socket }) => socket.destroyed)).toBe(false);
    clock.advance(1);
    await closed;
  });

  it('without data are closed when the client disconnects', async () => {
    const { port } = await listening();
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const closed = once(socket.resume(), 'close');
    socket.end();
    await closed;
  });

  it('negotiate HTTP/1.1', async () => {
    const { port, ca } = await listening();
    expect((await secureTunnel(port, ca)).alpnProtocol).toBe('http/1.1');
  });

  it('use the certificate for the SNI name, not for the CONNECT target', async () => {
    const { port, ca } = await listening();
    const secure = await secureTunnel(port, ca, 'a.b.nanophoto.ai');
    expect(secure.authorized).toBe(true);
    expect(secure.getPeerCertificate().subjectaltname).toBe('DNS:a.b.nanophoto.ai');
  });

  it('stay open after the handshake timeout once encrypted', async () => {
    const { port, ca, clock } = await listening();
    const secure = await secureTunnel(port, ca);
    // The client finishes the handshake before the server.
    for (const waitedMs of [0, 60_000]) {
      clock.advance(waitedMs);
      secure.write('GET /health HTTP/1.1\r\nHost: nanophoto.ai\r\n\r\n');
      const [answer] = (await once(secure, 'data')) as [string];
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    }
    secure.destroy();
  });

  it('complete their last response when the server stops', async () => {
    const { port, ca, close } = await listening();
    const secure = await secureTunnel(port, ca);
    const head = `POST /api/sora-2/check-status HTTP/1.1\r\nHost: nanophoto.ai\r\nAuthorization: Bearer np_test_default\r\n`;
    secure.write(`${head}Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n`);
    expect(await once(secure, 'data')).toEqual(['HTTP/1.1 100 Continue\r\n\r\n']);
    const closing = close();
    secure.write('{}');
    const [answer] = (await once(secure, 'data')) as [string];
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    await closing;
  });

  it('are closed when no certificate can be created for the SNI name; others stay open', async () => {
    const { port, ca } = await listening();
    (await secureTunnel(port, ca)).destroy();
    const making = vi.spyOn(webcrypto.subtle, 'generateKey').mockRejectedValueOnce(new Error('no luck'));
    onTestFinished(() => making.mockRestore());
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const closed = once(socket, 'close');
    expect(await sendOverTls(socket, { host: 'a.b.nanophoto.ai', ca, request: get('/health') })).toBe('');
    await closed;
    expect((await secureTunnel(port, ca, 'a.b.nanophoto.ai')).authorized).toBe(true);
  });

  it('are given up when the client disconnects during the handshake', async () => {
    const { port, clock } = await listening();
    const { after } = clock;
    const over = new Promise<void>((resolve) => {
      clock.after = (ms, work) => {
        const cancel = after(ms, work);
        return () => {
          cancel();
          resolve();
        };
      };
    });
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    socket.resetAndDestroy();
    await over;
  });

  it('are logged with their target when refused', async () => {
    const { port, lines } = await startLoggingEmulator();
    await openTunnel(port, 'example.com:443');
    await openTunnel(port, 'nanophoto.ai:22');
    const line = { level: 40, method: 'CONNECT', status: 403, msg: 'refused' };
    expect(lines).toMatchObject([
      { ...line, path: 'example.com:443' },
      { ...line, path: 'nanophoto.ai:22' },
    ]);
  });

  it('keep no connection when refused', async () => {
    const { port, close } = await listening();
    const { head, socket } = await openTunnel(port, 'example.com:443');
    expect(head).toMatch(/^HTTP\/1\.1 403 /);
    socket.write('hello?');
    const closed = once(socket.resume(), 'close');
    await close();
    await closed;
  });

  it('deliver data that was sent before the response to CONNECT', async () => {
    const { port } = await listening();
    const { bytes } = await sendRawBytes(port, `CONNECT nanophoto.ai:80 HTTP/1.1\r\nHost: x\r\n\r\n${get('/health')}`);
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 200 Connection Established\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  it('requested while the server stops do not delay the stop', async () => {
    const { port, close } = await listening();
    const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
    socket.on('error', () => {});
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\nCONNECT nanophoto.ai:443 HTTP/1.1\r\n');
    // The server has received the start of the second request when it responds to the first one.
    const [answer] = (await once(socket, 'data')) as [string];
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const closed = once(socket.resume(), 'close');
    const closing = close();
    socket.write('Host: x\r\n\r\n');
    await closing;
    await closed;
  });

  it('do not delay the stop of the server', async () => {
    const { port, close } = await listening();
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    const closed = once(socket.resume(), 'close');
    await close();
    await closed;
  });
});

describe('absolute-form requests', () => {
  it.each(['http://nanophoto.ai/health', 'https://nanophoto.ai/health', 'HTTP://API.nanophoto.ai:8080/health'])(
    'are served for %s',
    async (target) => {
      const { port } = await listening();
      expect((await sendRawBytes(port, get(target))).bytes.toString()).toMatch(/^HTTP\/1\.1 200 /);
    },
  );

  it.each([
    'http://example.com/health',
    'https://example.com/',
    'http://nanophoto.ai@example.com/health',
    'http://example.com@nanophoto.ai/health',
    'http://127.0.0.1:1/health',
    'http://example.com/__admin/accounts',
    'http:///health',
    'http://169.254.169.254/latest/meta-data',
  ])('are refused for %s', async (target) => {
    const { port } = await listening();
    expect(await sendRawForJson(port, get(target))).toEqual({ status: 403, body: FORBIDDEN });
  });

  it('are served for the emulator itself', async () => {
    const { port } = await listening();
    for (const host of ['127.0.0.1', 'localhost']) {
      const { bytes } = await sendRawBytes(port, get(`http://${host}:${port}/health`));
      expect(bytes.toString()).toMatch(/^HTTP\/1\.1 200 /);
    }
  });

  it('use the host of the URL, not the Host header', async () => {
    const { emulator, port } = await listening();
    const { taskId, videoUrl } = await completeTask(emulator, 'sora-2');
    const path = new URL(videoUrl).pathname;
    const answer = await sendRawBytes(port, get(`https://video.nanophoto.ai${path.replace('/media', '')}`, 'other'));
    expect(answer.bytes.toString('latin1')).toContain(taskId);
    const body = JSON.stringify({ taskId });
    const poll = await sendRawBytes(
      port,
      `POST https://nanophoto.ai/api/sora-2/check-status HTTP/1.1\r\nHost: other\r\nConnection: close\r\nAuthorization: Bearer np_test_unlimited\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(poll.bytes.toString()).toContain(`"videoUrl":"https://nanophoto.ai${path}"`);
  });
});

describe('HTTPS port', () => {
  it('serves the vendor hosts', async () => {
    const { httpsPort, ca } = await listening(['--https-port', '0']);
    for (const host of ['nanophoto.ai', 'video.nanophoto.ai', 'a.b.nanophoto.ai']) {
      const socket = connect(httpsPort()!, '127.0.0.1');
      const answer = await sendOverTls(socket, { host, ca, request: get('/health', 'nanophoto.ai') });
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    }
    const foreignSocket = connect(httpsPort()!, '127.0.0.1');
    const refused = sendOverTls(foreignSocket, { host: 'example.com', ca, request: get('/health') });
    await expect(refused).rejects.toThrow(/Hostname\/IP does not match/);
  });

  it('closes connections that do not speak TLS', async () => {
    const { httpsPort, ca } = await listening(['--https-port', '0']);
    expect((await sendRawBytes(httpsPort()!, get('/health'))).bytes.toString()).not.toContain('"ok"');
    const answer = await sendOverTls(connect(httpsPort()!, '127.0.0.1'), {
      host: 'nanophoto.ai',
      ca,
      request: get('/health'),
    });
    expect(answer).toContain('"ok"');
  });

  it('closes all connections on stop, also in the middle of a request', async () => {
    const { httpsPort, ca, close, clock } = await listening(['--https-port', '0']);
    const port = httpsPort()!;
    const secure = connectTls({ port, host: '127.0.0.1', servername: 'nanophoto.ai', ca });
    secure.on('error', () => {});
    await once(secure, 'secureConnect');
    secure.write('POST /api/sora-2/generate HTTP/1.1\r\nHost: nanophoto.ai\r\nContent-Length: 10\r\n\r\n');
    const gone = new Promise((resolve) => secure.resume().on('close', resolve));
    const closing = close();
    await new Promise(setImmediate);
    clock.advance(1500);
    await closing;
    await gone;
  });

  it('is closed when the main port is not available', async () => {
    const { port } = await listening();
    const servers = async () => {
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
    };
    const before = await servers();
    await expect(startEmulator({ port: Number(port), httpsPort: 0 })).rejects.toThrow(/is in use/);
    expect(await servers()).toBe(before);
  });

  it('fails with a setup error when the port is in use', async () => {
    const { port } = await listening();
    const other = await createTestEmulator(['--port', '0', '--https-port', port]);
    await expect(other.listen()).rejects.toThrow(/^Port \d+ on 127\.0\.0\.1 is in use/);
  });
});

describe('unreadable certificate authority', () => {
  it('fails its tunnels only, and can be fixed without a restart', async () => {
    const dir = tempDir();
    const file = join(dir, 'authority.pem');
    writeFileSync(file, 'damaged');
    const emulator = await createTestEmulator(['--port', '0', '--data-dir', dir]);
    const { port } = new URL(await emulator.listen());
    const { socket, head } = await openTunnel(port, 'nanophoto.ai:443');
    expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(JSON.parse(head.split('\r\n\r\n')[1]!)).toEqual({
      success: false,
      error: 'No certificate could be issued for this tunnel; see the log of the emulator',
      errorCode: 'SERVICE_UNAVAILABLE',
    });
    await once(socket.resume(), 'close');
    expect((await sendRawBytes(port, get('/ca.pem', 'x'))).bytes.toString()).toMatch(/^HTTP\/1\.1 500 /);
    rmSync(file);
    expect((await sendRawBytes(port, get('/ca.pem', 'x'))).bytes.toString()).toContain('BEGIN CERTIFICATE');
  });
  it('is logged, for tunnels and for the HTTPS port', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'authority.pem'), 'damaged');
    const { port, httpsPort, lines } = await startLoggingEmulator(['--data-dir', dir, '--https-port', '0']);
    await openTunnel(port, 'nanophoto.ai:443');
    expect((await sendRawBytes(httpsPort()!, '\x16')).bytes.toString()).toBe('');
    expect(await sendRawForJson(port, get('/health', 'x'))).toMatchObject({ status: 200 });
    const line = {
      level: 50,
      msg: 'TLS setup of a connection failed',
      err: { message: expect.stringMatching(/authority\.pem is damaged; remove it/) },
    };
    expect(lines).toMatchObject([line, line]);
  });
});
