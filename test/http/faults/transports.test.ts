import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import type { Effect, Rule } from '../../../src/core/faults/fault-rules.ts';
import { createTestEmulator } from '../../support/emulator.ts';
import { openTunnel } from '../../support/tunnel.ts';

const GENERATE = '/api/sora-2/generate';
const TEXT = '/api/sora-2/generate-prompt';
const BODIES = {
  [GENERATE]: { prompt: 'a dog', mode: 'textToVideo' },
  [TEXT]: { topic: 'a lighthouse', locale: 'en' },
};
type Path = keyof typeof BODIES;

/** Ways to reach the emulator, besides plain HTTP. */
const TRANSPORTS = ['the HTTPS port', 'a TLS tunnel', 'a plain tunnel', 'an absolute request URL'] as const;
type Transport = (typeof TRANSPORTS)[number] | 'plain HTTP';

const RESPONSE_EFFECTS: Effect[] = [
  { errorCode: 'INTERNAL_ERROR' },
  { errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' },
  { reset: true },
  { empty: true },
  { truncateAfter: 20 },
  { malformed: true },
  { answer: { status: 418, text: 'a canned response' } },
];
const STREAM_EFFECTS: Effect[] = [{ fail: true }, { reset: true }, { empty: true }, { truncateAfter: 40 }];

const FAULTS: [path: Path, stage: Rule['at'], effect: Effect][] = [
  ...(['request', 'charge', 'accepted'] as const).flatMap((stage) =>
    ([GENERATE, TEXT] as const).flatMap((path) =>
      RESPONSE_EFFECTS.map((effect): [Path, Rule['at'], Effect] => [path, stage, effect]),
    ),
  ),
  ...STREAM_EFFECTS.map((effect): [Path, Rule['at'], Effect] => [TEXT, 'stream', effect]),
];

/** Starts an emulator. Returns a function that sends a request to which one fault applies. */
async function startFaulty() {
  const emulator = await createTestEmulator(['--port', '0', '--https-port', '0']);
  const { port } = new URL(await emulator.listen());
  const { certificate: ca } = await emulator.authority();
  let accounts = 0;

  const encrypt = async (socket: Socket): Promise<Socket> => {
    // After a handshake of TLS 1.3, the server sends session tickets. If a reset follows at once, Node reads them and
    // then reports an end instead of the reset.
    const secure = connectTls({ socket, servername: 'nanophoto.ai', ca, maxVersion: 'TLSv1.2' });
    await once(secure, 'secureConnect');
    return secure;
  };

  async function open(transport: Transport): Promise<Socket> {
    if (transport === 'a plain tunnel') return (await openTunnel(port, 'nanophoto.ai:80')).socket;
    if (transport === 'a TLS tunnel') return encrypt((await openTunnel(port, 'nanophoto.ai:443')).socket);
    if (transport === 'the HTTPS port') return encrypt(connect(emulator.httpsPort()!, '127.0.0.1'));
    return connect(Number(port), '127.0.0.1');
  }

  /** Returns all bytes of the response, and how the emulator ended the connection. */
  async function send(transport: Transport, path: Path, rule: Rule): Promise<{ response: string; end: string }> {
    accounts += 1;
    const key = `np_faulty_${accounts}`;
    const { id } = emulator.createAccount(key, { clock: { mode: 'frozen' }, seed: 'same' });
    emulator.core.faults.add(id, rule);
    const socket = await open(transport);
    const body = JSON.stringify(BODIES[path]);
    const target = transport === 'an absolute request URL' ? `http://nanophoto.ai${path}` : path;
    socket.write(
      `POST ${target} HTTP/1.1\r\nHost: nanophoto.ai\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of socket) chunks.push(chunk);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ECONNRESET' });
      // How much arrives before a reset is a race.
      return { response: '', end: 'reset' };
    }
    const response = Buffer.concat(chunks).toString('latin1');
    // Ids depend on the key.
    return {
      response: response.replace(/^(?:date|x-request-id): .*\r\n/gim, '').replaceAll(/task_\w+/g, 'task_id'),
      end: 'closed',
    };
  }
  return send;
}

describe('faults', () => {
  it.each(TRANSPORTS)('are the same over %s as over plain HTTP, at every stage', async (transport) => {
    const send = await startFaulty();
    for (const [path, at, effect] of FAULTS) {
      const rule: Rule = { match: {}, at, effect };
      const plain = await send('plain HTTP', path, rule);
      expect(plain.end).toBe('reset' in effect ? 'reset' : 'closed');
      expect({ path, rule, ...(await send(transport, path, rule)) }).toEqual({ path, rule, ...plain });
    }
  });
});
