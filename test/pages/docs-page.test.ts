import { ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import Fastify from 'fastify';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { App } from '../../src/http/context.ts';
import { sendError } from '../../src/http/pipeline/errors.ts';
import { registerRequestState } from '../../src/http/pipeline/request-state.ts';
import { registerDocsPage } from '../../src/pages/docs-page.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { expectSameHead } from '../support/head.ts';
import { tempDir } from '../support/temp-dir.ts';

async function openDocsPage() {
  const emulator = await createTestEmulator();
  const page = await emulator.get('/docs');
  const [script] = /docs\/[\w.-]+\.js/.exec(page.text)!;
  const requestScript = (headers = {}) => emulator.app.inject({ url: `/${script}`, headers });
  return { ...emulator, page, scriptPath: `/${script}`, requestScript };
}

describe('docs page', () => {
  // id: docs-page-self-contained
  it('needs no key, loads nothing from other hosts, and is revalidated on each load', async () => {
    const { page } = await openDocsPage();
    expect(page.status).toBe(200);
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    const policy = String(page.headers['content-security-policy']).split('; ');
    expect(policy).toEqual(
      expect.arrayContaining([
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
      ]),
    );
    expect(policy.filter((rule) => /\*|https?:|unsafe-eval/.test(rule))).toEqual([]);
    expect(page.text).not.toMatch(/https?:|<script>/);
  });

  it('serves its script as immutable, compressed if the client accepts gzip', async () => {
    const { requestScript } = await openDocsPage();
    const compressed = await requestScript({ 'accept-encoding': 'gzip, deflate, br' });
    expect(compressed.statusCode).toBe(200);
    expect(compressed.headers).toMatchObject({
      'content-type': 'text/javascript; charset=utf-8',
      'content-encoding': 'gzip',
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      'x-content-type-options': 'nosniff',
    });
    expect(Number(compressed.headers['content-length'])).toBe(compressed.rawPayload.length);
    for (const headers of [{}, { 'accept-encoding': 'br' }, { 'accept-encoding': 'gzip;q=0, *' }]) {
      const plain = await requestScript(headers);
      expect(plain.headers).not.toHaveProperty('content-encoding');
      expect(plain.headers.vary).toBe('accept-encoding');
      expect(plain.rawPayload.equals(gunzipSync(compressed.rawPayload))).toBe(true);
    }
  });

  it('sends the same buffer to all clients, so that those that do not read it cost no memory', async () => {
    const { app, requestScript } = await openDocsPage();
    const sent = vi.spyOn(ServerResponse.prototype, 'write');
    onTestFinished(() => void sent.mockRestore());
    const contents = [];
    for (const headers of [{}, {}, { 'accept-encoding': 'gzip' }, { 'accept-encoding': 'gzip' }]) {
      sent.mockClear();
      await requestScript(headers);
      contents.push(sent.mock.calls[0]![0]);
    }
    expect(contents[0]).toBeInstanceOf(Buffer);
    expect(contents[1]).toBe(contents[0]);
    expect(contents[3]).toBe(contents[2]);
    expect(contents[2]).not.toBe(contents[0]);
    expect(app.memory.usedBytes.responses).toBe(0);
  });

  it('responds to HEAD with the same headers and no body', async () => {
    const { scriptPath, listen } = await openDocsPage();
    await expectSameHead(await listen(), ['/docs', scriptPath, '/docs/', '/openapi.json', '/ca.pem']);
  });

  it("is also served under the vendor's host names", async () => {
    const { app, page } = await openDocsPage();
    for (const host of ['nanophoto.ai', 'api.nanophoto.ai']) {
      expect((await app.inject({ url: '/docs', headers: { host } })).payload).toBe(page.text);
    }
  });

  it('redirects a trailing slash by a relative URL, which also works below a path prefix', async () => {
    const { get } = await openDocsPage();
    const { status, headers } = await get('/docs/');
    expect([status, headers.location]).toEqual([308, '../docs']);
  });

  it('is never rate limited, and is not recorded in the journal', async () => {
    const { send } = await openDocsPage();
    const key = 'np_test_limited';
    for (let round = 0; round < 5; round++) {
      const response = await send('GET', '/docs', { key });
      expect(response.status).toBe(200);
      expect(response.headers).not.toHaveProperty('x-ratelimit-limit');
    }
    expect((await send('GET', `/__admin/accounts/${key}/requests`)).body.requests).toEqual([]);
  });

  it.each(['/docs', '/docs/', '/docs/reference-0000000000000000.js', '/openapi.json'])(
    '%s only allows GET and HEAD',
    async (path) => {
      const { send } = await createTestEmulator();
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        for (const key of ['np_test_other', null]) {
          // Regardless of the body and the key.
          const response = await send(method, path, {
            key,
            headers: { 'content-type': 'text/plain' },
            body: 'x',
          });
          expect(response).toMatchObject({
            status: 405,
            headers: { allow: 'GET, HEAD' },
            body: {
              success: false,
              error: 'Method not allowed. Use GET.',
              errorCode: 'METHOD_NOT_ALLOWED',
            },
          });
        }
      }
      expect((await send('GET', '/__admin/accounts/np_test_other')).status).toBe(404);
    },
  );

  it.each(['none.js', 'page.html', 'reference-0000000000000000.js', '..%2Fmain.js'])(
    'does not serve /docs/%s',
    async (name) => {
      const { send } = await openDocsPage();
      expect(await send('GET', `/docs/${name}`)).toMatchObject({
        status: 404,
        body: { success: false, errorCode: 'NOT_FOUND' },
      });
    },
  );

  it('responds with 503 and instructions if it is not built', async () => {
    const app = Fastify() as unknown as App;
    registerRequestState(app);
    onTestFinished(() => app.close());
    app.setErrorHandler(sendError);
    registerDocsPage(app, tempDir());
    const response = await app.inject({ url: '/docs' });
    expect(response.statusCode).toBe(503);
    expect(response.json()).toEqual({
      success: false,
      error: 'This page is not built yet: run "npm run build" and load it again.',
      errorCode: 'SERVICE_UNAVAILABLE',
    });
  });
});
