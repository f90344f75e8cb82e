import fc from 'fast-check';
import type { Breaker, FuzzCase, Message, TunnelKind } from './case.ts';

type CaseDraft = Omit<FuzzCase, 'index'>;

const HEAD = 'Host: 127.0.0.1\r\n';

/** Bytes that end a connection, with the statuses of their refusal. */
const BREAKERS: readonly Omit<Breaker, 'afterMs'>[] = [
  { name: 'garbage', bytes: 'this is not HTTP\r\n\r\n', statuses: [400] },
  { name: 'a TLS handshake', bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', statuses: [400] },
  { name: 'an invalid header', bytes: `GET /health HTTP/1.1\r\n${HEAD}bad header\r\n\r\n`, statuses: [400] },
  {
    name: 'two lengths',
    bytes: `POST /api/sora-2/generate HTTP/1.1\r\n${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    statuses: [400],
  },
  {
    name: 'large headers',
    bytes: `GET /health HTTP/1.1\r\n${HEAD}x-large: ${'y'.repeat(20_000)}\r\n\r\n`,
    statuses: [431],
  },
  {
    name: 'CONNECT to another host',
    bytes: 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n',
    statuses: [403],
  },
].map((breaker) => ({ ...breaker, bytes: Buffer.from(breaker.bytes, 'latin1') }));

/** Inside a tunnel, `CONNECT` is refused for every host. */
const NESTED: Omit<Breaker, 'afterMs'> = {
  name: 'CONNECT inside a tunnel',
  bytes: Buffer.from('CONNECT nanophoto.ai:443 HTTP/1.1\r\nHost: nanophoto.ai:443\r\n\r\n'),
  statuses: [403],
};

const delays = fc.constantFrom(0, 0, 1, 5, 20);

const breakers = (isInTunnel: boolean): fc.Arbitrary<Breaker> =>
  fc
    .tuple(fc.constantFrom(...BREAKERS, ...(isInTunnel ? [NESTED, NESTED, NESTED] : [])), delays)
    .map(([breaker, afterMs]) => ({ ...breaker, afterMs }));

function createCase(kind: string, messages: Message[], tunnel?: TunnelKind, breaker?: Breaker): CaseDraft {
  return {
    ...{ kind, messages, tunnel, breaker },
    bytes: Buffer.concat(messages.map(({ bytes }) => bytes)),
    expectedResponses: messages.length + (breaker ? 1 : 0),
    delivery: { how: 'pieces', at: [] },
  };
}

/** Adds headers to the request, which a server without that protocol has to ignore (RFC 9110, section 7.8). */
function withUpgrade(message: Message, protocol: string): Message {
  const end = message.bytes.indexOf('\r\n') + 2;
  const headers = Buffer.from(`Upgrade: ${protocol}\r\nConnection: Upgrade\r\n`);
  return {
    ...message,
    bytes: Buffer.concat([message.bytes.subarray(0, end), headers, message.bytes.subarray(end)]),
  };
}

/** Requests that must all get the response that belongs to them. */
export function createConnectionCases(repeatable: fc.Arbitrary<Message>, charging: fc.Arbitrary<Message>) {
  const mixed = fc.oneof({ weight: 2, arbitrary: repeatable }, { weight: 1, arbitrary: charging });
  const upgrading = fc
    .tuple(fc.array(repeatable, { minLength: 2, maxLength: 6 }), fc.constantFrom('h2c', 'websocket', 'TLS/1.0'))
    .map(([[first, ...others], protocol]) => [withUpgrade(first!, protocol), ...others]);
  const tunnels: fc.Arbitrary<TunnelKind> = fc.constantFrom('plain', 'plain', 'tls');
  return {
    matched: fc.array(repeatable, { minLength: 3, maxLength: 16 }).map((list) => createCase('matched', list)),
    upgrading: upgrading.map((list) => createCase('upgrade', list)),
    refused: fc
      .tuple(fc.array(mixed, { minLength: 1, maxLength: 4 }), breakers(false))
      .map(([list, breaker]) => createCase('refused', list, undefined, breaker)),
    tunnelled: fc
      .tuple(
        fc.array(mixed, { minLength: 1, maxLength: 5 }),
        tunnels,
        fc.option(breakers(true), { freq: 2, nil: undefined }),
      )
      .map(([list, tunnel, breaker]) => createCase('tunnelled', list, tunnel, breaker)),
  };
}
