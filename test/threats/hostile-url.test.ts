import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { sendRawForJson } from '../support/raw-http.ts';
import { SHOT } from '../support/results.ts';

const SRC = join(import.meta.dirname, '../../src');

/** Starts a server that must not be called, and counts the calls. */
async function target() {
  let calls = 0;
  const server = createServer((socket) => {
    calls += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, calls: () => calls };
}

describe('hostile URLs', () => {
  // id: request-urls-never-fetched
  it('are never fetched by any endpoint', async () => {
    const { port, calls } = await target();
    const { post, clock, get, send } = await createTestEmulator();
    const url = `http://127.0.0.1:${port}/a.png`;
    const orders: [string, object][] = [
      ['sora-2', { prompt: url, mode: 'imageToVideo', imageUrls: [url] }],
      ['sora-2', { prompt: 'a', mode: 'textToVideo', callbackUrl: url, webhook: url }],
      ['veo-3', { shots: [{ ...SHOT, generationType: 'REFERENCE_2_VIDEO', imageUrls: [url, url] }] }],
      [
        'seedance-1-5-pro',
        {
          ...{ prompt: 'a', mode: 'imageToVideo', imageUrls: [url] },
          ...{ aspectRatio: 'portrait', resolution: '480p', duration: '4' },
        },
      ],
      ['sora-2-tvc', { adTheme: 'a', referenceImageUrl: url }],
      ['nano-banana-pro', { prompt: 'a', mode: 'edit', inputImageUrls: [url] }],
      ['nano-banana-2', { prompt: 'a', mode: 'edit', inputImageUrls: [url], googleSearch: true }],
    ];
    const key = 'np_test_unlimited';
    for (const [family, body] of orders) {
      expect([family, (await post(`/api/${family}/generate`, body, key)).status]).toEqual([family, 200]);
    }
    clock.advance(3_600_000);
    const { tasks } = (await get(`/__admin/accounts/${key}/tasks`)).body;
    expect(tasks.length).toBe(orders.length);
    for (const { status, result } of tasks) {
      expect(status).toBe('completed');
      for (const link of Object.values<string>(result)) {
        const { pathname } = new URL(link);
        expect((await send('GET', pathname, { key: null })).status).toBe(200);
      }
    }
    const auto = 'np_test_auto';
    for (const [path, body] of [
      ['/api/sora-2/reverse-prompt', { videoSource: 'url', videoUrl: url.replace('.png', '.mp4') }],
      ['/api/sora-2/generate-prompt', { topic: url, technique: 'match-cut', duration: 5, imageUrls: [url] }],
      ['/api/sora/remove-watermark', { share_link: `http://127.0.0.1:${port}/sora.chatgpt.com/p/x` }],
    ] as const) {
      expect([path, (await post(path, body, auto)).status]).toEqual([path, 200]);
    }
    expect(calls()).toBe(0);
  });

  // id: proxy-forwards-nowhere
  it('are not reachable through the proxy', async () => {
    const { port: elsewhere, calls } = await target();
    const { app } = await createTestEmulator();
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
    for (const line of [
      `GET http://127.0.0.1:${elsewhere}/ HTTP/1.1`,
      `GET http://localhost:${elsewhere}/__admin/accounts HTTP/1.1`,
      `CONNECT 127.0.0.1:${elsewhere} HTTP/1.1`,
      `CONNECT localhost:${elsewhere} HTTP/1.1`,
      'GET http://169.254.169.254/latest/meta-data HTTP/1.1',
    ]) {
      const answer = await sendRawForJson(port, `${line}\r\nHost: 127.0.0.1:${elsewhere}\r\nConnection: close\r\n\r\n`);
      expect([line, answer]).toMatchObject([line, { status: 403, body: { errorCode: 'FORBIDDEN' } }]);
    }
    expect(calls()).toBe(0);
  });

  // id: no-code-opens-connections
  it('cannot be fetched, because no code of the server opens connections', () => {
    // Except commands that call a server that their user names, and code that runs in a user's program or browser.
    const callers = ['main.ts', 'client/', 'console/', 'cli/', 'conformance/'];
    const calls =
      /\bfetch\(|\b(?:https?|net|tls|dgram|dns)\.(?:connect|request|get|createConnection|lookup|resolve)|\bimport (?!type\b)[^;]*\b(?:connect|createConnection|request|lookup)\b[^;]*from '(?:node:)?(?:https?|net|tls|dgram|dns|undici)/;
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !callers.some((start) => file.startsWith(start)),
    );
    expect(files.length).toBeGreaterThan(80);
    expect(files.filter((file) => calls.test(readFileSync(join(SRC, file), 'utf8')))).toEqual([]);
  });
});
