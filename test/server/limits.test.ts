import { once, setMaxListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { sendRawBytes, sendRawForJson } from '../support/raw-http.ts';
import { tempDir } from '../support/temp-dir.ts';
import { openTunnel, sendOverTls } from '../support/tunnel.ts';

const UNAVAILABLE = { success: false, error: expect.any(String), errorCode: 'SERVICE_UNAVAILABLE' };
const INVALID = { success: false, error: expect.any(String), errorCode: 'INVALID_INPUT' };
const HEALTH = 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const TOPIC = { topic: 'A lighthouse in a storm', technique: 'match-cut', duration: 15 };

/** Connections of the running test, closed before the emulator stops, which would wait for them. */
let leaving: AbortController;
beforeEach(() => {
  leaving = new AbortController();
  setMaxListeners(0, leaving.signal);
});
afterEach(() => leaving.abort());

async function listening(flags: string[]) {
  const emulator = await createTestEmulator(['--port', '0', ...flags]);
  const url = await emulator.listen();
  leaving.signal.addEventListener('abort', () => emulator.app.server.closeAllConnections());
  const port = Number(new URL(url).port);
  /** Sends a request over a real connection: injected requests cannot be in progress. */
  const post = (path: string, body: object, headers: object = {}, key = 'np_test_default') =>
    fetch(url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      signal: leaving.signal,
    });
  const toResult = async (response: Response) => ({ status: response.status, body: await response.json() });
  /** Returns whether a slot for a stream is free. On this clock the stream ends at once. */
  const probe = async () => {
    const answer = await post('/api/sora-2/generate-prompt', TOPIC, {}, 'np_test_auto');
    await answer.text();
    return answer.status;
  };
  return { ...emulator, url, port, post, toResult, probe };
}

/** Opens a connection that sends nothing. */
async function visitor(port: number, options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  socket.on('error', () => {});
  leaving.signal.addEventListener('abort', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

describe('--connection-limit', () => {
  // id: connection-limit-503
  it('refuses connections over the limit with a 503 until another one closes', async () => {
    const { port } = await listening(['--connection-limit', '2']);
    const [one] = [await visitor(port), await visitor(port)];
    // Refused before the request is read, but without a reset that would discard the response.
    expect(await sendRawForJson(port, HEALTH)).toEqual({ status: 503, body: UNAVAILABLE });
    // Refused connections are forgotten when the client has read the response.
    for (let n = 0; n < 120; n++) expect((await sendRawForJson(port, HEALTH)).status).toBe(503);
    expect((await sendRawBytes(port, `POST / HTTP/1.1\r\n${'x'.repeat(100_000)}`)).end).toBe('closed');
    one.destroy();
    await expect.poll(async () => (await sendRawForJson(port, HEALTH)).status).toBe(200);
  });

  // id: tunnels-count-as-connections
  it('counts a tunnel as one connection, and includes connections to the HTTPS port', async () => {
    const flags = ['--connection-limit', '2', '--https-port', '0'];
    const { port, httpsPort, authority } = await listening(flags);
    const { certificate: ca } = await authority();
    const { socket } = await openTunnel(port, 'nanophoto.ai:443');
    await visitor(httpsPort()!);
    expect((await sendRawForJson(port, HEALTH)).status).toBe(503);
    expect(await sendRawBytes(httpsPort()!, HEALTH)).toMatchObject({ bytes: Buffer.alloc(0) });
    const answer = await sendOverTls(socket, { host: 'nanophoto.ai', ca, request: HEALTH });
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    await expect.poll(async () => (await sendRawForJson(port, HEALTH)).status).toBe(200);
  });

  // id: connection-refusals-bounded
  it('limits pending refusals, and closes them after a second', async () => {
    const { port, clock } = await listening(['--connection-limit', '1']);
    const guest = await visitor(port);
    // These clients never close their side.
    const others = await Promise.all(Array.from({ length: 130 }, () => visitor(port, { allowHalfOpen: true })));
    const refusals = await Promise.all(
      others.map(async (socket) => {
        let bytes = 0;
        socket.on('data', (piece) => {
          bytes += piece.length;
        });
        await Promise.race([once(socket, 'end'), once(socket, 'close')]).catch(() => {});
        return bytes > 0;
      }),
    );
    expect(refusals.filter(Boolean)).toHaveLength(100);
    clock.advance(1000);
    // Writing to a connection that the other side has closed is an error.
    await Promise.all(
      others.map(async (socket) => {
        const closed = socket.closed ? undefined : once(socket, 'close').catch(() => {});
        const writing = setInterval(() => socket.write('x'), 5);
        await closed;
        clearInterval(writing);
      }),
    );
    expect(guest.destroyed).toBe(false);
  });

  it('does not keep the emulator from stopping', async () => {
    const { port, close } = await listening(['--connection-limit', '1']);
    const guest = await visitor(port);
    const refused = await visitor(port, { allowHalfOpen: true });
    await once(refused.resume(), 'end');
    guest.destroy();
    await close();
  });
});

describe('requests', () => {
  const withHeader = (length: number) => `GET /health HTTP/1.0\r\nX: ${'x'.repeat(length)}\r\n\r\n`;

  // id: header-limit-431
  it('have headers of at most --header-limit-bytes', async () => {
    const { port: small } = await listening(['--header-limit-bytes', '4096']);
    expect(await sendRawForJson(small, withHeader(4200))).toEqual({ status: 431, body: INVALID });
    expect((await sendRawForJson(small, withHeader(3900))).status).toBe(200);
    const { port: large } = await listening(['--header-limit-bytes', '65536']);
    expect((await sendRawForJson(large, withHeader(60_000))).status).toBe(200);
  });

  // id: body-limit-413
  it('have a body of at most --body-limit-bytes', async () => {
    const { post, toResult } = await listening(['--body-limit-bytes', '2048']);
    const send = async (length: number) =>
      toResult(await post('/api/sora-2/generate', { prompt: 'x'.repeat(length), mode: 'textToVideo' }));
    expect(await send(2048)).toEqual({ status: 413, body: INVALID });
    expect((await send(1900)).status).toBe(200);
  });

  // id: request-timeout-408
  it('of which only a part arrives, or nothing at all, end after --request-timeout-seconds', async () => {
    const { port } = await listening(['--request-timeout-seconds', '1']);
    const parts = {
      'nothing at all': '',
      'half a head': 'GET /health HTTP/1.1\r\nHost: loc',
      'half a body':
        'POST /api/sora-2/generate HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer np_test_default\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"pro',
    };
    const send = async ([part, bytes]: [string, string]) => ({ part, ...(await sendRawForJson(port, bytes)) });
    const expected = Object.keys(parts).map((part) => ({ part, status: 408, body: INVALID }));
    expect(await Promise.all(Object.entries(parts).map(send))).toEqual(expected);
  });
});

describe('--stream-limit', () => {
  const STREAM = '/api/sora-2/generate-prompt';

  // id: stream-limit-503
  it('rejects a stream over the limit before it is charged, and no short responses', async () => {
    const { post, toResult, account, clock } = await listening(['--stream-limit', '2']);
    const open = [await post(STREAM, TOPIC), await post(STREAM, TOPIC)];
    expect(account('np_test_default').balance).toBe(996);
    expect(await toResult(await post(STREAM, TOPIC))).toEqual({ status: 503, body: UNAVAILABLE });
    const link = { share_link: 'https://sora.chatgpt.com/p/s_1' };
    expect((await post('/api/sora/remove-watermark', link)).status).toBe(503);
    expect(account('np_test_default')).toMatchObject({ balance: 996, taskCount: 2 });
    expect((await post('/api/sora-2/check-status', { taskId: 'x' })).status).toBe(404);
    clock.advance(60_000);
    for (const stream of open) expect(await stream.text()).toContain('Match cut');
    expect((await post(STREAM, TOPIC)).status).toBe(200);
  });

  it('frees the slot when the client disconnects', async () => {
    const { post, probe } = await listening(['--stream-limit', '1']);
    const stream = await post(STREAM, TOPIC);
    expect(await probe()).toBe(503);
    await stream.body!.cancel();
    await expect.poll(probe).toBe(200);
  });

  it('applies to delayed and hanging responses, with one slot per request', async () => {
    const { post, probe, clock } = await listening(['--stream-limit', '1']);
    const delayed = post(STREAM, TOPIC, { 'x-emulator-fault': 'delay=10s' });
    await expect.poll(probe).toBe(503);
    expect((await post(STREAM, TOPIC, { 'x-emulator-fault': 'hang' })).status).toBe(503);
    clock.advance(10_000);
    const answer = await delayed;
    expect(answer.status).toBe(200);
    clock.advance(60_000);
    await answer.text();
    await expect.poll(probe).toBe(200);
  });

  // id: pipelined-requests-end-with-connection
  it('frees the slots of pipelined requests when the client disconnects', async () => {
    const { port, post, probe } = await listening(['--stream-limit', '3']);
    const hanging =
      'POST /api/sora-2/check-status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer np_test_default\r\nx-emulator-fault: delay=10m\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"taskId":"x"}';
    const socket = await visitor(port);
    socket.write(hanging.repeat(3));
    await expect.poll(probe).toBe(503);
    socket.destroy();
    await expect.poll(probe).toBe(200);
    // All three slots, not only that of the response in progress.
    const three = await Promise.all([1, 2, 3].map(() => post(STREAM, TOPIC)));
    expect(three.map(({ status }) => status)).toEqual([200, 200, 200]);
  });
});

describe('--listener-limit', () => {
  it('applies to event streams and waits together, and frees the slots at their end', async () => {
    const { url, post } = await listening(['--listener-limit', '2']);
    const { taskId } = (await (await post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' })).json()) as {
      taskId: string;
    };
    const events = await fetch(`${url}/__admin/events`, { signal: leaving.signal });
    const client = new AbortController();
    const wait = `${url}/__admin/accounts/np_test_default/wait?task=${taskId}`;
    const waiting = fetch(wait, { signal: client.signal }).catch(() => undefined);
    const listen = async () => {
      const { status, body } = await fetch(`${url}/__admin/events`, { signal: leaving.signal });
      await body!.cancel();
      return status;
    };
    await expect.poll(listen).toBe(503);
    const refused = await fetch(wait);
    expect([refused.status, await refused.json()]).toEqual([
      503,
      {
        error: 'The limit of 2 concurrent listeners and waits is reached (--listener-limit).',
        code: 'TOO_MANY_LISTENERS',
      },
    ]);
    expect((await fetch(`${url}/__admin/accounts/np_test_default/requests?format=har`)).status).toBe(503);
    // A wait that ends at once takes no slot.
    expect((await fetch(`${url}/__admin/accounts`)).status).toBe(200);
    client.abort();
    await waiting;
    await events.body!.cancel();
    await expect.poll(listen).toBe(200);
  });
});

describe('--auto-account-limit', () => {
  const VALID = { prompt: 'a', mode: 'textToVideo' };

  // id: auto-account-limit-503
  it('evicts the least recently used account, and is 503 when none can be evicted', async () => {
    const { post, toResult, account, clock, core } = await listening(['--auto-account-limit', '2']);
    const use = async (key: string, body: object = {}) =>
      toResult(await post('/api/sora-2/generate', body, {}, `np_test_${key}`));
    for (const key of ['a', 'b', 'a', 'c']) await use(key);
    expect(['a', 'b', 'c'].map((key) => account(`np_test_${key}`) !== undefined)).toEqual([true, false, true]);
    for (const key of ['a', 'c']) await use(key, VALID);
    expect(await use('d')).toEqual({ status: 503, body: UNAVAILABLE });
    // Keys that are not auto-created.
    expect((await use('default', VALID)).status).toBe(200);
    expect((await use('a', VALID)).status).toBe(200);
    clock.advance(60_000);
    expect((await use('d')).status).toBe(400);
    expect(account('np_test_c')).toBeUndefined();
    expect(core.accounts.count()).toBe(6 + 2);
  });
});

describe('control plane limits', () => {
  it('--snapshot-limit applies per account', async () => {
    const { send } = await createTestEmulator(['--snapshot-limit', '2']);
    const take = (name: string, key = 'np_test_default') =>
      send('POST', `/__admin/accounts/${key}/snapshots`, { key: null, body: { name } });
    for (const name of ['a', 'b', 'a']) expect((await take(name)).status).toBe(201);
    expect(await take('c')).toMatchObject({
      status: 409,
      body: {
        error: 'The limit of 2 snapshots per account is reached (--snapshot-limit).',
        code: 'TOO_MANY_SNAPSHOTS',
      },
    });
    expect((await take('c', 'np_test_auto')).status).toBe(201);
  });

  it('--fault-limit applies per account and to the global rules', async () => {
    const { send } = await createTestEmulator(['--fault-limit', '1']);
    const rule = { at: 'task', effect: { fail: true } };
    for (const path of ['/__admin/faults', '/__admin/accounts/np_test_default/faults']) {
      expect((await send('POST', path, { key: null, body: rule })).status).toBe(201);
      expect(await send('POST', path, { key: null, body: rule })).toMatchObject({
        status: 409,
        body: { error: 'The limit of 1 fault rules is reached (--fault-limit).', code: 'TOO_MANY_FAULTS' },
      });
    }
  });

  it('--fault-limit applies to the seed file', async () => {
    const file = join(tempDir(), 'accounts.json');
    const faults = [1, 2].map(() => ({ at: 'task', effect: { fail: true } }));
    writeFileSync(file, JSON.stringify({ accounts: [{ key: 'np_a', faults }] }));
    await expect(createTestEmulator(['--seed-file', file, '--fault-limit', '1'])).rejects.toThrow(
      `The seed file ${file} has 2 fault rules for np_a, more than the limit of 1; remove some or raise --fault-limit.`,
    );
  });
});
