import type { Page, Route } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  openSwitchableProxy,
  type PageElement,
  startListeningEmulator,
  statusError,
  useConsole,
} from '../support/console.ts';

// What runs in the page knows the names of the page.
// biome-ignore lint/suspicious/noExplicitAny: the compiler does not
declare const document: any;

const KEY = 'np_test_frozen';
const REAL_CLOCK_KEY = 'np_test_default';
const IMAGE = '/api/nano-banana-2/generate';

/** Whether somebody looks at a page. */
const setVisibility = (page: Page, state: 'hidden' | 'visible') =>
  page.evaluate((now) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: now });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);

const respondWithError = (code: string, status: number) => (route: Route) =>
  route.fulfill({ status, json: { error: `Refused for ${code}.`, code } });

describe.skipIf(!CHROMIUM)('the console', () => {
  const { openPage } = useConsole();

  it.each(['..', '.', '%2e%2e', '%2E'])('takes no step out of its place where %s stands for a key', async (key) => {
    const { origin } = await startListeningEmulator();
    const { page, requested } = await openPage(origin, `#/accounts/${key}/states`);
    await page.getByRole('heading', { name: 'Accounts' }).waitFor();
    expect(requested.filter((one) => /accounts\/\.|__admin\/(?:requests|tasks|ledger|verdict)/.test(one))).toEqual([]);
  });

  it('leaves its connection to others while nobody sees it, and is right again when somebody does', async () => {
    const { origin, core, order } = await startListeningEmulator();
    const { page, waitUntilLive, rowLabels } = await openPage(origin, accountHref(KEY));
    await waitUntilLive();
    expect(core.events.hasListeners()).toBe(true);
    await setVisibility(page, 'hidden');
    await eventually(() => core.events.hasListeners()).toBe(false);
    await order(KEY, 'unseen');
    expect(core.events.hasListeners()).toBe(false);
    await setVisibility(page, 'visible');
    await waitUntilLive();
    await eventually(rowLabels).toEqual(['unseen sora-2 generating · 0 % 4 cr']);
  });

  it('shows what a task has made, and not what another one had that is like it to the millisecond', async () => {
    const { origin, postOk, callAdmin } = await startListeningEmulator();
    const generateImage = async (prompt: string) => {
      const { taskId } = await postOk(IMAGE, { prompt, mode: 'generate' }, KEY);
      await callAdmin('POST', KEY, '/clock/advance', { toNext: true });
      await callAdmin('POST', KEY, '/clock/advance', { toNext: true });
      return taskId;
    };
    const id = await generateImage('a red cat');
    // It can ask for the picture when the old one is gone and the new one is not made yet.
    const { page } = await openPage(origin, accountHref(KEY, 'tasks', id), { expected: [statusError(404)] });
    const picture = () =>
      page.getByRole('img', { name: 'The imageUrl of this task' }).evaluate(async (image: PageElement) => {
        await image.decode();
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [64, 64];
        canvas.getContext('2d').drawImage(image, 0, 0, 64, 64);
        return canvas.toDataURL();
      });
    const before = await picture();
    await callAdmin('POST', KEY, '/reset');
    expect(await generateImage('a blue dog on the moon, seen from far away')).toBe(id);
    await page.getByText('a blue dog').first().waitFor();
    await eventually(picture).not.toBe(before);
  });

  it('asks again for what could not be had while one task took the place of another that is like it', async () => {
    const { origin, postOk, callAdmin } = await startListeningEmulator();
    const generateImage = async () => {
      const { taskId } = await postOk(IMAGE, { prompt: 'a red cat', mode: 'generate' }, KEY);
      for (let step = 0; step < 2; step++) await callAdmin('POST', KEY, '/clock/advance', { toNext: true });
      return taskId;
    };
    const id = await generateImage();
    const { page } = await openPage(origin, accountHref(KEY, 'tasks', id), { expected: [statusError(404)] });
    const picture = page.getByRole('img', { name: 'The imageUrl of this task' });
    await picture.waitFor();
    // All is reset, and nothing is there yet when it asks for the file.
    let letGo = () => {};
    const isMade = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    await page.route('**/tasks?*', (route) => isMade.then(() => route.continue()));
    await page.route('**/files/*', respondWithError('TASK_NOT_FOUND', 404));
    await callAdmin('POST', KEY, '/reset');
    await page.getByRole('article').getByText('Refused for TASK_NOT_FOUND.').waitFor();
    await page.unroute('**/files/*');
    expect(await generateImage()).toBe(id);
    letGo();
    await picture.waitFor();
  });

  it('brings back no account whose answer comes later than the news that it is gone', async () => {
    const { origin, callAdmin, post } = await startListeningEmulator();
    const { page, row, waitUntilLive } = await openPage(origin);
    await waitUntilLive();
    await row(/^np_test_auto/).waitFor();
    let letGo = () => {};
    const released = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const requestArrived = new Promise<void>((resolve) => {
      void page.route('**/__admin/accounts/np_test_auto', async (route) => {
        const response = await route.fetch();
        resolve();
        await released;
        await route.fulfill({ response });
      });
    });
    await post('/api/sora-2/check-status', { taskId: 'task_1' }, 'np_test_auto');
    await requestArrived;
    await callAdmin('DELETE', 'np_test_auto', '');
    await row(/^np_test_auto/).waitFor({ state: 'detached' });
    letGo();
    // What comes after it has been read after it.
    await post('/api/sora-2/check-status', { taskId: 'task_1' }, 'np_test_limited');
    await row(/^np_test_limited.*2 of 3/).waitFor();
    expect(await row(/^np_test_auto/).count()).toBe(0);
  });

  it('tells of what nobody is told: an hour that ends, a client with a wrong key', async () => {
    const { origin, order, clock, post } = await startListeningEmulator();
    await order(REAL_CLOCK_KEY);
    const { page, region } = await openPage(origin, accountHref(REAL_CLOCK_KEY));
    await region('Limiter').getByText('99 of 100').waitFor();
    clock.advance(3_600_000);
    await region('Limiter').getByText('100 of 100').waitFor();
    await page.getByRole('link', { name: 'Accounts' }).click();
    await page.getByRole('heading', { name: 'Accounts' }).waitFor();
    await post('/api/sora-2/generate', {}, 'sk-wrong');
    await page.getByText('1 request came with no key').waitFor();
  });

  it('does not say of an account that has been used that nobody has asked for anything', async () => {
    const { origin, order } = await startListeningEmulator(['--journal-entries', '0']);
    await order(KEY);
    const { page, tab, row } = await openPage(origin);
    await row(/^np_test_frozen/).click();
    await tab('Requests').click();
    await page.getByText('The journal is empty, or switched off.').waitFor();
    expect(await page.getByRole('heading', { name: 'No requests yet' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Accounts' }).click();
    await row(/^np_test_frozen/).waitFor();
    expect(await page.getByRole('heading', { name: 'No requests yet' }).count()).toBe(0);
  });

  it('reads again what it could not read, though nothing else happens', async () => {
    const { origin, order } = await startListeningEmulator();
    const { page, waitUntilLive, rowLabels } = await openPage(origin, accountHref(KEY), {
      expected: [statusError(503)],
    });
    await waitUntilLive();
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    let count = 0;
    await page.route('**/__admin/accounts/np_test_frozen/tasks?**', (route) => {
      count += 1;
      return count <= 2 ? respondWithError('INTERNAL_ERROR', 503)(route) : route.continue();
    });
    await order(KEY, 'late');
    await eventually(rowLabels).toEqual(['late sora-2 generating · 0 % 4 cr']);
    expect(count).toBeGreaterThan(2);
  });

  it('shows what there is where it may not listen, and says why it does not move', async () => {
    const { origin, order } = await startListeningEmulator(['--listener-limit', '1']);
    const first = await openPage(origin, accountHref(KEY));
    await first.waitUntilLive();
    await order(KEY, 'seen by both');
    const { page, rowLabels } = await openPage(origin, accountHref(KEY), { expected: [statusError(503)] });
    await eventually(rowLabels).toEqual(['seen by both sora-2 generating · 0 % 4 cr']);
    await page.getByText('not connected').waitFor();
    await page
      .getByText(/listen/i)
      .first()
      .waitFor();
  });

  it('notices an emulator that stands still and closes nothing', async () => {
    const { origin } = await startListeningEmulator();
    const door = await openSwitchableProxy(origin);
    const { page, waitUntilLive } = await openPage(door.origin, '#/', { expected: [/./] });
    await waitUntilLive();
    await page.clock.install();
    // The watch that is set with the next word of the emulator is of the clock that can be moved.
    await page.reload();
    await waitUntilLive();
    door.pause();
    await page.clock.fastForward(40_000);
    await page.getByText('not connected').waitFor();
    door.resume();
    await page.clock.fastForward(6000);
    await waitUntilLive();
  });

  it.each([
    ['LOOPBACK_ONLY', 403],
    ['NODE_REQUIRED', 400],
  ])('shows nothing but the reason where it is shut out for %s', async (code, status) => {
    const { origin } = await startListeningEmulator();
    const { page, context } = await openPage(origin, '#/', { expected: [statusError(status)] });
    await context.route('**/__admin/**', respondWithError(code, status));
    await page.reload();
    await page.getByRole('heading', { name: 'The control plane is closed to this page' }).waitFor();
    await page.getByText(`Refused for ${code}.`).waitFor();
    expect(await page.getByRole('button').count()).toBe(0);
    const nodes = page.getByRole('link', { name: /one’s/ });
    expect(await nodes.evaluateAll((links) => links.map((link: PageElement) => link.pathname))).toEqual(
      code === 'NODE_REQUIRED' ? ['/nodes/1/console', '/nodes/2/console'] : [],
    );
  });

  it('tries a token on the account that is looked at: behind a balancer it is all that can be asked', async () => {
    const { origin } = await startListeningEmulator(['--admin-token', 'a long enough one'.replaceAll(' ', '-')]);
    const { page, context, press, waitUntilLive, form } = await openPage(origin, accountHref(KEY), {
      expected: [statusError(401), statusError(400)],
    });
    await context.route('**/__admin/accounts?**', respondWithError('NODE_REQUIRED', 400));
    await form('The admin token').getByLabel('Admin token').fill('a-long-enough-one');
    await press('Go on');
    await waitUntilLive();
    await page.getByRole('heading', { name: KEY }).waitFor();
  });

  it('has a title for each view, so that tabs can be told apart', async () => {
    const { origin } = await startListeningEmulator();
    const { page, tab } = await openPage(origin);
    await eventually(() => page.title()).toBe('accounts · nanophoto-emulator');
    await page.goto(`${origin}/console${accountHref(KEY)}`);
    await tab('Ledger').click();
    await eventually(() => page.title()).toBe('np_test_frozen ledger · nanophoto-emulator');
  });
});
