import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { request as sendRequest } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startRecordingProxy } from '../../src/cli/exec/recording-proxy.ts';
import { createSpendBudget } from '../../src/cli/exec/spend-budget.ts';
import { getFourSecondVideo, loadContractDocument } from '../../src/cli/verify.ts';
import { type ContractValidator, createContractValidator } from '../../src/conformance/contract-validator.ts';
import { loadSamples } from '../../src/conformance/recordings/load-samples.ts';
import { createRunRecorder } from '../../src/conformance/recordings/run-recorder.ts';
import { type Authority, openAuthority } from '../../src/proxy/certificate-authority.ts';
import { findFreePort } from '../support/command.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { openTunnel } from '../support/tunnel.ts';

const CHECK = '/api/sora-2/check-status';
const GENERATE = '/api/sora-2/generate';
const JSON_TYPE = { 'content-type': 'application/json' };
const SORA = { prompt: 'a dog', mode: 'textToVideo' };

let validator: ContractValidator;
let authority: Authority;
beforeAll(async () => {
  validator = createContractValidator(await loadContractDocument());
  authority = await openAuthority(undefined);
});

async function startProxy(url: string, { spend = 0, recordFiles = false } = {}) {
  const dir = tempDir();
  const clock = createTestClock();
  const budget = createSpendBudget(validator, spend);
  const incomplete: string[] = [];
  const recorder = createRunRecorder({
    ...{ dir, url, credentials: [], nowMs: clock.nowMs, getFourSecondVideo, validator, documented: [] },
    onIncomplete: (reason) => incomplete.push(reason),
  });
  const logger = pino({ level: 'silent' });
  const proxy = await startRecordingProxy({
    ...{ url, port: 0, recorder, budget, recordFiles, authority, clock, logger },
  });
  onTestFinished(proxy.close);
  const port = Number(new URL(proxy.url).port);
  const open = (path: string, body: unknown = {}, headers = {}, method = 'POST') => {
    const request = sendRequest({
      port,
      host: '127.0.0.1',
      path,
      method,
      headers: { host: 'nanophoto.ai', ...headers },
    });
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    request.end(method === 'GET' ? undefined : isRaw ? body : JSON.stringify(body));
    return request;
  };
  const send = async (...parameters: Parameters<typeof open>) => {
    const [response] = await once(open(...parameters), 'response');
    const chunks: Buffer[] = [];
    let isCut = false;
    try {
      for await (const chunk of response) chunks.push(chunk);
    } catch {
      isCut = true;
    }
    const text = Buffer.concat(chunks).toString();
    const isJson = String(response.headers['content-type']).startsWith('application/json');
    return { status: response.statusCode, headers: response.headers, text, isCut, body: isJson && JSON.parse(text) };
  };
  return { ...proxy, port, dir, clock, budget, incomplete, open, send, samples: () => loadSamples(dir) };
}

/** Starts a server that sends raw bytes to each request. */
async function startRawServer(respond: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', () => respond(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const startJsonService = (body: unknown = { success: true }) =>
  startService((_body, _request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });

describe('recording proxy', () => {
  it('forwards requests with their headers and bodies, and returns the response', async () => {
    const received: unknown[] = [];
    const url = await startService((body, { method, url: path, headers }, response) => {
      received.push({ method, path, headers, body });
      const more = { 'x-ratelimit-limit': '7', 'alt-svc': 'h3=":443"', 'set-cookie': ['a=1', 'b=2'] };
      response.writeHead(404, { 'content-type': 'application/json', ...more }).end('{"errorCode":"NOT_FOUND"}');
    });
    const { send, samples, port } = await startProxy(url);
    const headers = { authorization: 'Bearer sk-secret-key', 'x-mine': '1', 'accept-encoding': 'gzip', te: 'trailers' };
    const response = await send(`${CHECK}?a=sk-secret-key`, { taskId: 'task_1' }, headers);
    expect(response).toMatchObject({ status: 404, body: { errorCode: 'NOT_FOUND' } });
    expect(response.headers).toMatchObject({ 'x-ratelimit-limit': '7', 'set-cookie': ['a=1', 'b=2'] });
    expect(response.headers).not.toHaveProperty('alt-svc');
    expect(received).toEqual([
      {
        ...{ method: 'POST', path: `${CHECK}?a=sk-secret-key`, body: '{"taskId":"task_1"}' },
        headers: {
          ...{ authorization: 'Bearer sk-secret-key', 'x-mine': '1', 'accept-encoding': 'identity' },
          ...{ host: new URL(url).host, connection: 'keep-alive', 'content-length': '19' },
        },
      },
    ]);
    expect(samples()).toMatchObject([
      {
        request: { path: CHECK, body: { taskId: 'task_1' } },
        response: { status: 404, headers: { 'x-ratelimit-limit': '7' }, body: { errorCode: 'NOT_FOUND' } },
      },
    ]);
    expect((await send(CHECK, {}, { host: `127.0.0.1:${port}` })).status).toBe(404);
    expect((await send(`https://nanophoto.ai${CHECK}`)).status).toBe(404);
    expect(received).toHaveLength(3);
  });

  it('records each body as it was sent: JSON, other text, or none', async () => {
    const { send, samples } = await startProxy(await startJsonService());
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    for (const body of ['null', '"null"', '{"a":', '']) await send(CHECK, body, headers);
    const requests = samples().map(({ request: { path: _, ...rest } }) => rest);
    expect(requests).toEqual([{ body: null }, { body: 'null' }, { text: '{"a":' }, {}]);
  });

  it.each<[string, string | Buffer, Record<string, string>, object]>([
    ['another content type', '{}', { 'content-type': 'text/plain' }, { contentType: 'text/plain', body: {} }],
    ['no content type', '{}', {}, { contentType: '', body: {} }],
    [
      'a content type that begins like that of JSON',
      '[]',
      { 'content-type': 'application/json-patch+json' },
      { contentType: 'application/json-patch+json', body: [] },
    ],
  ])('records what a replay needs: %s', async (_, body, headers, recorded) => {
    const { send, samples } = await startProxy(await startJsonService());
    await send(CHECK, body, headers);
    expect(samples().map(({ request: { path: _, ...rest } }) => rest)).toEqual([recorded]);
  });

  it.each<[string, string | Buffer, Record<string, string>]>([
    ['its body was compressed with gzip', gzipSync('{}'), { 'content-encoding': 'gzip' }],
    ['its body was not valid UTF-8', Buffer.from('7b22e9227d', 'hex'), {}],
    ['it had the header x-emulator-fault', '{}', { 'x-emulator-fault': 'fail' }],
  ])('records why a request cannot be repeated: %s', async (reason, body, headers) => {
    const { send, samples } = await startProxy(await startJsonService());
    await send(CHECK, body, { ...JSON_TYPE, ...headers });
    await send(CHECK, '{}', JSON_TYPE);
    expect(samples().map(({ notRepeatable }) => notRepeatable)).toEqual([reason, undefined]);
  });

  it('has an x-request-id in its own responses: that of the client, or a new one', async () => {
    const { send, port } = await startProxy(`http://127.0.0.1:${await findFreePort()}`);
    const ids = [];
    for (const [status, path, host] of [
      [502, CHECK, 'nanophoto.ai'],
      [402, GENERATE, 'nanophoto.ai'],
      [403, CHECK, 'example.com'],
    ] as const) {
      const own = await send(path, SORA, { host, 'x-request-id': 'my-id-1' });
      expect([own.status, own.headers['x-request-id']]).toEqual([status, 'my-id-1']);
      ids.push((await send(path, SORA, { host })).headers['x-request-id']);
    }
    expect((await openTunnel(port, 'example.com:443')).head).toMatch(/\r\nx-request-id: \S+/i);
    expect(new Set(ids).size).toBe(3);
    expect(ids.every((id) => /^\S{10,}$/.test(String(id)))).toBe(true);
  });

  it('serves tunnels to the vendor with a certificate of the emulator', async () => {
    const { port, samples } = await startProxy(await startJsonService());
    const { head, socket } = await openTunnel(port, 'nanophoto.ai:443');
    expect(head).toContain('200');
    const request = `POST ${CHECK} HTTP/1.1\r\nHost: nanophoto.ai\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`;
    const secure = connectTls({ socket, servername: 'nanophoto.ai', ca: authority.certificate });
    secure.write(request);
    let text = '';
    for await (const chunk of secure) text += chunk;
    expect(text).toContain('{"success":true}');
    expect(samples()).toHaveLength(1);
  });

  // id: recording-proxy-refuses-other-hosts
  it('forwards nothing for other hosts', async () => {
    let requests = 0;
    const url = await startService((_body, _request, response) => {
      requests += 1;
      response.end();
    });
    const { send, port, samples } = await startProxy(url);
    const refused = { status: 403, body: { errorCode: 'FORBIDDEN' } };
    for (const host of ['example.com', 'nanophoto.ai.example.com', 'notnanophoto.ai', '192.168.0.1']) {
      expect(await send(CHECK, {}, { host })).toMatchObject(refused);
      expect(await send(`http://${host}${CHECK}`)).toMatchObject(refused);
    }
    expect((await openTunnel(port, 'example.com:443')).head).toContain('403');
    expect({ requests, samples: samples() }).toEqual({ requests: 0, samples: [] });
  });

  it('passes a text on while it arrives', async () => {
    let finish = () => {};
    const url = await startService((_body, _request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      response.write('first ');
      finish = () => response.end('second');
    });
    const { open, samples } = await startProxy(url, { spend: 10 });
    const [response] = await once(open('/api/sora-2/generate-prompt', { topic: 'a garden' }), 'response');
    const chunks: string[] = [];
    for await (const chunk of response) {
      // The service only goes on when the first part has arrived here.
      finish();
      chunks.push(String(chunk));
    }
    expect(chunks).toEqual(['first ', 'second']);
    await expect.poll(() => samples()).toMatchObject([{ response: { text: 'first second' } }]);
  });

  it('adds less than 5 ms to a request', async () => {
    const url = await startJsonService();
    const direct = new URL(url);
    const { port } = await startProxy(url);
    const measure = async (targetPort: number) => {
      const times: number[] = [];
      for (let n = 0; n < 60; n++) {
        const start = performance.now();
        const headers = { host: 'nanophoto.ai' };
        const request = sendRequest({ port: targetPort, host: '127.0.0.1', path: CHECK, method: 'POST', headers });
        const [response] = await once(request.end('{}'), 'response');
        await once(response.resume(), 'end');
        times.push(performance.now() - start);
      }
      // The fastest ones: with other tests at the same time, most requests wait for a processor.
      return times.sort((a, b) => a - b)[3]!;
    };
    const directMs = await measure(Number(direct.port));
    expect((await measure(port)) - directMs).toBeLessThan(5);
  });

  it('keeps result files only on request', async () => {
    const url = await startService((_body, { url: path }, response) => {
      const status = path!.startsWith('/missing') ? 404 : 200;
      response.writeHead(status, { 'content-type': 'video/mp4' }).end('video');
    });
    const get = async (recordFiles: boolean) => {
      const { send, dir } = await startProxy(url, { recordFiles });
      for (const path of ['/sora/task_1.mp4?X-Amz-Signature=1', '/missing.mp4']) {
        expect((await send(path, undefined, { host: 'video.nanophoto.ai' }, 'GET')).text).toBe('video');
      }
      return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.mp4'));
    };
    expect(await get(false)).toEqual([]);
    expect(await get(true)).toEqual(['files/video.nanophoto.ai/sora/task_1.mp4']);
  });

  it('stops at --spend before it sends a request, and does not count rejected ones', async () => {
    let status = 400;
    const paths: string[] = [];
    const url = await startService((_body, { url: path }, response) => {
      paths.push(path!);
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    });
    const { send, budget, samples } = await startProxy(url, { spend: 9 });
    expect((await send(GENERATE, SORA)).status).toBe(400);
    expect(budget.spent()).toBe(0);
    status = 200;
    for (let n = 0; n < 2; n++) expect((await send(GENERATE, SORA)).status).toBe(200);
    expect(budget.spent()).toBe(8);
    const stopped = {
      error: 'The recording stopped this request: it could cost 4 credits, but --spend leaves 1. Nothing was sent.',
      ...{ success: false, errorCode: 'SPEND_LIMIT_REACHED' },
    };
    expect(await send(GENERATE, SORA)).toMatchObject({ status: 402, body: stopped });
    expect(await send('/api/veo-3/generate', { shots: { length: 'x' } })).toMatchObject({ status: 402 });
    expect((await send('/api/of/another/version')).body.error).toContain('its price is not known');
    expect(await send(GENERATE, SORA, {}, 'PUT')).toMatchObject({ status: 402 });
    expect((await send(CHECK)).status).toBe(200);
    expect(paths).toEqual([GENERATE, GENERATE, GENERATE, CHECK]);
    expect(samples()).toHaveLength(4);
  });

  it('counts a body that it cannot parse at the highest price', async () => {
    const { send } = await startProxy(await startJsonService(), { spend: 9 });
    const nested = `{"modelTier":"sora2-pro-high","more":${'['.repeat(100)}${']'.repeat(100)}}`;
    const expectStopped = async (path: string, body: string, price: number) => {
      const error = expect.stringContaining(`it could cost ${price} credits, but --spend leaves 9`);
      expect(await send(path, body)).toMatchObject({ status: 402, body: { error } });
    };
    await expectStopped(GENERATE, nested, 240);
    // 21 shots in 4k.
    await expectStopped('/api/veo-3/generate', nested, 630);
    expect((await send('/api/sora-2/generate-prompt', nested)).status).toBe(200);
  });
});

describe('recording proxy with an upstream that fails', () => {
  const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
  const TEXT = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n';

  /** Writes chunks until the socket is closed. */
  function writeForever(socket: Socket): void {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    while (socket.writable && socket.write(chunk));
    socket.once('drain', () => writeForever(socket));
  }

  it.each<[string, (socket: Socket) => void, string]>([
    ['closes the connection', (socket) => socket.destroy(), 'other side closed'],
    ['is not an HTTP server', (socket) => socket.end('SSH-2.0-OpenSSH\r\n'), 'does not match the HTTP/1.1 protocol'],
    [
      'has two framings',
      (socket) => socket.end(`${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
      'body length does not match content-length header',
    ],
    [
      'has bad chunks',
      (socket) => socket.end(`${HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n`),
      'Invalid character in chunk size',
    ],
    ['ends too early', (socket) => socket.end(`${HEAD}Content-Length: 9\r\n\r\n{"a":`), 'other side closed'],
    ['has huge headers', (socket) => socket.end(`${HEAD}X: ${'x'.repeat(100_000)}\r\n\r\n`), 'Headers Overflow'],
    [
      'compresses anyway',
      (socket) => {
        socket.write(`${HEAD}Content-Encoding: gzip\r\nConnection: close\r\n\r\n`);
        socket.end(gzipSync('{}'));
      },
      'it is compressed with gzip',
    ],
    [
      'redirects',
      (socket) =>
        socket.end('HTTP/1.1 302 Found\r\nLocation: https://example.com/x?token=5ec7e7\r\nContent-Length: 0\r\n\r\n'),
      'it redirects to https://example.com/x',
    ],
    [
      'never ends',
      (socket) => {
        socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
        writeForever(socket);
      },
      'it has more than 524288 bytes',
    ],
  ])('responds with 502 and records the reason: %s', async (_, respond, reason) => {
    const url = await startRawServer(respond);
    const { send, samples } = await startProxy(url);
    const response = await send(CHECK, { taskId: 'task_1' });
    expect(response).toMatchObject({ status: 502, body: { success: false, errorCode: 'UPSTREAM_FAILED' } });
    expect(response.body.error).toMatch(`${url} gave no usable response: `);
    expect(response.body.error).toContain(reason);
    expect(response.text).not.toContain('5ec7e7');
    expect(samples()).toMatchObject([
      {
        ...{ source: 'The response of exec --record', failure: expect.stringContaining(reason) },
        ...{ request: { path: CHECK }, response: { status: 502, body: response.body } },
      },
    ]);
  });

  it('responds with 502 when the upstream is down, and does not count the request as charged', async () => {
    const { send, budget, samples } = await startProxy(`http://127.0.0.1:${await findFreePort()}`, { spend: 9 });
    const response = await send(GENERATE, SORA);
    expect(response).toMatchObject({ status: 502, body: { success: false, errorCode: 'UPSTREAM_FAILED' } });
    expect(response.body.error).toContain('ECONNREFUSED');
    expect(samples()).toMatchObject([{ request: { path: GENERATE }, response: { status: 502, body: response.body } }]);
    expect(budget.spent()).toBe(0);
  });

  it('counts a request as charged if the connection breaks', async () => {
    const { send, budget } = await startProxy(await startRawServer((socket) => socket.destroy()), { spend: 9 });
    expect((await send(GENERATE, SORA)).status).toBe(502);
    expect(budget.spent()).toBe(4);
  });

  it.each([
    ['begin', ''],
    ['end', `${HEAD}Content-Length: 9\r\n\r\n{`],
  ])('responds with 502 when a response does not %s within five minutes', async (_, part) => {
    let onReceived = () => {};
    const received = new Promise<void>((resolve) => {
      onReceived = resolve;
    });
    const url = await startRawServer((socket) => {
      socket.write(part);
      onReceived();
    });
    const { send, clock, samples } = await startProxy(url);
    const response = send(CHECK);
    await received;
    clock.advance(299_999);
    expect(samples()).toEqual([]);
    clock.advance(1);
    const { status, body } = await response;
    expect([status, body.errorCode]).toEqual([502, 'UPSTREAM_FAILED']);
    expect(body.error).toContain('it did not end within 300 s');
    expect(samples()).toMatchObject([{ response: { status: 502, body } }]);
  });

  it.each<[string, (socket: Socket, clock: TestClock) => void, string]>([
    ['closes the connection', (socket) => socket.destroy(), 'other side closed'],
    ['never ends it', writeForever, 'it has more than 524288 bytes'],
    ['stops sending', (_socket, clock) => clock.advance(300_000), 'it did not end within 300 s'],
  ])('cuts off a text when the upstream %s, and records the reason', async (_, goOn, reason) => {
    let upstreamSocket: Socket | undefined;
    const url = await startRawServer((socket) => {
      upstreamSocket = socket;
      socket.write(TEXT);
    });
    const { open, samples, clock } = await startProxy(url);
    const [response] = await once(open(CHECK), 'response');
    expect(response.statusCode).toBe(200);
    const [text] = await once(response, 'data');
    expect(String(text)).toBe('text');
    goOn(upstreamSocket!, clock);
    const [error] = await once(response, 'error');
    expect(error.code).toBe('ECONNRESET');
    await expect.poll(() => samples()).toHaveLength(1);
    const [sample] = samples();
    expect(sample!.response).toMatchObject({ status: 502, body: { success: false, errorCode: 'UPSTREAM_FAILED' } });
    expect(sample!.response.body.error).toContain(reason);
  });

  it('records nothing for a client that closes its connection', async () => {
    let onClosed = () => {};
    const closed = new Promise<void>((resolve) => {
      onClosed = resolve;
    });
    const url = await startRawServer((socket) => {
      socket.write(TEXT);
      socket.on('close', () => onClosed());
    });
    const { open, samples, close } = await startProxy(url);
    const request = open(CHECK);
    const [response] = await once(request, 'response');
    await once(response, 'data');
    request.on('error', () => {}).destroy();
    await closed;
    await close();
    expect(samples()).toEqual([]);
  });

  // id: recording-verifies-certificates
  it('never sends a request over a connection whose certificate is not trusted', async () => {
    let isReceived = false;
    const context = await authority.contextFor('nanophoto.ai');
    const server = createTlsServer({ SNICallback: (_name, done) => done(null, context) }, (socket) => {
      socket.on('data', () => {
        isReceived = true;
      });
    });
    server.on('tlsClientError', () => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    onTestFinished(() => void vi.unstubAllEnvs());
    const { send, budget } = await startProxy(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      spend: 9,
    });
    const response = await send(GENERATE, SORA, { authorization: 'Bearer sk-secret' });
    expect(response).toMatchObject({ status: 502 });
    expect(response.body.error).toMatch(/certificate/);
    expect({ isReceived, spent: budget.spent() }).toEqual({ isReceived: false, spent: 0 });
  });
});
