import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BrowserContext, Page } from '@playwright/test';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CHROMIUM, openBrowser } from '../support/browser.ts';
import { createTestEmulator } from '../support/emulator.ts';

// biome-ignore lint/suspicious/noExplicitAny: a global of the page, which the compiler does not know
declare const document: any;

const TOKEN = 'very-secret-token';
const KEY = 'np_test_default';

/** Closes connections on stop: browsers keep idle ones, for which the emulators would wait. */
const servers = new Set<Server>();
afterEach(() => {
  for (const server of servers) server.closeAllConnections();
  servers.clear();
});

describe.skipIf(!CHROMIUM)('hostile pages in a browser', () => {
  let context: BrowserContext;
  beforeAll(async () => {
    context = await (await openBrowser()).newContext();
    // Stays open, because its process renders all other pages.
    await context.newPage();
  });
  afterAll(() => context?.close());

  async function openPage(url: string): Promise<Page> {
    const page = await context.newPage();
    onTestFinished(() => page.close());
    await page.goto(url);
    return page;
  }

  async function emulatorOnPort(flags: string[] = []) {
    const emulator = await createTestEmulator(flags);
    const origin = await emulator.app.listen({ port: 0, host: '127.0.0.1' });
    servers.add(emulator.app.server);
    // Requests that got past the guard, and requests that did not.
    const refused: string[] = [];
    const served: string[] = [];
    emulator.app.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (!request.url!.startsWith('/__admin')) return;
      response.once('close', () => {
        const line = `${request.method} ${request.url} ${response.statusCode}`;
        (response.statusCode < 400 ? served : refused).push(line);
      });
    });
    const state = () => {
      const { balance, rateLimit, seed, revoked, id } = emulator.account(KEY);
      const count = emulator.core.accounts.count();
      const rules = emulator.core.faults.list(null).length;
      return { balance, rateLimit, seed, revoked, id, count, rules };
    };
    return { ...emulator, origin, port: new URL(origin).port, served, refused, state };
  }

  /** Serves an empty page under a host name that resolves to this machine. */
  async function pageOf(name: string): Promise<Page> {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<!doctype html><body></body>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return openPage(`http://${name}:${(server.address() as AddressInfo).port}/`);
  }

  /** Sends every kind of request that a page can send without a preflight, and waits for the responses. */
  const attack = (page: Page, origin: string, extra: object = {}) =>
    page.evaluate(
      async ({ origin, extra }) => {
        const paths = [
          ['POST', '/__admin/reset'],
          ['POST', '/__admin/accounts'],
          ['POST', '/__admin/faults'],
          ['POST', '/__admin/accounts/np_test_default/reset'],
          ['POST', '/__admin/accounts/np_test_default/credits'],
          ['PATCH', '/__admin/accounts/np_test_default'],
          ['DELETE', '/__admin/accounts/np_test_default'],
          ['PUT', '/__admin/accounts/np_test_default/rate-limit'],
          ['GET', '/__admin/accounts'],
          ['GET', '/__admin/accounts/np_test_default/requests'],
          ['GET', '/__admin/events'],
        ] as const;
        const body = '{"amount":-1000,"key":"np_evil","revoked":true,"at":"task","effect":{"fail":true},"limit":1}';
        const read: string[] = [];
        const types = ['text/plain', 'application/x-www-form-urlencoded', 'application/json', undefined];
        for (const [method, path] of paths) {
          for (const type of method === 'GET' ? [undefined] : types) {
            for (const mode of ['no-cors', 'cors'] as const) {
              const abort = AbortSignal.timeout(3000);
              try {
                const answer = await fetch(origin + path, {
                  ...{ method, mode, credentials: 'include', signal: abort, ...extra },
                  ...(type && { body, headers: { 'content-type': type } }),
                } as RequestInit);
                const text = answer.status === 200 ? await answer.text() : '';
                if (text !== '') read.push(`${method} ${path} ${text.slice(0, 40)}`);
              } catch {
                // Blocked by the browser.
              }
            }
          }
        }
        // Requests of elements have no Origin header.
        const loads = ['img', 'script', 'iframe', 'video', 'link'].map(
          (name) =>
            new Promise((resolve) => {
              const element = document.createElement(name);
              element.onload = resolve;
              element.onerror = resolve;
              if (name === 'link') element.rel = 'stylesheet';
              element[name === 'link' ? 'href' : 'src'] = `${origin}/__admin/accounts?limit=1`;
              document.body.append(element);
            }),
        );
        await Promise.all(loads);
        for (const enctype of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
          const frame = document.createElement('iframe');
          frame.name = `frame-${enctype}`;
          document.body.append(frame);
          const form = document.createElement('form');
          Object.assign(form, {
            method: 'post',
            enctype,
            action: `${origin}/__admin/reset`,
            target: frame.name,
          });
          const done = new Promise((resolve) => {
            frame.onload = resolve;
          });
          document.body.append(form);
          form.submit();
          await done;
        }
        return read;
      },
      { origin, extra },
    );

  // id: foreign-page-403
  it.each([
    ['of another site', 'www.evil.test'],
    ['of another port of this machine', '127.0.0.1'],
    ['under another name of this machine', 'localhost'],
  ])('%s cannot change or read anything through the control plane', async (_what, name) => {
    const { origin, served, refused, state } = await emulatorOnPort();
    const before = state();
    const page = await pageOf(name);
    expect(await attack(page, origin)).toEqual([]);
    expect(served).toEqual([]);
    expect(refused.length).toBeGreaterThan(20);
    expect(state()).toEqual(before);
  });

  // id: foreign-page-with-open-control-plane
  it('cannot use the control plane with --admin-remote or with a token', async () => {
    for (const flags of [
      ['--admin-remote', 'on'],
      ['--admin-token', TOKEN],
    ]) {
      const { origin, served, state } = await emulatorOnPort(flags);
      const before = state();
      expect(await attack(await pageOf('www.evil.test'), origin)).toEqual([]);
      expect(served).toEqual([]);
      expect(state()).toEqual(before);
    }
  });

  // id: dns-rebinding-403
  it.each([[[]], [['--admin-remote', 'on']]])(
    'cannot use the control plane by DNS rebinding, with flags %j',
    async (flags) => {
      const { port, served, refused, state } = await emulatorOnPort(flags);
      const before = state();
      // From here on the browser considers page and emulator the same origin.
      const rebound = `http://rebound.evil.test:${port}`;
      const page = await openPage(`${rebound}/health`);
      expect(await page.evaluate(async () => (await fetch('/health')).status)).toBe(200);
      expect(await attack(page, rebound)).toEqual([]);
      expect(served).toEqual([]);
      expect(refused.length).toBeGreaterThan(60);
      expect(state()).toEqual(before);
    },
  );

  // id: foreign-page-spends-no-credits
  it('cannot spend credits, because it cannot send a key', async () => {
    const { origin, state } = await emulatorOnPort();
    const before = state();
    const page = await pageOf('www.evil.test');
    const statuses = await page.evaluate(async (url) => {
      const statuses: unknown[] = [];
      for (const mode of ['cors', 'no-cors'] as const) {
        const headers = { authorization: 'Bearer np_test_default', 'content-type': 'application/json' };
        const body = '{"prompt":"a","mode":"textToVideo"}';
        const answer = await fetch(url, { method: 'POST', mode, headers, body }).catch(() => undefined);
        statuses.push(answer?.status ?? 'refused');
      }
      return statuses;
    }, `${origin}/api/sora-2/generate`);
    // 0: sent without the key, and the response is opaque.
    expect(statuses).toEqual(['refused', 0]);
    expect(state()).toEqual(before);
  });

  // id: pages-not-framed
  it.each(['/docs', '/console'])('cannot show %s in a frame', async (path) => {
    const { origin } = await emulatorOnPort();
    const page = await pageOf('www.evil.test');
    const complaints: string[] = [];
    page.on('console', (line) => complaints.push(line.text()));
    await page.evaluate(async (url) => {
      const frame = document.createElement('iframe');
      frame.src = url;
      const done = new Promise((resolve) => {
        frame.onload = resolve;
      });
      document.body.append(frame);
      await done;
    }, `${origin}${path}`);
    expect(complaints.join('\n')).toContain("frame-ancestors 'none'");
  });

  // id: injected-form-changes-nothing
  it('cannot change anything with a form or beacon injected into a page of the emulator', async () => {
    const { origin, served, refused, state } = await emulatorOnPort();
    const before = state();
    // A page of the emulator's origin without a content security policy.
    const page = await openPage(`${origin}/health`);
    const codes = await page.evaluate(async () => {
      const answers: string[] = [];
      const path = '/__admin/accounts/np_test_default';
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        const answer = await fetch(method === 'POST' ? `${path}/reset` : path, { method });
        answers.push(((await answer.json()) as { code: string }).code);
      }
      for (const enctype of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
        const frame = document.createElement('iframe');
        frame.name = `frame-${enctype}`;
        const form = document.createElement('form');
        const action = '/__admin/reset';
        Object.assign(form, { method: 'post', enctype, action, target: frame.name });
        document.body.append(frame, form);
        const done = new Promise((resolve) => {
          frame.onload = resolve;
        });
        form.submit();
        await done;
        answers.push(JSON.parse(frame.contentDocument.body.textContent).code);
      }
      // biome-ignore lint/suspicious/noExplicitAny: a name of the page
      (globalThis as any).navigator.sendBeacon('/__admin/reset');
      return answers;
    });
    expect(codes).toEqual(Array(7).fill('FOREIGN_PAGE'));
    await expect.poll(() => refused.length).toBe(8);
    expect(served).toEqual([]);
    expect(state()).toEqual(before);
  });

  // id: own-page-may-call
  it('is distinguished from the page of the emulator, which may use the control plane', async () => {
    const { origin, served } = await emulatorOnPort();
    const page = await openPage(`${origin}/console`);
    const statuses = await page.evaluate(async () => {
      const make = async (own: object) => {
        const headers = { 'content-type': 'application/json', ...own };
        const body = '{"key":"np_mine"}';
        return (await fetch('/__admin/accounts', { method: 'POST', headers, body })).status;
      };
      return [await make({}), await make({ 'x-emulator-console': '1' })];
    });
    expect(statuses).toEqual([403, 201]);
    expect(served).toContain('POST /__admin/accounts 201');
  });
});
