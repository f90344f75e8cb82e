import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { exchange, openRawConnection, type RawConnection } from '../support/raw-http.ts';

const KEY = 'Authorization: Bearer np_test_unlimited\r\n';
const HOST = 'Host: localhost\r\n';
const GARBAGE = 'XX YY\r\n\r\n';
const CONNECT = 'CONNECT other.test:443 HTTP/1.1\r\nHost: other.test\r\n\r\n';

const post = (path: string, body: object, headers = '') => {
  const text = JSON.stringify(body);
  return `POST ${path} HTTP/1.1\r\n${HOST}${KEY}${headers}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
};
const ORDER = { prompt: 'a', mode: 'textToVideo' };
const GENERATE = post('/api/sora-2/generate', ORDER);
const DELAYED = post('/api/sora-2/generate', ORDER, 'x-emulator-fault: delay=10s\r\n');
const STREAM = post('/api/sora-2/generate-prompt', { topic: 'tea' });
const get = (path: string) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`;

async function listening(flags: string[] = []) {
  const emulator = await createTestEmulator(['--port', '0', ...flags]);
  const { port } = new URL(await emulator.listen());
  const open = async () => {
    const connection = await openRawConnection(port);
    onTestFinished(() => void connection.socket.destroy());
    return connection;
  };
  return {
    ...emulator,
    port,
    open,
    /** Advances the clock until requests that wait for it, or will, have been answered. */
    advanceUntil: (condition: () => boolean) =>
      expect
        .poll(
          () => {
            emulator.clock.advance(10_000);
            return condition();
          },
          { interval: 5, timeout: 10_000 },
        )
        .toBe(true),
    /** Sends a request on another connection, so that what was sent before has been processed. */
    roundTrip: () => exchange(port, `GET /health HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`),
  };
}

const codesOf = ({ responses }: RawConnection) =>
  responses.map(({ status, body, headers }) => [
    status,
    headers['content-type']?.startsWith('application/json') ? (JSON.parse(body.toString()).errorCode ?? null) : 'text',
  ]);

describe('the error of a broken request', () => {
  // id: broken-request-answered-last
  it.each([
    ['garbage', GARBAGE, [400, 'INVALID_INPUT']],
    ['oversized headers', `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, [431, 'INVALID_INPUT']],
    [
      'a malformed body',
      `${GENERATE.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked').split('\r\n\r\n')[0]}\r\n\r\nzz\r\n`,
      [400, 'INVALID_INPUT'],
    ],
    ['an unknown expectation', `GET / HTTP/1.1\r\n${HOST}Expect: miracles\r\n\r\n`, [417, 'INVALID_INPUT']],
    ['CONNECT to another host', CONNECT, [403, 'FORBIDDEN']],
  ])('follows the responses to earlier requests: %s', async (_case, broken, expected) => {
    const { open, account } = await listening();
    const connection = await open();
    connection.write(GENERATE + GENERATE + broken);
    await connection.closed();
    expect(codesOf(connection)).toEqual([[200, null], [200, null], expected]);
    expect(connection.violations).toEqual([]);
    expect(account('np_test_unlimited').taskCount).toBe(2);
  });

  it.each([
    ['garbage', GARBAGE, [400, 'INVALID_INPUT']],
    ['CONNECT', CONNECT, [403, 'FORBIDDEN']],
  ])('waits for a delayed response: %s', async (_case, broken, expected) => {
    const { open, advanceUntil, roundTrip } = await listening();
    const connection = await open();
    connection.write(DELAYED + broken);
    await roundTrip();
    expect(connection.responses).toEqual([]);
    await advanceUntil(() => connection.responses.length === 2);
    await connection.closed();
    expect(codesOf(connection)).toEqual([[200, null], expected]);
  });

  // id: no-error-inside-streams
  it.each([
    ['garbage', GARBAGE, [400, 'INVALID_INPUT']],
    ['CONNECT', CONNECT, [403, 'FORBIDDEN']],
  ])('follows the end of a text stream in progress: %s', async (_case, broken, expected) => {
    const { open, advanceUntil } = await listening();
    const connection = await open();
    connection.write(STREAM);
    await once(connection.socket, 'data');
    connection.write(broken);
    await advanceUntil(() => connection.responses.length === 2);
    await connection.closed();
    expect(codesOf(connection)).toEqual([[200, 'text'], expected]);
    expect(connection.violations).toEqual([]);
  });

  it('is not sent to a client that has disconnected, whose pending requests end', async () => {
    const { open, core } = await listening();
    const connection = await open();
    connection.write(`${DELAYED}GET / HT`);
    connection.socket.end();
    await connection.closed();
    expect(connection.responses).toEqual([]);
    await expect.poll(() => core.memory.usedBytes.responses).toBe(0);
  });

  it('does not cut off an earlier response that closes the connection', async () => {
    const { open } = await listening();
    const connection = await open();
    connection.write(`GET /openapi.json HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n${GARBAGE}`);
    await connection.closed();
    expect(connection.responses.map(({ status }) => status)).toEqual([200]);
    expect(connection.violations).toEqual([]);
  });

  it.each([
    ['times out', '{"key"', ''],
    ['has oversized trailers', '2\r\n{}\r\n0\r\n', `X: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('is in the format of the control plane when its body %s', async (_case, body, trailers) => {
    const { open } = await listening(['--request-timeout-seconds', '1']);
    const connection = await open();
    const framing = trailers === '' ? 'Content-Length: 50' : 'Transfer-Encoding: chunked';
    const head = `POST /__admin/accounts HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n${framing}\r\n\r\n`;
    connection.write(head + body + trailers);
    await connection.closed();
    expect(connection.responses.map(({ status, body }) => [status, JSON.parse(body.toString())])).toEqual([
      [400, { error: 'The body is malformed or incomplete.', code: 'MALFORMED_REQUEST' }],
    ]);
  });

  it('comes after the timeout, too, but not before the responses to earlier requests', async () => {
    const { open, port, advanceUntil } = await listening(['--request-timeout-seconds', '1']);
    const connection = await open();
    connection.write(`${DELAYED}GET / HT`);
    expect((await exchange(port, 'GET / HT')).map(({ status }) => status)).toEqual([408]);
    expect(connection.responses).toEqual([]);
    await advanceUntil(() => connection.responses.length === 2);
    await connection.closed();
    expect(codesOf(connection)).toEqual([
      [200, null],
      [408, 'INVALID_INPUT'],
    ]);
  });
});

describe('a tunnel', () => {
  it('opens after the responses to earlier requests', async () => {
    const { open, advanceUntil } = await listening();
    const connection = await open();
    connection.write(`${DELAYED}CONNECT nanophoto.ai:80 HTTP/1.1\r\nHost: nanophoto.ai\r\n\r\n${get('/health')}`);
    let received = '';
    connection.socket.on('data', (chunk) => {
      received += chunk;
    });
    await advanceUntil(() => received.includes('"ok"'));
    expect(received).toMatch(
      /^HTTP\/1\.1 200 OK.*"success":true.*HTTP\/1\.1 200 Connection Established\r\n\r\nHTTP.*"ok"/s,
    );
  });
});

describe('pipelined requests', () => {
  it('get their responses in order', async () => {
    const { open } = await listening();
    const connection = await open();
    const paths = Array.from({ length: 500 }, (_, index) => `/__admin/accounts/np_${index}`);
    connection.write(paths.map(get).join(''));
    const responses = await connection.receive(500);
    expect(responses.map(({ body }) => JSON.parse(body.toString()).error)).toEqual(
      paths.map((_, index) => `No account has the key np_${index}.`),
    );
  });

  // id: pipelined-requests-limited
  it('are in progress 16 at a time', async () => {
    const { open, advanceUntil, roundTrip, core, account } = await listening(['--stream-limit', '17']);
    const connection = await open();
    connection.write(DELAYED.repeat(200));
    await roundTrip();
    expect(core.memory.usedBytes.responses).toBe(199 * 8192);
    await advanceUntil(() => connection.responses.length === 200);
    expect(new Set(connection.responses.map(({ status }) => status))).toEqual(new Set([200]));
    expect(account('np_test_unlimited').taskCount).toBe(200);
    await expect.poll(() => core.memory.usedBytes.responses).toBe(0);
  });

  it('are not processed when they wait behind a response that closes the connection', async () => {
    const { open, account } = await listening();
    const connection = await open();
    const closing = `GET /health HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`;
    connection.write(closing + GENERATE.repeat(50));
    await connection.closed();
    expect(codesOf(connection)).toEqual([[400, null]]);
    expect(account('np_test_unlimited').taskCount).toBe(15);
  });

  it('wait when the client does not read the responses, which are counted until it disconnects', async () => {
    const { open, roundTrip, core, get: request } = await listening();
    const { length } = (await request('/openapi.json')).text;
    const connection = await open();
    connection.socket.pause();
    connection.write(get('/openapi.json').repeat(400));
    await roundTrip();
    await expect.poll(() => core.memory.usedBytes.responses).toBeGreaterThan(400 * 8192);
    await roundTrip();
    expect(core.memory.usedBytes.responses).toBeLessThan(400 * 8192 + 17 * length);
    connection.socket.destroy();
    await expect.poll(() => core.memory.usedBytes.responses).toBe(0);
  });

  // id: pipelining-floods-disconnected
  it('are disconnected when they exceed the memory budget', async () => {
    const { open, core, roundTrip } = await listening(['--memory-budget-mb', '16']);
    const connection = await open();
    connection.write(DELAYED + 'GET / HTTP/1.1\r\n\r\n'.repeat(3500));
    await connection.closed();
    expect(core.memory.usedBytes.responses).toBe(0);
    expect((await roundTrip())[0]!.status).toBe(200);
  });

  it('are disconnected when more than 100 wait and no response is sent for a minute', async () => {
    const { open, clock, roundTrip, core } = await listening();
    const hanging = post('/api/sora-2/check-status', { taskId: 'x' }, 'x-emulator-fault: delay=10m\r\n');
    const [patient, connection] = [await open(), await open()];
    patient.write(hanging.repeat(100));
    connection.write(hanging.repeat(150));
    await expect.poll(() => core.memory.usedBytes.responses).toBe((99 + 149) * 8192);
    clock.advance(59_000);
    await roundTrip();
    expect(core.memory.usedBytes.responses).toBe((99 + 149) * 8192);
    clock.advance(1000);
    await connection.closed();
    await expect.poll(() => core.memory.usedBytes.responses).toBe(99 * 8192);
    expect(patient.socket.destroyed).toBe(false);
  });

  it('are not read any further while more than 100 wait', async () => {
    const { open, advanceUntil, core } = await listening(['--stream-limit', '100']);
    const connection = await open();
    const total = 600;
    connection.write(DELAYED.repeat(total));
    await expect.poll(() => core.memory.usedBytes.responses).toBeGreaterThan(150 * 8192);
    // The rest is in the buffers of the system.
    expect(core.memory.usedBytes.responses).toBeLessThan(400 * 8192);
    await advanceUntil(() => connection.responses.length === total);
    expect(new Set(connection.responses.map(({ status }) => status))).toEqual(new Set([200]));
  });
});

describe('responses that are not read', () => {
  // id: unread-responses-bounded
  it('get 503 when they exceed the memory budget, while small ones are sent', async () => {
    const { open, core, get: request } = await listening(['--memory-budget-mb', '16']);
    // Responses have half of the budget.
    const filled = 8 * 1024 * 1024 - 40_000;
    core.memory.add('responses', filled);
    const connection = await open();
    connection.write(get('/openapi.json') + get('/metrics') + get('/__admin/openapi.json'));
    const [refused, small, refusedByControlPlane] = await connection.receive(3);
    expect([refused!.status, JSON.parse(refused!.body.toString())]).toEqual([
      503,
      { success: false, error: expect.stringContaining('--memory-budget-mb'), errorCode: 'SERVICE_UNAVAILABLE' },
    ]);
    expect(small!.status).toBe(200);
    expect(JSON.parse(refusedByControlPlane!.body.toString())).toMatchObject({ code: 'OUT_OF_MEMORY' });
    core.memory.add('responses', -filled);
    expect((await request('/openapi.json')).status).toBe(200);
    await expect.poll(() => core.memory.usedBytes.responses).toBe(0);
  });
});
