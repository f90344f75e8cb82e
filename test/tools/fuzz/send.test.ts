import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { FuzzCase, Message } from './case.ts';
import type { Fixture } from './fixture.ts';
import { createOracle, findMismatch } from './oracle.ts';
import { createClient, type DeliveryOutcome } from './send.ts';

const DOCUMENT = { openapi: '3.1.0', paths: {} };
const findViolation = createOracle({ vendor: DOCUMENT, control: DOCUMENT } as unknown as Fixture, false);

const createMessage = (path: string): Message => ({
  ...{ operation: 'GET', method: 'GET', path, body: '', isLoose: false, isRepeatable: true },
  bytes: Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`),
});

const createCase = (paths: string[], overrides: Partial<FuzzCase> = {}): FuzzCase => {
  const messages = paths.map(createMessage);
  return {
    ...{ index: 0, kind: 'test', messages, bytes: Buffer.concat(messages.map(({ bytes }) => bytes)) },
    ...{ expectedResponses: messages.length, delivery: { how: 'pieces', at: [] } },
    ...overrides,
  };
};

const BREAKER = { name: 'garbage', bytes: Buffer.from('garbage\r\n\r\n'), statuses: [400], afterMs: 0 };
const createRefusedCase = (paths: string[]) =>
  createCase(paths, { breaker: BREAKER, expectedResponses: paths.length + 1 });

const respond = (status: number, body: string, headers = '') =>
  `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
const OK = respond(200, '{"success":true}');
const REFUSAL = respond(400, '{"success":false,"error":"no","errorCode":"X"}', 'Connection: close\r\n');

/** Delivers the case to a server that runs `onConnection`. */
async function deliver(testCase: FuzzCase, onConnection: (socket: Socket) => void): Promise<DeliveryOutcome> {
  const server = createServer((socket) => onConnection(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const client = createClient((server.address() as AddressInfo).port, { timeoutMs: 300, lingerMs: 50 });
  return client.deliver(testCase, false);
}

describe('fuzz: a refusal while responses are pending', () => {
  const check = async (...responses: string[]) => {
    const testCase = createRefusedCase(['/a', '/b']);
    return findViolation(
      testCase,
      await deliver(testCase, (socket) => socket.once('data', () => socket.end(responses.join('')))),
    );
  };

  it('is accepted after all responses', async () => {
    expect(await check(OK, OK, REFUSAL)).toBeUndefined();
  });

  it('is a finding before them, among them or with another status', async () => {
    expect(await check(REFUSAL)).toBe('2 requests, then garbage: only 1 responses (400), then closed');
    expect(await check(OK, REFUSAL)).toBe('2 requests, then garbage: only 2 responses (200, 400), then closed');
    expect(await check(OK, OK, OK)).toBe('garbage after 2 requests was refused with 200');
  });

  it('is a finding within another response', async () => {
    const chunked = `HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n${REFUSAL}`;
    expect(await check(OK, chunked)).toBe('2 requests, then garbage: only 2 responses (200, 200), then closed');
  });

  it('is a finding when it does not come', async () => {
    const testCase = createRefusedCase(['/a']);
    const outcome = await deliver(testCase, (socket) => socket.once('data', () => socket.write(OK)));
    expect(findViolation(testCase, outcome)).toBe('1 requests, then garbage: only 1 responses (200), then silent');
  });
});

describe('fuzz: responses and their requests', () => {
  const createResponse = (body: string, type = 'application/json') => ({
    ...{ status: 200, headers: { 'content-type': type }, body: Buffer.from(body) },
  });

  it('belong together if a serial request gets the same, from any origin', () => {
    const message = createMessage('/a');
    const expected = createResponse('{"url":"http://127.0.0.1:1/x"}');
    expect(findMismatch(message, createResponse('{"url":"https://nanophoto.ai/x"}'), expected)).toBeUndefined();
    expect(findMismatch(message, createResponse('{"url":"http://127.0.0.1:1/y"}'), expected)).toMatch(
      /^the response does not belong to its request; GET \/a/,
    );
    expect(findMismatch(message, createResponse('b', 'video/mp4'), createResponse('a', 'video/mp4'))).toBeDefined();
  });

  it('are missing behind a request that asks for another protocol', async () => {
    const testCase = createCase(['/a', '/b']);
    const outcome = await deliver(testCase, (socket) => socket.once('data', () => socket.write(OK)));
    expect(findViolation(testCase, outcome)).toBe('no response, and the connection stayed open, after 1 responses');
  });
});

describe('fuzz: tunnels', () => {
  const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';
  const testCase = createCase(['/a'], { tunnel: 'plain' });

  it('carry requests as connections do', async () => {
    const outcome = await deliver(testCase, (socket) =>
      socket.once('data', () => socket.once('data', () => socket.write(OK)).write(ESTABLISHED)),
    );
    expect(findViolation(testCase, outcome)).toBeUndefined();
  });

  it('are findings when they are refused or without a response', async () => {
    const refused = await deliver(testCase, (socket) => socket.once('data', () => socket.write(REFUSAL)));
    expect(findViolation(testCase, refused)).toMatch(/^CONNECT was refused: HTTP\/1.1 400/);
    const silent = await deliver(testCase, () => {});
    expect(findViolation(testCase, silent)).toMatch(/^no response to CONNECT/);
  });
});
