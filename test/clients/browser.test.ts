import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContextOptions, Locator } from '@playwright/test';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CHROMIUM, openBrowser } from '../support/browser.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { completeTask } from '../support/results.ts';

// Code that runs in the page uses the page's globals.
// biome-ignore lint/suspicious/noExplicitAny: the types of the DOM are not loaded
declare const document: any;

describe.skipIf(!CHROMIUM)('browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });

  /** Opens a page of another origin with this content. */
  async function openPage(html: string) {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end(`<!doctype html>${html}`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return page;
  }

  async function startEmulatorOnPort() {
    const emulator = await createTestEmulator();
    const origin = await emulator.app.listen({ port: 0, host: '127.0.0.1' });
    return { ...emulator, origin, toLocalUrl: (url: string) => origin + new URL(url).pathname };
  }

  it.each([
    ['sora-2', { modelTier: 'sora2', aspectRatio: 'portrait', videoDuration: '10' }, [704, 1280, 10]],
    ['veo-3', { resolution: '4k', aspectRatio: '16:9' }, [3840, 2160, 8]],
    ['seedance-1-5-pro', { resolution: '720p', aspectRatio: 'landscape', duration: '12' }, [1280, 720, 12]],
  ] as const)('plays a video of %s, seeks in it and reads its frames', async (family, body, expected) => {
    const emulator = await startEmulatorOnPort();
    const url = emulator.toLocalUrl((await completeTask(emulator as never, family, body)).videoUrl);
    const page = await openPage('<video muted autoplay crossorigin="anonymous"></video>');
    const known = await page.evaluate(async (src) => {
      const video = document.querySelector('video');
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
    const emulator = await startEmulatorOnPort();
    const url = emulator.toLocalUrl((await completeTask(emulator as never, 'nano-banana-pro')).imageUrl);
    const page = await openPage('<img>');
    const known = await page.evaluate(async (src) => {
      const image = document.querySelector('img');
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

  describe('page at /docs', () => {
    /** Opens the page and records its requests and console messages. */
    async function openDocsPage(options: BrowserContextOptions = {}) {
      const { origin, get, post } = await startEmulatorOnPort();
      const page = await browser.newPage(options);
      // The page's script is large.
      page.setDefaultTimeout(90_000);
      onTestFinished(() => page.close());
      const requests: string[] = [];
      const consoleMessages: string[] = [];
      page.on('request', (request) => requests.push(`${request.method()} ${request.url()}`));
      page.on('console', (line) => line.type() !== 'info' && consoleMessages.push(line.text()));
      page.on('pageerror', (error) => consoleMessages.push(error.message));
      await page.goto(`${origin}/docs`);

      /** Selects a document and resolves to it once it is shown. */
      async function choose(name: 'API' | 'Control plane', path: string) {
        await page.getByRole('button', { name: /^(API|Control plane)$/ }).click();
        await page.getByRole('option', { name, exact: true }).click();
        // biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document
        const document: any = await page.evaluate(async (url) => (await fetch(url)).json(), origin + path);
        await page.getByRole('heading', { level: 1, name: document.info.title, exact: true }).waitFor();
        return document;
      }
      /** Sends the operation as the page suggests it, and checks the dialog with the response. */
      async function send(
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
      const findForeignRequests = () => requests.filter((one) => !one.includes(` ${origin}/`));
      return { origin, get, post, page, requests, findForeignRequests, consoleMessages, choose, send };
    }

    // In one test, because loading the page takes most of it.
    it('shows both documents, and sends requests only to the emulator', async () => {
      const { origin, get, post, requests, findForeignRequests, consoleMessages, choose, send } = await openDocsPage();
      const api = await choose('API', '/openapi.json');
      await send(api, 'post', '/api/sora-2/generate', async (dialog) => {
        const { tasks } = (await get('/__admin/accounts/np_test_default/tasks')).body;
        expect(tasks).toHaveLength(1);
        await dialog.getByText(tasks[0].id).waitFor();
      });
      expect(requests).toContain(`POST ${origin}/api/sora-2/generate`);

      // Other pages can neither read nor write here; writing requires a header.
      const controlPlane = await choose('Control plane', '/__admin/openapi.json');
      await send(controlPlane, 'get', '/__admin/accounts', (dialog) => dialog.getByText('"np_test_auto"').waitFor());
      await post('/__admin/faults', { at: 'request', effect: { delayMs: 1 } }, null);
      await send(controlPlane, 'post', '/__admin/reset', async () =>
        expect((await get('/__admin/faults')).body.faults).toEqual([]),
      );
      expect(findForeignRequests()).toEqual([]);
      expect(consoleMessages).toEqual([]);
    });

    it('fits on a phone, where its menu leads to the operations, and links to the console', async () => {
      const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
      const { origin, page, consoleMessages } = await openDocsPage(phone);
      const hasOverflow = () =>
        page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
      const toConsole = page.getByRole('link', { name: 'Console' });
      await page.getByRole('button', { name: 'Open Menu' }).tap();
      await page
        .getByRole('link', { name: /^Poll a video/ })
        .first()
        .tap();
      await page.getByRole('heading', { name: 'Poll a video' }).first().waitFor();
      expect(await hasOverflow()).toBe(false);
      // The link stays in view.
      expect((await toConsole.boundingBox())!.y).toBeLessThan(40);
      await toConsole.tap();
      await page.waitForURL(`${origin}/console`);
      expect(consoleMessages).toEqual([]);
    });
  });
});
