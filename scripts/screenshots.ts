import { mkdir } from 'node:fs/promises';
import sharp from 'sharp';
import { startEmulator } from '../src/index.ts';
import { CHROMIUM, openBrowser } from '../test/support/browser.ts';

// Takes the screenshots in docs/screenshots/README.md, of an account with a frozen clock and plausible data.

const OUTPUT_DIR = 'docs/screenshots';
const WIDE = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 860 };
const START_TIME = '2026-01-31T09:00:00.000Z';
const JSON_TYPE = { 'content-type': 'application/json' };

if (!CHROMIUM) {
  process.stderr.write('screenshots: Chromium not found; install it or set CHROMIUM to its path.\n');
  process.exit(2);
}
await mkdir(OUTPUT_DIR, { recursive: true });
const emulator = await startEmulator({ port: 6266 });
const browser = await openBrowser();
try {
  await takeScreenshot(browser, 'first-run', '#/', {});
  const ids = await populate();
  const accountHash = (rest: string) => `#/accounts/np_test_shop/${rest}`;
  await takeScreenshot(browser, 'accounts', '#/', {});
  await takeScreenshot(browser, 'timeline', accountHash('timeline'), { selector: '.event-row' });
  await takeScreenshot(browser, 'tasks', accountHash(`tasks/${ids.done}`), { selector: 'video.result' });
  await takeScreenshot(browser, 'request', accountHash(`requests/${ids.refused}`), { selector: 'article' });
  await takeScreenshot(browser, 'ledger', accountHash('ledger'), { isDark: true });
  await takeScreenshot(browser, 'verdict', accountHash('verdict'), { selector: '.finding' });
  await takeScreenshot(browser, 'faults', accountHash('faults'), { selector: '.rules li' });
  await takeScreenshot(browser, 'phone', accountHash('timeline'), { size: PHONE, selector: '.event-row' });
} finally {
  await browser.close();
  await emulator.close();
}

/** Sends what a client and its tests might send. Returns the ids of a finished task and of a rejected request. */
async function populate(): Promise<{ done: string; refused: string }> {
  const key = 'np_test_shop';
  const account = await emulator.accounts.create({
    key,
    credits: 500,
    clock: { mode: 'frozen', now: START_TIME },
  });
  const post = async (path: string, body: object, bearer = key) => {
    const headers = { ...JSON_TYPE, authorization: `Bearer ${bearer}` };
    const response = await fetch(emulator.url + path, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    return (await response.json()) as Record<string, string>;
  };
  const video = (prompt: string, more: object = {}) =>
    post('/api/sora-2/generate', { prompt, mode: 'textToVideo', aspectRatio: 'landscape', ...more });
  const poll = (taskId: string) => post('/api/sora-2/check-status', { taskId });

  const { taskId: done } = await video('A golden retriever running on a beach at sunset, cinematic lighting');
  await poll(done!);
  await post('/api/nano-banana-2/generate', {
    prompt: 'A red bicycle against a yellow wall',
    mode: 'generate',
  });
  await account.clock.advance(200_000);
  await poll(done!);
  await poll(done!);
  await account.faults.add({
    at: 'task',
    effect: { errorCode: 'GENERATION_FAILED' },
    match: { contains: 'storm' },
    times: 1,
  });
  await account.faults.add({
    at: 'request',
    effect: { delayMs: 250 },
    match: { endpoint: '/api/veo-3/generate' },
  });
  await video('A lighthouse in a storm, waves breaking over the rocks');
  await post('/api/sora-2/generate', { mode: 'textToVideo' });
  await account.clock.advance(200_000);
  await post('/api/sora-2-tvc/generate', { adTheme: 'A new kind of tea, for people who get up early' });
  await post('/api/seedance-1-5-pro/generate', {
    ...{ prompt: 'A cat watches snow fall outside the window', mode: 'textToVideo' },
    ...{ aspectRatio: 'landscape', resolution: '720p', duration: '8' },
  });
  const shot = { generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' };
  await post('/api/veo-3/generate', {
    shots: [
      { ...shot, id: 'opening', prompt: 'A train leaves the station' },
      { ...shot, id: 'end', prompt: 'It arrives at the sea' },
    ],
    resolution: '720p',
  });
  await account.clock.advance(31_000);
  await video('A paper boat on a river, seen from above', { modelTier: 'sora2-pro-standard' });
  await post('/api/nano-banana-pro/generate', { prompt: 'A lighthouse as a woodcut', mode: 'generate' });
  await account.clock.advance(9000);
  const order = { prompt: 'A cat at the piano', mode: 'textToVideo' };
  for (const bearer of ['np_test_frozen', 'np_test_ci_17', 'sk_live_0123456789abcdef']) {
    await post('/api/sora-2/generate', order, bearer);
  }
  const [refused] = await account.requests.list({ status: 400 });
  return { done: done!, refused: refused!.id };
}

interface ScreenshotOptions {
  /** Waits for this element. */
  selector?: string;
  size?: typeof WIDE;
  isDark?: boolean;
}

async function takeScreenshot(
  browser: Awaited<ReturnType<typeof openBrowser>>,
  name: string,
  hash: string,
  { selector = '.row', size = WIDE, isDark = false }: ScreenshotOptions,
) {
  const colorScheme = isDark ? 'dark' : 'light';
  const page = await browser.newPage({ viewport: size, deviceScaleFactor: 1.5, colorScheme });
  await page.goto(`${emulator.url}/console${hash}`);
  await page.locator(selector).first().waitFor();
  // Wait for thumbnails and videos.
  await page.waitForTimeout(1500);
  const image = await page.screenshot();
  await sharp(image).png({ palette: true, quality: 90, effort: 10 }).toFile(`${OUTPUT_DIR}/${name}.png`);
  await page.close();
}
