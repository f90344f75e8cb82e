import { gunzipSync } from 'node:zlib';
import Fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/http/context.ts';
import { sendError } from '../../src/http/pipeline/errors.ts';
import { registerRequestState } from '../../src/http/pipeline/request-state.ts';
import { registerDocsPage } from '../../src/pages/docs-page.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

async function reference() {
  const emulator = await createTestEmulator();
  const page = await emulator.get('/docs');
  const [script] = /docs\/[\w.-]+\.js/.exec(page.text)!;
  const ask = (method: 'GET' | 'HEAD', headers = {}) => emulator.app.inject({ method, url: `/${script}`, headers });
  return { ...emulator, page, ask };
}

it('the page comes without a key, allows nothing from elsewhere and is asked for each time', async () => {
  const { page } = await reference();
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

it('its script is kept by browsers, and packed for those who can unpack it', async () => {
  const { ask } = await reference();
  const packed = await ask('GET', { 'accept-encoding': 'gzip, deflate, br' });
  expect(packed.statusCode).toBe(200);
  expect(packed.headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'content-encoding': 'gzip',
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'accept-encoding',
    'x-content-type-options': 'nosniff',
  });
  expect(Number(packed.headers['content-length'])).toBe(packed.rawPayload.length);
  for (const headers of [{}, { 'accept-encoding': 'br' }, { 'accept-encoding': 'gzip;q=0, *' }]) {
    const plain = await ask('GET', headers);
    expect(plain.headers).not.toHaveProperty('content-encoding');
    expect(plain.headers.vary).toBe('accept-encoding');
    expect(plain.rawPayload.equals(gunzipSync(packed.rawPayload))).toBe(true);
  }
});

it('HEAD tells the same without a body', async () => {
  const { ask, page, send } = await reference();
  const head = await send('HEAD', '/docs', { key: null });
  expect(head).toMatchObject({ status: 200, text: '' });
  expect({ ...head.headers, date: '' }).toEqual({ ...page.headers, date: '' });
  const accepted = { 'accept-encoding': 'gzip' };
  const [whole, none] = [await ask('GET', accepted), await ask('HEAD', accepted)];
  expect(none.rawPayload).toHaveLength(0);
  expect({ ...none.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
});

it("is there under the vendor's name as well", async () => {
  const { app, page } = await reference();
  for (const host of ['nanophoto.ai', 'api.nanophoto.ai']) {
    expect((await app.inject({ url: '/docs', headers: { host } })).payload).toBe(page.text);
  }
});

it('a slash behind it does no harm, also below another path', async () => {
  const { get } = await reference();
  const { status, headers } = await get('/docs/');
  expect([status, headers.location]).toEqual([308, '../docs']);
});

it('is no part of the API: never limited, not in the journal', async () => {
  const { send } = await reference();
  const key = 'np_test_limited';
  for (let round = 0; round < 5; round++) {
    const answer = await send('GET', '/docs', { key });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('x-ratelimit-limit');
  }
  expect((await send('GET', `/__admin/accounts/${key}/requests`)).body.requests).toEqual([]);
});

it.each(['/docs', '/docs/', '/docs/reference-0000000000000000.js', '/openapi.json'])(
  '%s is read, and nothing else',
  async (path) => {
    const { send } = await createTestEmulator();
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const key of ['np_test_other', null]) {
        // Neither what is sent nor who sends it matters.
        const answer = await send(method, path, {
          key,
          headers: { 'content-type': 'text/plain' },
          body: 'x',
        });
        expect(answer).toMatchObject({
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
  'there is no /docs/%s',
  async (name) => {
    const { send } = await reference();
    expect(await send('GET', `/docs/${name}`)).toMatchObject({
      status: 404,
      body: { success: false, errorCode: 'NOT_FOUND' },
    });
  },
);

it('says what to do where nothing is built', async () => {
  const app = Fastify() as unknown as App;
  registerRequestState(app);
  onTestFinished(() => app.close());
  app.setErrorHandler(sendError);
  registerDocsPage(app, tempDir());
  const answer = await app.inject({ url: '/docs' });
  expect(answer.statusCode).toBe(503);
  expect(answer.json()).toEqual({
    success: false,
    error: 'This page is not built yet: run "npm run build" and load it again.',
    errorCode: 'SERVICE_UNAVAILABLE',
  });
});
