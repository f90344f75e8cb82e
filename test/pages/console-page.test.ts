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
import { tempDir } from '../support/temp-dir.ts';

const PAGE = '<!doctype html><script type="module" src="console/assets/index-DiwrgTda.js"></script>';
const FILES: Record<string, string> = {
  'index-DiwrgTda.js': 'document.title = "a script"',
  'index-B_3-x9Qz.css': 'body { color: canvastext }',
  'mark-00000000.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'jsx-runtime.module-a1b2c3d4.js': 'export {}',
};

/** The page as the build would have put it there, with files of other names beside and above it. */
async function served(isBuilt = true) {
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
  const ask = (url: string, headers = {}, method: 'GET' | 'HEAD' = 'GET') => app.inject({ method, url, headers });
  return { app, ask };
}

describe('the console', () => {
  it('is a page that is asked for each time, and that nothing can be put into', async () => {
    const { ask } = await served();
    const { statusCode, headers, payload } = await ask('/console');
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
  ])('has a file %s that browsers keep, packed for those who can unpack it', async (name, type) => {
    const { ask } = await served();
    const common = {
      'content-type': type,
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    };
    const packed = await ask(`/console/assets/${name}`, { 'accept-encoding': 'gzip, br' });
    expect(packed.headers).toMatchObject({ ...common, 'content-encoding': 'gzip' });
    expect(packed.rawPayload.equals(gzipSync(FILES[name]!))).toBe(true);
    const plain = await ask(`/console/assets/${name}`);
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
  ])('has no file assets/%s', async (name) => {
    const { ask } = await served();
    const answer = await ask(`/console/assets/${name}`);
    expect([answer.statusCode, answer.payload]).toEqual([404, expect.not.stringContaining('not to be')]);
  });

  it('has the same head for HEAD, and no body', async () => {
    const { ask } = await served();
    for (const url of ['/console', '/console/assets/index-DiwrgTda.js']) {
      const [whole, none] = [await ask(url), await ask(url, {}, 'HEAD')];
      expect(none.rawPayload).toHaveLength(0);
      expect({ ...none.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
    }
  });

  it('is found with a slash behind it, also below another path', async () => {
    const { ask } = await served();
    const { statusCode, headers } = await ask('/console/');
    expect([statusCode, headers.location]).toEqual([308, '../console']);
  });

  it('says what to do where it is not built', async () => {
    const { ask } = await served(false);
    const answer = await ask('/console');
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      {
        success: false,
        error: 'This page is not built yet: run "npm run build" and load it again.',
        errorCode: 'SERVICE_UNAVAILABLE',
      },
    ]);
    expect((await ask('/console/assets/index-DiwrgTda.js')).statusCode).toBe(404);
  });

  it.each(['/console', '/console/', '/console/assets/index-DiwrgTda.js'])(
    '%s is read, and nothing else',
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

  it('is no part of the API: for everybody, never limited, not in the journal', async () => {
    const { app, send } = await createTestEmulator();
    const key = 'np_test_default';
    // Whether it is built or not.
    for (const of of [key, null]) {
      const answer = await send('GET', '/console', { key: of });
      expect([200, 503]).toContain(answer.status);
      expect(answer.headers).not.toHaveProperty('x-ratelimit-limit');
    }
    const from = { url: '/console', headers: { host: 'nanophoto.ai' }, remoteAddress: '10.0.0.5' };
    expect([200, 503]).toContain((await app.inject(from)).statusCode);
    expect((await send('GET', `/__admin/accounts/${key}/requests`)).body.requests).toEqual([]);
  });
});
