import { describe, expect, it, onTestFinished } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { exchange, openRawConnection, sendRawBytes } from '../support/raw-http.ts';

/*
 * Conformance to RFC 9112 (HTTP/1.1) and the sections of RFC 9110 that concern connections. Titles name the sections.
 *
 * The cases of "deviations" are those in which Node's parser does something else than the RFC recommends. They do no harm:
 * no message is framed differently than by other recipients.
 */

let port = '';
async function listen() {
  const emulator = await createTestEmulator(['--port', '0', '--rate-limit', 'off']);
  port = new URL(await emulator.listen()).port;
  return emulator;
}

const KEY = 'Authorization: Bearer np_test_unlimited\r\nContent-Type: application/json\r\n';
const BODY = '{"taskId":"x"}';
const POLL = `POST /api/sora-2/check-status HTTP/1.1\r\nHost: x\r\n${KEY}`;
/** Ends each exchange; its response shows that what came before was framed correctly. */
const LAST = 'GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const OK = 200;
/** The status of a poll of an unknown task. */
const POLLED = 404;
const MALFORMED = 400;

async function statusesOf(request: string): Promise<number[]> {
  await listen();
  const responses = await exchange(port, request);
  for (const { status, headers, body } of responses) {
    if (status < 400) continue;
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    const { errorCode, code, error } = JSON.parse(body.toString());
    expect([typeof (errorCode ?? code), typeof error]).toEqual(['string', 'string']);
  }
  return responses.map(({ status }) => status);
}

type Case = [title: string, request: string, statuses: number[]];

const chunked = (chunks: string, headers = '') => `${POLL}${headers}Transfer-Encoding: chunked\r\n\r\n${chunks}`;
const sized = (length: string, body = BODY, headers = '') =>
  `${POLL}${headers}Content-Length: ${length}\r\n\r\n${body}`;
const withHeader = (header: string) => `GET /health HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`;

describe('RFC 9112 message parsing', () => {
  it.each<Case>([
    ['section 2.2: an empty line before the request line is ignored', `\r\n\r\n${LAST}`, [OK]],
    ['section 2.2: an empty line after a body is ignored', `${sized('14')}\r\n${LAST}`, [POLLED, OK]],
    ['section 2.2: a bare CR in a header is rejected', withHeader('a: b\rc: d') + LAST, [MALFORMED]],
    ['section 2.2: a bare CR in the request line is rejected', `GET /health HTTP/1.1\rHost: x\r\n\r\n`, [MALFORMED]],
    ['section 2.2: whitespace before the first header is rejected', `GET / HTTP/1.1\r\n Host: x\r\n\r\n`, [MALFORMED]],
    [
      'section 2.3: another major version is rejected',
      'GET / HTTP/2.0\r\nHost: x\r\nConnection: close\r\n\r\n',
      [MALFORMED],
    ],
    ['section 2.3: a malformed version is rejected', 'GET / HTTP/1.x\r\nHost: x\r\n\r\n', [MALFORMED]],
    ['section 2.3: the name of the protocol is case-sensitive', 'GET / http/1.1\r\nHost: x\r\n\r\n', [MALFORMED]],
    ['section 3: a request line without a version is rejected', 'GET /health\r\n\r\n', [MALFORMED]],
    ['section 3.1: methods are case-sensitive', `get /health HTTP/1.1\r\nHost: x\r\n\r\n`, [MALFORMED]],
    ['section 3.1: an unknown method is rejected', `FOO /health HTTP/1.1\r\nHost: x\r\n\r\n`, [MALFORMED]],
    ['section 3.2: HTTP/1.1 without Host is rejected', 'GET /api HTTP/1.1\r\nConnection: close\r\n\r\n', [MALFORMED]],
    ['section 3.2: two Host headers are rejected', withHeader('Host: x\r\nConnection: close'), [MALFORMED]],
    ['section 3.2: whitespace in the target is rejected', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', [MALFORMED]],
    ['section 3.2.1: the origin form is accepted with a query', LAST.replace('/health', '/health?a=b'), [OK]],
    ['section 3.2.2: the absolute form is accepted', LAST.replace('/health', 'http://nanophoto.ai/health'), [OK]],
    ['section 3.2.2: of another host it is refused', LAST.replace('/health', 'http://other.test/health'), [403]],
    ['section 3.2.3: the authority form is only for CONNECT', LAST.replace('/health', 'nanophoto.ai:443'), [MALFORMED]],
    [
      'section 3.2.4: the asterisk form is not a file',
      LAST.replace('GET /health', 'OPTIONS *').replace('Host: x\r\n', `Host: x\r\n${KEY}`),
      [404],
    ],
    [
      'section 5: names of headers are case-insensitive',
      `${POLL}cONTENT-lENGTH: 14\r\n\r\n${BODY}${LAST}`,
      [POLLED, OK],
    ],
    ['section 5: a header without a colon is rejected', withHeader('no colon'), [MALFORMED]],
    ['section 5: an empty name is rejected', withHeader(': x'), [MALFORMED]],
    ['section 5: a name with characters of no token is rejected', withHeader('a(b: x'), [MALFORMED]],
    ['section 5.1: whitespace before the colon is rejected', withHeader('Name : x'), [MALFORMED]],
    [
      'section 5.1: whitespace around a value is optional',
      `${POLL}Content-Length:\t 14  \r\n\r\n${BODY}${LAST}`,
      [POLLED, OK],
    ],
    [
      'section 5.2: obsolete line folding does not add a header',
      `GET /health HTTP/1.1\r\nHost: x\r\nX: a\r\n Content-Length: 5\r\n\r\n${LAST}`,
      [MALFORMED],
    ],
    ['RFC 9110, section 5.5: NUL in a value is rejected', withHeader('X: a\0b'), [MALFORMED]],
  ])('%s', async (_title, request, statuses) => {
    expect(await statusesOf(request)).toEqual(statuses);
  });
});

describe('RFC 9112 message bodies', () => {
  it.each<Case>([
    [
      'section 6: a request without Content-Length and Transfer-Encoding has an empty body',
      `${POLL}\r\n${LAST}`,
      [MALFORMED, OK],
    ],
    [
      'section 6.1: Transfer-Encoding is case-insensitive',
      `${chunked(`e\r\n${BODY}\r\n0\r\n\r\n`).replace('chunked', 'Chunked')}${LAST}`,
      [POLLED, OK],
    ],
    [
      'section 6.1: an unknown coding before chunked is rejected',
      `${chunked(`e\r\n${BODY}\r\n0\r\n\r\n`).replace('chunked', 'gzip, chunked')}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 6.1: an unknown coding alone is rejected',
      `${chunked(BODY).replace('chunked', 'identity')}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 6.1: chunked twice is rejected',
      `${chunked(`e\r\n${BODY}\r\n0\r\n\r\n`).replace('chunked', 'chunked, chunked')}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 6.1: Transfer-Encoding in HTTP/1.0 is rejected',
      `${chunked(`e\r\n${BODY}\r\n0\r\n\r\n`).replace('HTTP/1.1', 'HTTP/1.0')}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 6.3: chunked that is not the last coding is rejected',
      `${chunked(BODY).replace('chunked', 'chunked, gzip')}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 6.3: Transfer-Encoding with Content-Length is rejected',
      `${chunked(`e\r\n${BODY}\r\n0\r\n\r\n`, 'Content-Length: 14\r\n')}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 6.3: two Content-Lengths are rejected',
      `${sized('14', BODY, 'Content-Length: 3\r\n')}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 6.3: two equal Content-Lengths are rejected',
      `${sized('14', BODY, 'Content-Length: 14\r\n')}${LAST}`,
      [MALFORMED],
    ],
    ...['-1', '+14', '0x0e', '14,14', '1 4', '1e1', '', '99999999999999999999999'].map<Case>((length) => [
      `section 6.3: the Content-Length "${length}" is rejected`,
      sized(length) + LAST,
      [MALFORMED],
    ]),
    [
      'section 6.3: the bytes after Content-Length are the next request',
      `${sized('14')}${sized('14')}${LAST}`,
      [POLLED, POLLED, OK],
    ],
    [
      'section 7.1: chunks may have any size',
      chunked('1\r\n{\r\n00D\r\n"taskId":"x"}\r\n0\r\n\r\n') + LAST,
      [POLLED, OK],
    ],
    [
      'section 7.1: the empty last chunk may have several zeros',
      `${chunked(`e\r\n${BODY}\r\n000\r\n\r\n`)}${LAST}`,
      [POLLED, OK],
    ],
    ...['zz', '', '-1', '0x0e', 'e e', 'fffffffffffffffff'].map<Case>((size) => [
      `section 7.1: the chunk size "${size}" is rejected`,
      `${chunked(`${size}\r\n${BODY}\r\n0\r\n\r\n`)}${LAST}`,
      [MALFORMED],
    ]),
    [
      'section 7.1: a chunk longer than its size is rejected',
      `${chunked(`3\r\n${BODY}\r\n0\r\n\r\n`)}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 7.1.1: chunk extensions are ignored',
      `${chunked(`e;a=b;c="d"\r\n${BODY}\r\n0;x\r\n\r\n`)}${LAST}`,
      [POLLED, OK],
    ],
    [
      'section 7.1.1: large chunk extensions are rejected',
      `${chunked(`e;${'a'.repeat(20_000)}\r\n${BODY}\r\n0\r\n\r\n`)}${LAST}`,
      [MALFORMED],
    ],
    [
      'section 7.1.2: trailers are ignored',
      `${chunked(`e\r\n${BODY}\r\n0\r\nAuthorization: x\r\nX: y\r\n\r\n`)}${LAST}`,
      [POLLED, OK],
    ],
    [
      'section 7.1.2: malformed trailers are rejected',
      `${chunked(`e\r\n${BODY}\r\n0\r\nno colon\r\n\r\n`)}${LAST}`,
      [MALFORMED],
    ],
  ])('%s', async (_title, request, statuses) => {
    expect(await statusesOf(request)).toEqual(statuses);
  });

  it('section 8: an incomplete body is rejected when the client half-closes', async () => {
    await listen();
    const connection = await openRawConnection(port);
    connection.socket.end(sized('20'));
    await connection.closed();
    expect(connection.responses.map(({ status }) => status)).toEqual([MALFORMED]);
  });

  it.each<[string, string, number]>([
    ['section 6.3: a response to HEAD has no body', 'HEAD /health', 200],
    ['section 6.3: a 204 has neither a body nor framing headers', 'OPTIONS /media/x', 204],
    ['section 6.3: a 304 has no body', 'GET /media', 304],
  ])('%s', async (_title, requestLine, status) => {
    const { post, get, clock } = await listen();
    const { taskId } = (await post('/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' })).body;
    clock.advance(600_000);
    const path = `/media/sora/${taskId}.mp4`;
    const { etag } = (await get(path)).headers;
    const [head, tail, ...rest] = (
      await sendRawBytes(
        port,
        `${requestLine.replace('/media', path.replace('/x', ''))} HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${etag}\r\n\r\n${LAST}`,
      )
    ).bytes
      .toString()
      .split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    if (status === 204) expect(head).not.toMatch(/^(content-length|transfer-encoding):/im);
    expect(tail).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(rest).toHaveLength(1);
  });
});

describe('RFC 9112 connections', () => {
  it.each<Case>([
    ['section 9.3: HTTP/1.1 connections persist', POLL.concat('Content-Length: 14\r\n\r\n', BODY) + LAST, [POLLED, OK]],
    ['section 9.3: connections persist after a body that is not JSON', sized('14', '{"taskId":"x"]') + LAST, [400, OK]],
    ['section 9.3: HTTP/1.0 connections close after the response', 'GET /health HTTP/1.0\r\n\r\n', [OK]],
    [
      'section 9.3: HTTP/1.0 connections persist with keep-alive',
      `GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${LAST}`,
      [OK, OK],
    ],
    ['section 9.6: requests after Connection: close are not processed', LAST + LAST, [OK]],
    ['section 9.6: the connection closes after an error of the framing', `XX\r\n\r\n${LAST}`, [MALFORMED]],
    [
      'RFC 9110, section 7.8: Upgrade is ignored',
      `${withHeader('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk')}${withHeader('X: y')}${LAST}`,
      [OK, OK, OK],
    ],
    [
      'RFC 9110, section 7.8: Upgrade is ignored on a request with a body',
      `${sized('14', BODY, 'Connection: Upgrade\r\nUpgrade: websocket\r\n')}${sized('14')}${LAST}`,
      [POLLED, POLLED, OK],
    ],
    [
      'RFC 9110, section 7.8: Upgrade is ignored on a request with chunks',
      `${chunked(`e\r\n${BODY}\r\n0\r\n\r\n`, 'Connection: Upgrade\r\nUpgrade: websocket\r\n')}${LAST}`,
      [POLLED, OK],
    ],
    [
      'RFC 9110, section 7.8: Upgrade behind another request is ignored',
      `${sized('14')}${withHeader('Connection: Upgrade\r\nUpgrade: h2c')}${sized('14')}${LAST}`,
      [POLLED, OK, POLLED, OK],
    ],
    ['RFC 9110, section 10.1.1: an unknown expectation is refused', withHeader('Expect: x'), [417]],
  ])('%s', async (_title, request, statuses) => {
    expect(await statusesOf(request)).toEqual(statuses);
  });

  it('section 9.3.2: pipelined requests get their responses in order, although the first one takes longer', async () => {
    const { clock } = await listen();
    const connection = await openRawConnection(port);
    onTestFinished(() => void connection.socket.destroy());
    connection.write(sized('14', BODY, 'x-emulator-fault: delay=10s\r\n') + withHeader('X: y'));
    await exchange(port, LAST);
    expect(connection.responses).toEqual([]);
    await expect
      .poll(() => {
        clock.advance(10_000);
        return connection.responses.map(({ status }) => status);
      })
      .toEqual([POLLED, OK]);
  });

  it('section 9.3: a client that repeats Upgrade on a persistent connection leaves no listeners behind', async () => {
    const { app } = await listen();
    const sockets: { eventNames(): (string | symbol)[]; listenerCount(name: string | symbol): number }[] = [];
    app.server.on('connection', (socket) => sockets.push(socket));
    const connection = await openRawConnection(port);
    onTestFinished(() => void connection.socket.destroy());
    const countListeners = () => sockets[0]!.eventNames().map((name) => sockets[0]!.listenerCount(name));
    const send = async (count: number) => {
      connection.write(withHeader('Connection: Upgrade\r\nUpgrade: h2c'));
      await connection.receive(count);
    };
    for (const count of [1, 2, 3]) await send(count);
    const before = countListeners();
    for (let count = 4; count < 30; count++) await send(count);
    expect(countListeners()).toEqual(before);
  });

  it('RFC 9110, section 10.1.1: a client that expects 100 gets it before it sends the body', async () => {
    await listen();
    const { bytes } = await sendRawBytes(port, sized('14', BODY, 'Expect: 100-continue\r\nConnection: close\r\n'));
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 404 /);
  });
});

describe('deviations from RFC 9112 that do no harm', () => {
  it.each<Case>([
    // Section 2.2 allows a recipient to accept them.
    ['section 2.2: bare LFs are rejected', LAST.replaceAll('\r\n', '\n'), [MALFORMED]],
    // Section 3 allows a recipient to split the request line at any whitespace.
    ['section 3: several spaces in the request line are accepted', LAST.replace('GET', 'GET '), [OK]],
    // Nothing sends it, and the connection closes.
    ['section 5.1: a tab behind Content-Length is rejected', sized('14\t') + LAST, [MALFORMED]],
    // Senders must not send them (section 7.1.2).
    [
      'section 7.1.2: Content-Length as a trailer is rejected',
      chunked(`e\r\n${BODY}\r\n0\r\nContent-Length: 5\r\n\r\n`) + LAST,
      [MALFORMED],
    ],
  ])('%s', async (_title, request, statuses) => {
    expect(await statusesOf(request)).toEqual(statuses);
  });
});
