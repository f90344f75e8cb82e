import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, type Fixture } from '../fixture.ts';
import { openTunnel } from '../send.ts';
import { type Exchange, type Traffic, toBytes } from './traffic.ts';

export interface AttackContext {
  url: string;
  fixture: Fixture;
  traffic: Traffic;
  /** Picks one item of a list, as the seed says. */
  pick: <T>(list: readonly T[]) => T;
  /** Keys of new accounts without a rate limit, on frozen clocks. */
  createAccounts: (count: number) => Promise<string[]>;
  report: (problem: string) => void;
}

const POLL = '/api/sora-2/check-status';
const GENERATE = '/api/sora-2/generate';
const IMAGE = '/api/nano-banana-pro';
const HOLD_MS = 600;
const UNREAD = { writeMs: HOLD_MS, holdMs: HOLD_MS };
/** Enough to see whether responses are in order and whole. */
const MAX_READ_BYTES = 48 * 1024 * 1024;
const MIB = 1024 * 1024;
/** Limit of a refused upload: what the server discards of it, and what the system buffers. */
const MAX_DISCARDED_MIB = 80;

const createList = <T>(count: number, create: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => create(index));
const order = (prompt: string) => JSON.stringify({ prompt, mode: 'textToVideo' });

/** Reports statuses that no client may cause; 503 is the refusal at a limit. */
function checkStatuses({ report }: AttackContext, { statuses, isComplete }: Exchange, expectedCount: number): void {
  const bad = [...statuses].filter(([status]) => status >= 500 && status !== 503);
  for (const [status, count] of bad) report(`${count} responses with ${status}`);
  const count = [...statuses.values()].reduce((sum, one) => sum + one, 0);
  if (isComplete && count < expectedCount) report(`${count} responses to ${expectedCount} requests`);
}

async function expectWorking({ url, report }: AttackContext, path: string): Promise<void> {
  const { status, text } = await call(url, path);
  if (status >= 500 && status !== 503) report(`GET ${path} returned ${status}: ${text.slice(0, 300)}`);
}

/** The path of the largest page, which the page of the API reference loads. */
async function findScriptPath(url: string): Promise<string> {
  const { text } = await call(url, '/docs');
  return `/${/src="(docs\/[^"]+)"/.exec(text)?.[1] ?? 'openapi.json'}`;
}

/** Opens up to 80 nested tunnels. Returns a problem unless one of them is refused with 403. */
async function nestTunnels(connection: Socket, kind: 'tls' | 'plain'): Promise<string | undefined> {
  let socket = connection;
  for (let depth = 1; depth <= 80; depth++) {
    try {
      socket = await openTunnel(socket, kind, 5000);
      socket.on('error', () => {});
    } catch (error) {
      connection.destroy();
      const { message } = error as Error;
      return message.includes(' 403 ') ? undefined : `tunnel ${depth} inside the others: ${message.slice(0, 300)}`;
    }
  }
  return '80 tunnels inside each other were established';
}

/** Each attack runs alone for a second or two; its connections are closed afterwards. */
export const SCENARIOS = {
  /** Many requests on few connections, whose responses are read late, slowly or never. */
  async 'pipelining without reading'(context: AttackContext) {
    const { url, fixture, traffic, pick, report } = context;
    const script = await findScriptPath(url);
    const path = pick([script, script, '/openapi.json', pick(fixture.media)]);
    const connections = pick([1, 1, 4]);
    const ending = pick(['never', 'late', 'late', 'slowly']);
    const request = toBytes('GET', path);
    const single = await traffic.sendUnread([request], { writeMs: HOLD_MS, holdMs: 0 });
    const [alone] = (await traffic.read(single, { count: 1, maxBytes: Infinity, timeoutMs: 10_000 })).responses;
    if (!alone) throw new Error(`${path}: no response to a single request`);
    const requests = createList(700 / connections, () => request);
    const unread = await Promise.all(createList(connections, () => traffic.sendUnread(requests, UNREAD)));
    if (ending === 'never') return;
    if (ending === 'slowly') {
      for (const socket of unread) socket.once('data', () => socket.pause()).resume();
      await sleep(HOLD_MS);
      return;
    }
    const size = alone.body.length;
    const count = Math.max(1, Math.min(requests.length, Math.floor(MAX_READ_BYTES / connections / Math.max(1, size))));
    for (const socket of unread) {
      const { responses, problem } = await traffic.read(socket, { count, maxBytes: Infinity, timeoutMs: 10_000 });
      // A server may close the connection of a client that does not read.
      if (problem?.startsWith('no response')) report(`${path}: ${problem}`);
      const wrong = responses.find(({ status, body }) => status !== alone.status || body.length !== size);
      if (wrong) report(`${path}: ${wrong.status} with ${wrong.body.length} bytes instead of ${size}`);
    }
  },

  /** Many connections that read one byte at a time, or stop in the middle of a response. */
  async 'slow readers'(context: AttackContext) {
    const { url, fixture, traffic, pick } = context;
    const path = pick([await findScriptPath(url), '/openapi.json', pick(fixture.media)]);
    const mode = pick(['bytes', 'stop']);
    const count = pick([100, 300]);
    for (let index = 0; index < count; index++) {
      let bytes = 0;
      const socket = traffic.open(() => {
        bytes += 1;
        return mode === 'bytes' || bytes < 1000;
      });
      socket.write(toBytes('GET', path));
    }
    await sleep(HOLD_MS);
  },

  /** Text streams that nobody reads. */
  async 'unread streams'({ traffic, fixture, createAccounts }: AttackContext) {
    const [key] = (await createAccounts(1)) as [string];
    const path = '/api/sora-2/reverse-prompt';
    const [{ value }] = Object.values(
      fixture.vendor.paths[path].post.requestBody.content['application/json'].examples,
    ) as [{ value: object }];
    const request = toBytes('POST', path, { key, body: JSON.stringify(value) });
    await Promise.all(createList(30, () => traffic.sendUnread([request, request, request], UNREAD)));
  },

  /** Listeners that do not read, while there are many large events. */
  async 'unread events'({ traffic, pick, createAccounts }: AttackContext) {
    const [key] = (await createAccounts(1)) as [string];
    const listeners = pick([300, 600]);
    for (let index = 0; index < listeners; index++) {
      traffic.open().pause().write(toBytes('GET', '/__admin/events'));
    }
    await sleep(200);
    const path = `/api/${'x'.repeat(15_000)}`;
    await traffic.exchange(createList(pick([150, 250]), () => toBytes('GET', path, { key })));
  },

  /** Bodies with very many fields, items or characters in a name. */
  async 'wide bodies'(context: AttackContext) {
    const { traffic, pick, createAccounts } = context;
    const keys = await createAccounts(4);
    const kind = pick(['fields', 'fields', 'items', 'names'] as const);
    const wide = {
      fields: () => `{"taskId":"x",${createList(70_000, (n) => `"f${n}":1`).join()}}`,
      items: () => `{"taskId":"x","list":[${createList(100_000, (n) => n).join()}]}`,
      names: () => `{"taskId":"x","${'n'.repeat(900_000)}":1}`,
    }[kind]();
    const requests = createList(120, (n) => toBytes('POST', POLL, { key: keys[n % keys.length]!, body: wide }));
    checkStatuses(context, await traffic.exchange(requests), requests.length);
    for (const key of keys) await expectWorking(context, `/__admin/accounts/${key}/requests?limit=1000`);
  },

  /** Requests whose headers are as large as allowed. */
  async 'large headers'(context: AttackContext) {
    const { traffic, pick, createAccounts } = context;
    const keys = await createAccounts(100);
    const headers = pick([
      createList(150, (n) => `x-h${n}: ${'v'.repeat(80)}\r\n`).join(''),
      `x-h: ${'v'.repeat(15_000)}\r\n`,
      createList(1500, (n) => `x${n}: v\r\n`).join(''),
    ]);
    const requests = createList(5000, (n) =>
      toBytes('POST', POLL, { key: keys[n % 100]!, body: '{"taskId":"x"}', headers }),
    );
    checkStatuses(context, await traffic.exchange(requests), requests.length);
    await expectWorking(context, `/__admin/accounts/${keys[0]}/requests?limit=1000`);
  },

  /** Orders with very long prompts. */
  async 'long texts'(context: AttackContext) {
    const { url, traffic, pick, createAccounts } = context;
    const [key] = (await createAccounts(1)) as [string];
    const length = pick([1_000_000, 1_000_000, 200_000]);
    const request = toBytes('POST', GENERATE, {
      key,
      body: order(
        pick(['p', 'é', '"'])
          .repeat(length / 4)
          .padEnd(length, 'p')
          .slice(0, length / 2),
      ),
    });
    const requests = createList(Math.min(1500, Math.ceil((500 * MIB) / length)), () => request);
    checkStatuses(context, await traffic.exchange(requests), requests.length);
    await expectWorking(context, `/__admin/accounts/${key}/tasks?limit=1000`);
    await call(url, `/__admin/accounts/${key}/reset`, { method: 'POST' });
  },

  /** Very many small orders. */
  async 'many tasks'(context: AttackContext) {
    const { traffic, createAccounts } = context;
    const keys = await createAccounts(10);
    const requests = createList(6000, (n) => toBytes('POST', GENERATE, { key: keys[n % 10]!, body: order(`p${n}`) }));
    checkStatuses(context, await traffic.exchange(requests), requests.length);
    await expectWorking(context, `/__admin/accounts/${keys[0]}/tasks?limit=1000`);
    await expectWorking(context, `/__admin/accounts/${keys[0]}/ledger?limit=1000`);
  },

  /** Connections that each send a body without its last byte. */
  async 'unfinished bodies'({ traffic, pick, createAccounts }: AttackContext) {
    const [key] = (await createAccounts(1)) as [string];
    const body = order('z'.repeat(MIB - 100));
    const request = toBytes('POST', GENERATE, { key, body });
    const unfinished = request.subarray(0, request.length - 1);
    const count = pick([400, 500]);
    await Promise.all(createList(count, () => traffic.sendUnread([unfinished], { writeMs: 4000, holdMs: 2000 })));
  },

  /** Uploads that go on after their refusal, which the client does not read. */
  async 'refused uploads'({ traffic, pick, report }: AttackContext) {
    const [count, writeMs] = pick([
      [2, 4000],
      [2, 4000],
      [100, 1000],
    ] as const);
    const target = pick([GENERATE, '/api/none', '/__admin/accounts']);
    const connection = pick(['Connection: close\r\n', '']);
    const isChunked = pick([false, true]);
    // After a longer body the connection would close, as after a chunked one.
    const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${60 * MIB}`;
    const headers = `${connection}Content-Type: text/plain\r\n${framing}\r\n`;
    const chunk = Buffer.from(isChunked ? `${MIB.toString(16)}\r\n${'x'.repeat(MIB)}\r\n` : 'x'.repeat(MIB));
    const requests = [
      toBytes('POST', target, { headers }),
      ...createList(isChunked ? MAX_DISCARDED_MIB + 30 : 60, () => chunk),
    ];
    const sockets = await Promise.all(createList(count, () => traffic.sendUnread(requests, { writeMs, holdMs: 200 })));
    const endless = sockets.filter((socket) => !socket.destroyed && socket.bytesWritten > MAX_DISCARDED_MIB * MIB);
    if (endless.length > 0) report(`${endless.length} refused uploads of ${MAX_DISCARDED_MIB} MiB were not cut off`);
  },

  /** Tunnels in tunnels in tunnels. */
  async 'nested tunnels'({ traffic, pick, report }: AttackContext) {
    const kind = pick(['tls', 'tls', 'plain'] as const);
    // The first nested tunnel is refused, so one connection would end the attack before another client has polled.
    for (const deadline = performance.now() + 1000; performance.now() < deadline; ) {
      const problem = await nestTunnels(traffic.open(), kind);
      if (problem) return report(problem);
    }
  },

  /** Images whose clients are gone before they are drawn. */
  async 'abandoned images'(context: AttackContext) {
    const { url, traffic, report, createAccounts } = context;
    const [key] = (await createAccounts(1)) as [string];
    const paths = await Promise.all(
      createList(42, async (n) => {
        const body = { prompt: `picture ${n}`, mode: 'generate', imageQuality: '4K' };
        const { json } = await call(url, `${IMAGE}/generate`, { method: 'POST', key, body });
        return json.generationId as string;
      }),
    );
    await call(url, `/__admin/accounts/${key}/clock/advance`, { method: 'POST', body: { ms: 600_000 } });
    const urls = await Promise.all(
      paths.map(async (generationId) => {
        const { json } = await call(url, `${IMAGE}/check-status`, { method: 'POST', key, body: { generationId } });
        return new URL(json.imageUrl).pathname;
      }),
    );
    const measure = async (path: string) => {
      const startedMs = performance.now();
      await call(url, path);
      return performance.now() - startedMs;
    };
    const [first, second, ...others] = urls;
    const aloneMs = await measure(first!);
    for (const path of others) {
      const socket = traffic.open();
      socket.write(toBytes('GET', path));
      // One after the other, because images that only wait are easily cancelled.
      await sleep(25);
      socket.resetAndDestroy();
    }
    const waitedMs = await measure(second!);
    // The images that are being drawn are finished first.
    if (waitedMs > 2000 + aloneMs * 6)
      report(
        `after ${others.length} abandoned images, an image took ${Math.round(waitedMs)} ms; alone ${Math.round(aloneMs)}`,
      );
  },

  /** Many fault rules that search large bodies. */
  async 'many rules'(context: AttackContext) {
    const { url, traffic, pick, createAccounts } = context;
    const [key] = (await createAccounts(1)) as [string];
    const pattern = pick(['no such text', `${'z'.repeat(200)}y`, 'zzzzzzzzzy']);
    const rule = JSON.stringify({ at: 'request', effect: { fail: true }, match: { contains: pattern } });
    const rules = createList(1000, () => toBytes('POST', `/__admin/accounts/${key}/faults`, { body: rule }));
    checkStatuses(context, await traffic.exchange(rules), rules.length);
    const body = order('z'.repeat(MIB - 100));
    const requests = createList(2, () => toBytes('POST', GENERATE, { key, body }));
    checkStatuses(context, await traffic.exchange(requests, { connections: 1 }), requests.length);
    await call(url, `/__admin/accounts/${key}/faults`, { method: 'DELETE' });
  },

  /** Pages that are expensive to create, requested again and again. */
  async 'expensive pages'(context: AttackContext) {
    const { traffic, pick } = context;
    const path = pick(['/__admin/openapi.json', '/openapi.json', '/metrics', '/__admin/accounts?limit=1000']);
    const requests = createList(40, () => toBytes('GET', path));
    checkStatuses(context, await traffic.exchange(requests, { connections: pick([1, 8]) }), requests.length);
  },

  /** Connections that are opened and left alone. */
  async 'idle connections'({ traffic, pick }: AttackContext) {
    const start = pick([
      Buffer.alloc(0),
      Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n'),
      Buffer.from('\x16\x03\x01', 'latin1'),
    ]);
    for (let index = 0; index < 3000; index++) {
      const socket = traffic.open();
      if (start.length > 0) socket.write(start);
      if (index % 200 === 0) await sleep(10);
    }
    await sleep(HOLD_MS / 2);
  },
} satisfies Record<string, (context: AttackContext) => Promise<void>>;

export type AttackName = keyof typeof SCENARIOS;
export const ATTACK_NAMES = Object.keys(SCENARIOS) as AttackName[];
