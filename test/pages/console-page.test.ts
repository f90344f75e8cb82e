import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import Fastify from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/http/context.ts';
import { sendError } from '../../src/http/pipeline/errors.ts';
import { registerRequestState } from '../../src/http/pipeline/request-state.ts';
import { registerConsolePage } from '../../src/pages/console-page.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { expectSameHead } from '../support/head.ts';
import { tempDir } from '../support/temp-dir.ts';

const PAGE = '<!doctype html><script type="module" src="console/assets/index-DiwrgTda.js"></script>';
const FILES: Record<string, string> = {
  'index-DiwrgTda.js': 'document.title = "a script"',
  'index-B_3-x9Qz.css': 'body { color: canvastext }',
  'mark-00000000.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'jsx-runtime.module-a1b2c3d4.js': 'export {}',
};

/** Serves a page from build output as in `dist`, which also has files that must not be served. */
async function servePage(isBuilt = true) {
  const dir = tempDir();
  if (isBuilt) {
    mkdirSync(join(dir, 'assets'));
    writeFileSync(join(dir, 'page.html'), PAGE);
    for (const [name, text] of Object.entries(FILES)) {
      writeFileSync(join(dir, 'assets', `${name}.gz`), gzipSync(text));
    }
    for (const other of [
      'page.html.gz',
      'secret-00000000.js.gz',
      'assets/notes.txt.gz',
      'assets/index.js.gz',
      'assets/index-short.js.gz',
    ]) {
      writeFileSync(join(dir, other), gzipSync('not to be served'));
    }
  }
  const app = Fastify() as unknown as App;
  registerRequestState(app);
  onTestFinished(() => app.close());
  app.setErrorHandler(sendError);
  registerConsolePage(app, dir);
  const request = (url: string, headers = {}) => app.inject({ url, headers });
  return { app, request };
}

describe('console page', () => {
  it.each(['GET', 'HEAD'])(
    'is where %s / redirects browsers, by a relative URL that also works below a path prefix',
    async (method) => {
      const { send } = await createTestEmulator();
      const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
      for (const url of ['/', '/?from=bookmark']) {
        const response = await send(method, url, { key: null, headers: { accept } });
        expect([response.status, response.text]).toEqual([302, '']);
        expect(response.headers).toMatchObject({ location: 'console', vary: 'accept' });
      }
    },
  );

  it('does not replace the error that API clients get for / and unknown paths', async () => {
    const { send } = await createTestEmulator();
    const accept = 'text/html';
    for (const headers of [{}, { accept: '*/*' }, { accept: 'application/json' }]) {
      expect((await send('GET', '/', { key: null, headers })).body.errorCode).toBe('NOT_FOUND');
      expect((await send('GET', '/', { headers })).body.errorCode).toBe('NOT_FOUND');
    }
    expect((await send('POST', '/', { key: null, headers: { accept } })).body.errorCode).toBe('NOT_FOUND');
    expect((await send('GET', '/unknown', { headers: { accept } })).body.errorCode).toBe('NOT_FOUND');
  });

  it('is revalidated on each load, and served with a strict policy', async () => {
    const { request } = await servePage();
    const { statusCode, headers, payload } = await request('/console');
    expect([statusCode, payload]).toEqual([200, PAGE]);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(String(headers['content-security-policy']).split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' blob: data:",
      'media-src blob:',
      "connect-src 'self'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
  });

  it.each([
    ['index-DiwrgTda.js', 'text/javascript; charset=utf-8'],
    ['jsx-runtime.module-a1b2c3d4.js', 'text/javascript; charset=utf-8'],
    ['index-B_3-x9Qz.css', 'text/css; charset=utf-8'],
    ['mark-00000000.svg', 'image/svg+xml'],
  ])('serves %s as immutable, compressed if the client accepts gzip', async (name, type) => {
    const { request } = await servePage();
    const common = {
      'content-type': type,
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    };
    const compressed = await request(`/console/assets/${name}`, { 'accept-encoding': 'gzip, br' });
    expect(compressed.headers).toMatchObject({ ...common, 'content-encoding': 'gzip' });
    expect(compressed.rawPayload.equals(gzipSync(FILES[name]!))).toBe(true);
    const plain = await request(`/console/assets/${name}`);
    expect(plain.headers).toMatchObject(common);
    expect(plain.headers).not.toHaveProperty('content-encoding');
    expect([plain.statusCode, plain.payload]).toEqual([200, FILES[name]]);
  });

  it.each([
    ...['index.js', 'index-short.js', 'notes.txt', 'index-DiwrgTda.js.gz', 'none-00000000.js', 'index-DiwrgTda.html'],
    ...[
      '..%2Fpage.html',
      '..%2Fsecret-00000000.js',
      '..%2f..%2fsecret-00000000.js',
      '.-00000000.js',
      '%00-00000000.js',
    ],
  ])('does not serve assets/%s', async (name) => {
    const { request } = await servePage();
    const response = await request(`/console/assets/${name}`);
    expect([response.statusCode, response.payload]).toEqual([404, expect.not.stringContaining('not to be')]);
  });

  it('responds to HEAD with the same headers and no body', async () => {
    const { app } = await servePage();
    const paths = ['/console', '/console/assets/index-DiwrgTda.js', '/console/'];
    await expectSameHead(await app.listen({ port: 0, host: '127.0.0.1' }), paths);
  });

  it('redirects a trailing slash by a relative URL, which also works below a path prefix', async () => {
    const { request } = await servePage();
    const { statusCode, headers } = await request('/console/');
    expect([statusCode, headers.location]).toEqual([308, '../console']);
  });

  it('responds with 503 and instructions if it is not built', async () => {
    const { request } = await servePage(false);
    const response = await request('/console');
    expect([response.statusCode, response.json()]).toEqual([
      503,
      {
        success: false,
        error: 'This page is not built yet: run "npm run build" and load it again.',
        errorCode: 'SERVICE_UNAVAILABLE',
      },
    ]);
    expect((await request('/console/assets/index-DiwrgTda.js')).statusCode).toBe(404);
  });

  it.each(['/console', '/console/', '/console/assets/index-DiwrgTda.js'])(
    '%s only allows GET and HEAD',
    async (path) => {
      const { send } = await createTestEmulator();
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        expect(await send(method, path)).toMatchObject({
          status: 405,
          headers: { allow: 'GET, HEAD' },
          body: { errorCode: 'METHOD_NOT_ALLOWED' },
        });
      }
    },
  );

  it('needs no key, is never rate limited, and is not recorded in the journal', async () => {
    const { app, send } = await createTestEmulator();
    const key = 'np_test_default';
    // 503 if the page is not built.
    for (const requestKey of [key, null]) {
      const response = await send('GET', '/console', { key: requestKey });
      expect([200, 503]).toContain(response.status);
      expect(response.headers).not.toHaveProperty('x-ratelimit-limit');
    }
    const remote = { url: '/console', headers: { host: 'nanophoto.ai' }, remoteAddress: '10.0.0.5' };
    expect([200, 503]).toContain((await app.inject(remote)).statusCode);
    expect((await send('GET', `/__admin/accounts/${key}/requests`)).body.requests).toEqual([]);
  });
});
