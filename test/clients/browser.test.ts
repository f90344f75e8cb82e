import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContext, Locator, Page } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CHROMIUM, openBrowser } from '../support/browser.ts';
import { accountHref, isInView } from '../support/console.ts';
import { createTestEmulator, useTestEmulator } from '../support/emulator.ts';
import { completeTask } from '../support/results.ts';

// Code that runs in the page uses the page's globals.
// biome-ignore lint/suspicious/noExplicitAny: the types of the DOM are not loaded
declare const document: any;

describe.skipIf(!CHROMIUM)('browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });

  describe('page of another origin', () => {
    const { emulator } = useTestEmulator();
    let server: Server;
    let page: Page;
    let origin: string;
    beforeAll(async () => {
      origin = await emulator().app.listen({ port: 0, host: '127.0.0.1' });
      server = createServer((_request, response) => {
        response.setHeader('content-type', 'text/html').end('<!doctype html><body></body>');
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    });
    afterAll(async () => {
      await page?.close();
      server?.close();
    });
    const toLocalUrl = (url: string) => origin + new URL(url).pathname;

    it.each([
      ['sora-2', { modelTier: 'sora2', aspectRatio: 'portrait', videoDuration: '10' }, [704, 1280, 10]],
      ['veo-3', { resolution: '4k', aspectRatio: '16:9' }, [3840, 2160, 8]],
      ['seedance-1-5-pro', { resolution: '720p', aspectRatio: 'landscape', duration: '12' }, [1280, 720, 12]],
    ] as const)('plays a video of %s, seeks in it and reads its frames', async (family, body, expected) => {
      const url = toLocalUrl((await completeTask(emulator(), family, body)).videoUrl);
      const known = await page.evaluate(async (src) => {
        const video = document.createElement('video');
        Object.assign(video, { muted: true, autoplay: true, crossOrigin: 'anonymous' });
        document.body.replaceChildren(video);
        const happens = (event: string) =>
          new Promise((resolve, reject) => {
            video.addEventListener(event, resolve, { once: true });
            video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true });
          });
        const hasPlayed = new Promise<void>((resolve) => {
          video.addEventListener('timeupdate', () => video.currentTime > 0.1 && resolve());
        });
        video.src = src;
        await happens('loadedmetadata');
        await hasPlayed;
        const seeked = happens('seeked');
        video.currentTime = video.duration - 1;
        await seeked;
        const canvas = Object.assign(document.createElement('canvas'), {
          width: 64,
          height: 64,
        });
        const context = canvas.getContext('2d')!;
        context.drawImage(video, 0, 0, 64, 64);
        const shades = new Set(context.getImageData(0, 0, 64, 64).data);
        return { size: [video.videoWidth, video.videoHeight, video.duration], shades: shades.size };
      }, url);
      expect(known.size).toEqual(expected);
      // White text and a bar on a dark background.
      expect(known.shades).toBeGreaterThan(10);
    });

    it('shows an image, and lets a script of another origin read it', async () => {
      const url = toLocalUrl((await completeTask(emulator(), 'nano-banana-pro')).imageUrl);
      const known = await page.evaluate(async (src) => {
        const image = document.createElement('img');
        image.src = src;
        await image.decode();
        const response = await fetch(src, { headers: { range: 'bytes=0-9' } });
        return {
          size: [image.naturalWidth, image.naturalHeight],
          part: [response.status, response.headers.get('content-range'), (await response.blob()).size],
        };
      }, url);
      expect(known.size).toEqual([1376, 768]);
      expect(known.part).toEqual([206, expect.stringMatching(/^bytes 0-9\/\d+$/), 10]);
    });
  });

  describe('page at /docs', () => {
    /** Starts an emulator, and records the requests and console messages of all pages in a new browser context. */
    async function startRecording() {
      const { app, get, post } = await createTestEmulator();
      const origin = await app.listen({ port: 0, host: '127.0.0.1' });
      const context = await browser.newContext();
      // The page's script is large.
      context.setDefaultTimeout(90_000);
      onTestFinished(() => context.close());
      const requests: string[] = [];
      const consoleMessages: string[] = [];
      context.on('request', (request) => requests.push(`${request.method()} ${request.url()}`));
      context.on('console', (line) => line.type() !== 'info' && consoleMessages.push(line.text()));
      context.on('weberror', (error) => consoleMessages.push(error.error().message));
      return { origin, get, post, context, requests, consoleMessages };
    }

    /** Selects a document and resolves to it once it is shown. */
    async function choose(page: Page, name: 'API' | 'Control plane', url: string) {
      await page.getByRole('button', { name: /^(API|Control plane)$/ }).click();
      await page.getByRole('option', { name, exact: true }).click();
      // biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document
      const document: any = await page.evaluate(async (address) => (await fetch(address)).json(), url);
      await page.getByRole('heading', { level: 1, name: document.info.title, exact: true }).waitFor();
      return document;
    }

    /** Sends the operation as the page suggests it, and checks the dialog with the response. */
    async function send(
      page: Page,
      { paths }: { paths: Record<string, never> },
      method: string,
      path: string,
      check: (dialog: Locator) => Promise<void>,
    ) {
      const { tags, summary } = paths[path]![method] as { tags: string[]; summary: string };
      const closed = page.getByRole('button', { name: `Open Group - ${tags[0]}` });
      if (await closed.isVisible()) await closed.click();
      await page.getByRole('link', { name: `${summary} HTTP Method:` }).click();
      await page.getByRole('button', { name: `(${method} ${path})` }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('button', { name: `Send ${method} request` }).click();
      await dialog.getByText('200 OK').waitFor();
      await check(dialog);
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'hidden' });
    }

    /** Polls rarely, because each search through the large page takes long. */
    const waitUntilInView = (texts: Locator) => expect.poll(() => isInView(texts), { interval: 500 }).toBe(true);

    /** Opens the page with the console's links to an error code and to an endpoint, and waits until it shows them. */
    async function followConsoleLinks(context: BrowserContext, origin: string): Promise<Page> {
      const consolePage = await context.newPage();
      await consolePage.goto(`${origin}/console${accountHref('np_test_default', 'requests', '1')}`);
      const link = consolePage.getByRole('article').getByRole('link', { name: 'INVALID_PROMPT' });
      const [page] = await Promise.all([consolePage.waitForEvent('popup'), link.click()]);
      await waitUntilInView(page.getByText(/^INVALID_PROMPT, INVALID_INPUT,/));
      await waitUntilInView(page.getByText('/api/nano-banana-2/generate', { exact: true }));
      // Only the fragment differs, so the page stays open.
      const whole = consolePage.getByRole('link', { name: 'API reference: Generate or edit an image' });
      await page.goto(new URL((await whole.getAttribute('href'))!, origin).href);
      await waitUntilInView(page.getByRole('heading', { name: 'Generate or edit an image' }));
      await consolePage.close();
      return page;
    }

    // In one test, because loading the page takes most of it.
    it('opens at links of the console, sends requests only to the emulator, and fits on a phone', async () => {
      const { origin, get, post, context, requests, consoleMessages } = await startRecording();
      await post('/api/nano-banana-2/generate', { mode: 'generate' });
      const page = await followConsoleLinks(context, origin);
      const api = await choose(page, 'API', `${origin}/openapi.json`);
      await send(page, api, 'post', '/api/sora-2/generate', async (dialog) => {
        const { tasks } = (await get('/__admin/accounts/np_test_default/tasks')).body;
        expect(tasks).toHaveLength(1);
        await dialog.getByText(tasks[0].id).waitFor();
      });
      expect(requests).toContain(`POST ${origin}/api/sora-2/generate`);

      // Other pages can neither read nor write here; writing requires a header.
      const controlPlane = await choose(page, 'Control plane', `${origin}/__admin/openapi.json`);
      await send(page, controlPlane, 'get', '/__admin/accounts', (dialog) =>
        dialog.getByText('"np_test_auto"').waitFor(),
      );
      await post('/__admin/faults', { at: 'request', effect: { delayMs: 1 } }, null);
      await send(page, controlPlane, 'post', '/__admin/reset', async () =>
        expect((await get('/__admin/faults')).body.faults).toEqual([]),
      );

      await page.setViewportSize({ width: 390, height: 844 });
      expect(await page.locator('meta[name=viewport]').getAttribute('content')).toContain('width=device-width');
      const { summary } = controlPlane.paths['/__admin/accounts'].get;
      await page.getByRole('button', { name: 'Open Menu' }).click();
      await page
        .getByRole('link', { name: new RegExp(`^${summary}`) })
        .first()
        .click();
      await page.getByRole('heading', { name: summary }).first().waitFor();
      expect(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')).toBe(
        0,
      );
      const toConsole = page.getByRole('link', { name: 'Console' });
      // The link stays in view.
      expect((await toConsole.boundingBox())!.y).toBeLessThan(40);
      await toConsole.click();
      await page.waitForURL(`${origin}/console`);
      expect(requests.filter((one) => !one.includes(` ${origin}/`))).toEqual([]);
      expect(consoleMessages).toEqual([]);
    });
  });
});
