import { getEventListeners } from 'node:events';
import { connect } from 'node:net';
import Fastify, { type FastifyBaseLogger } from 'fastify';
import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { onFinished } from '../../../src/http/pipeline/response-lifecycle.ts';
import { createTestEmulator } from '../../support/emulator.ts';

const AUTHORIZED = 'Host: 127.0.0.1\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\n';
const request = (line: string, body = '', headers = '') =>
  `${line} HTTP/1.1\r\n${AUTHORIZED}${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
const POLL = request('POST /api/sora-2/check-status', '{"taskId":"x"}', 'x-emulator-fault: delay=60s\r\n');
const TOPIC = '{"topic":"a lighthouse"}';

/** Starts a listening emulator on whose clock the delay never ends. */
async function listening() {
  const emulator = await createTestEmulator();
  const { id } = emulator.createAccount('k', { clock: { mode: 'frozen' } });
  const { port } = new URL(await emulator.app.listen({ port: 0, host: '127.0.0.1' }));
  const countListeners = () => getEventListeners(emulator.core.lifetimes.signalFor(id), 'abort').length;
  return { ...emulator, id, countListeners, socket: connect(Number(port), '127.0.0.1') };
}

it('responses leave no abort listeners on their account', async () => {
  const { post, get, core, createAccount } = await createTestEmulator();
  const { id } = createAccount('k', { clock: { mode: 'frozen' } });
  const { body } = await post('/api/sora-2/generate', { prompt: 'a dog', mode: 'textToVideo' }, 'k');
  for (let round = 0; round < 20; round++) {
    expect((await post('/api/sora-2/generate-prompt', JSON.parse(TOPIC), 'k')).status).toBe(200);
    expect((await get(`/__admin/accounts/k/wait?task=${body.taskId}&timeoutMs=0`)).status).toBe(408);
  }
  expect(getEventListeners(core.lifetimes.signalFor(id), 'abort')).toEqual([]);
});

it('an event stream pipelined behind a delayed response ends when the client disconnects', async () => {
  const { socket, core, countListeners } = await listening();
  socket.write(POLL + request('GET /__admin/events'));
  await vi.waitFor(() => expect([countListeners(), core.events.hasListeners()]).toEqual([1, true]));
  socket.destroy();
  await vi.waitFor(() => expect([countListeners(), core.events.hasListeners()]).toEqual([0, false]));
});

it('requests pipelined behind a delayed response end when the client disconnects', async () => {
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on('warning', warn);
  const { socket, countListeners } = await listening();
  // As many as are in progress at once, and more than Node allows listeners without a warning.
  socket.write(POLL.repeat(30));
  await vi.waitFor(() => expect(countListeners()).toBe(16));
  socket.destroy();
  await vi.waitFor(() => expect(countListeners()).toBe(0));
  process.off('warning', warn);
  expect(warnings).toEqual([]);
});

it.each([
  ['alone', ''],
  ['behind another', POLL],
])(
  'a text whose response is delayed, %s on its connection, is completed after a disconnect, without a warning',
  async (_where, before) => {
    const lines: string[] = [];
    const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
    const { app, core, createAccount } = await createTestEmulator([], undefined, logger);
    const { id } = createAccount('k', { clock: { mode: 'frozen' } });
    core.faults.add(id, { match: {}, at: 'accepted', effect: { delayMs: 1000 } });
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
    const socket = connect(Number(port), '127.0.0.1');
    const kinds = () => core.ledger.entries(id, 20).map(({ kind }) => kind);
    socket.write(before + request('POST /api/sora-2/generate-prompt', TOPIC));
    await vi.waitFor(() => expect(kinds()).toEqual(['grant', 'hold']));
    socket.destroy();
    await vi.waitFor(() => expect(kinds()).toEqual(['grant', 'hold', 'capture']));
    await app.close();
    expect(lines).toEqual([]);
  },
);

it('an event stream that is not read is closed', async () => {
  const { socket, core, id } = await listening();
  socket.write(request('GET /__admin/events'));
  await vi.waitFor(() => expect(core.events.hasListeners()).toBe(true));
  socket.pause();
  const detail = { fault: 'x'.repeat(64 * 1024), request: null };
  let sentBytes = 0;
  // The operating system buffers some MB per connection.
  while (core.events.hasListeners() && sentBytes < 64 * 1024 * 1024) {
    core.events.emit({ type: 'fault', accountId: id, detail });
    sentBytes += detail.fault.length;
    await new Promise(setImmediate);
  }
  expect(core.events.hasListeners()).toBe(false);
  socket.destroy();
});

it('a text whose client disconnects before it starts is charged, without a warning', async () => {
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(line) });
  const { app, core, createAccount } = await createTestEmulator([], undefined, logger);
  const { id } = createAccount('k', { clock: { mode: 'frozen' } });
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
  const socket = connect(Number(port), '127.0.0.1');
  const countListeners = () => getEventListeners(core.lifetimes.signalFor(id), 'abort').length;
  const kinds = () => core.ledger.entries(id, 20).map(({ kind }) => kind);
  socket.write(request('POST /api/sora-2/generate-prompt', TOPIC, 'x-emulator-fault: delay=60s\r\n'));
  await vi.waitFor(() => expect(countListeners()).toBe(1));
  socket.destroy();
  await vi.waitFor(() => expect(kinds()).toEqual(['grant', 'hold', 'capture']));
  await app.close();
  expect(lines).toEqual([]);
});

it('work at the end of a response that fails is logged, and does not keep other work from running', async () => {
  const lines: string[] = [];
  const app = Fastify({
    loggerInstance: pino({ level: 'error' }, { write: (line) => void lines.push(line) }) as FastifyBaseLogger,
  });
  onTestFinished(() => app.close());
  const ran: string[] = [];
  app.get('/', (request, reply) => {
    reply.hijack();
    onFinished(request, reply, () => {
      ran.push('first');
      throw new Error('broken');
    });
    onFinished(request, reply, () => void ran.push('second'));
    socket.destroy();
  });
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await vi.waitFor(() => expect(ran).toEqual(['first', 'second']));
  expect(lines.map((line) => JSON.parse(line).err.message)).toEqual(['broken']);
});

it('work at the end of a response needs one listener, however much there is', async () => {
  const app = Fastify();
  onTestFinished(() => app.close());
  const ran: number[] = [];
  app.get('/', (request, reply) => {
    const [response, socket] = [reply.raw.listenerCount('close'), request.raw.socket.listenerCount('close')];
    for (let n = 0; n < 20; n++) onFinished(request, reply, () => void ran.push(n));
    expect(reply.raw.listenerCount('close')).toBe(response + 1);
    expect(request.raw.socket.listenerCount('close')).toBe(socket + 1);
    return 'sent';
  });
  await fetch(await app.listen({ port: 0, host: '127.0.0.1' }));
  await vi.waitFor(() => expect(ran).toHaveLength(20));
});
