import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CHROMIUM, openBrowser } from './support/browser.ts';
import { testEmulator } from './support/emulator.ts';
import { completed } from './support/results.ts';

// What runs in the page knows the names of the page.
// biome-ignore lint/suspicious/noExplicitAny: the compiler does not
declare const document: any;

describe.skipIf(!CHROMIUM)('in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  /** A page of another origin, with this in it. */
  async function pageWith(html: string) {
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

  async function emulatorOnPort() {
    const emulator = await testEmulator();
    const origin = await emulator.app.listen({ port: 0, host: '127.0.0.1' });
    return { ...emulator, urlOf: (url: string) => origin + new URL(url).pathname };
  }

  it.each([
    ['sora-2', { modelTier: 'sora2', aspectRatio: 'portrait', videoDuration: '10' }, [704, 1280, 10]],
    ['veo-3', { resolution: '4k', aspectRatio: '16:9' }, [3840, 2160, 8]],
    ['seedance-1-5-pro', { resolution: '720p', aspectRatio: 'landscape', duration: '12' }, [1280, 720, 12]],
  ] as const)(
    'a video of %s plays, can be jumped in, and its frames can be looked at',
    async (family, body, expected) => {
      const emulator = await emulatorOnPort();
      const url = emulator.urlOf((await completed(emulator as never, family, body)).videoUrl);
      const page = await pageWith('<video muted autoplay crossorigin="anonymous"></video>');
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
      // White letters on a dark ground, and the bar.
      expect(known.shades).toBeGreaterThan(10);
    },
  );

  it('an image is shown, and a script of another origin can read it', async () => {
    const emulator = await emulatorOnPort();
    const url = emulator.urlOf((await completed(emulator as never, 'nano-banana-pro')).imageUrl);
    const page = await pageWith('<img>');
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
});
