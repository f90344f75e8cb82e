import type { Page, Route } from '@playwright/test';
import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import {
  accountHref,
  eventually,
  holdResponses,
  navigate,
  type PageElement,
  startListeningEmulator,
  statusError,
  useConsole,
} from '../support/console.ts';
import { openSwitchableProxy } from '../support/switchable-proxy.ts';

// Globals of the page, for functions that run there.
// biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without DOM types
declare const document: any;

const KEY = 'np_test_frozen';
const REAL_CLOCK_KEY = 'np_test_default';
const IMAGE = '/api/nano-banana-2/generate';
/** After this time, the page repeats a failed read, reads what has no events, and disconnects while hidden. */
const PAUSE_MS = 3000;

/** Simulates a page that becomes hidden or visible. */
const setVisibility = (page: Page, state: 'hidden' | 'visible') =>
  page.evaluate((now) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: now });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);

const respondWithError = (code: string, status: number) => (route: Route) =>
  route.fulfill({ status, json: { error: `Refused for ${code}.`, code } });

describe.skipIf(!CHROMIUM)('console resilience', () => {
  const { openPage, createAccount } = useConsole();

  it('sends no request for a key that is a dot segment', async () => {
    const { origin } = await startListeningEmulator();
    const { page, requested } = await openPage(origin, accountHref(KEY));
    for (const key of ['..', '.', '%2e%2e', '%2E']) {
      await navigate(page, { hash: `#/accounts/${key}/states`, text: '6 accounts' });
      await navigate(page, { hash: accountHref(KEY, 'states'), text: 'No snapshots.' });
    }
    expect(requested.filter((one) => /accounts\/\.|__admin\/(?:requests|tasks|ledger|verdict)/.test(one))).toEqual([]);
  });

  it('disconnects while hidden, and catches up when visible', async () => {
    const { origin, core, order } = await startListeningEmulator();
    const { page, waitUntilLive, rowLabels } = await openPage(origin, accountHref(KEY), { isClockControlled: true });
    await waitUntilLive();
    expect(core.events.hasListeners()).toBe(true);
    await setVisibility(page, 'hidden');
    await page.clock.fastForward(PAUSE_MS);
    await eventually(() => core.events.hasListeners()).toBe(false);
    await order(KEY, 'unseen');
    expect(core.events.hasListeners()).toBe(false);
    await setVisibility(page, 'visible');
    await waitUntilLive();
    await eventually(rowLabels).toEqual(['unseen sora-2 generating · 0 % 4 cr']);
  });

  it('replaces a cached result when another task has the same id and timestamps', async () => {
    const { key, origin, postOk, callAdmin } = await createAccount();
    const generateImage = async (prompt: string) => {
      const { taskId } = await postOk(IMAGE, { prompt, mode: 'generate' }, key);
      await callAdmin('POST', key, '/clock/advance', { toNext: true });
      await callAdmin('POST', key, '/clock/advance', { toNext: true });
      return taskId;
    };
    const id = await generateImage('a red cat');
    // The page may request the image after the old one is gone and before the new one exists.
    const { page } = await openPage(origin, accountHref(key, 'tasks', id), { expected: [statusError(404)] });
    const image = () =>
      page.getByRole('img', { name: 'The imageUrl of this task' }).evaluate(async (image: PageElement) => {
        await image.decode();
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [64, 64];
        canvas.getContext('2d').drawImage(image, 0, 0, 64, 64);
        return canvas.toDataURL();
      });
    const before = await image();
    await callAdmin('POST', key, '/reset');
    expect(await generateImage('a blue dog on the moon, seen from far away')).toBe(id);
    await page.getByText('a blue dog').first().waitFor();
    await eventually(image).not.toBe(before);
  });

  it('retries a failed result once the task was replaced by one with the same id and timestamps', async () => {
    const { key, origin, postOk, callAdmin } = await createAccount();
    const generateImage = async () => {
      const { taskId } = await postOk(IMAGE, { prompt: 'a red cat', mode: 'generate' }, key);
      for (let step = 0; step < 2; step++) await callAdmin('POST', key, '/clock/advance', { toNext: true });
      return taskId;
    };
    const id = await generateImage();
    const { page } = await openPage(origin, accountHref(key, 'tasks', id), { expected: [statusError(404)] });
    const image = page.getByRole('img', { name: 'The imageUrl of this task' });
    await image.waitFor();
    // After the reset, the page requests the file before the new task exists.
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/tasks?*', (route) => released.then(() => route.continue()));
    await page.route('**/files/*', respondWithError('TASK_NOT_FOUND', 404));
    await callAdmin('POST', key, '/reset');
    await page.getByRole('article').getByText('Refused for TASK_NOT_FOUND.').waitFor();
    await page.unroute('**/files/*');
    expect(await generateImage()).toBe(id);
    release();
    await image.waitFor();
  });

  it('ignores a late response for an account that was removed', async () => {
    const { origin, callAdmin, post } = await startListeningEmulator();
    const { page, row, waitUntilLive } = await openPage(origin);
    await waitUntilLive();
    await row(/^np_test_auto/).waitFor();
    const { isHeld, release } = await holdResponses(page, '**/__admin/accounts/np_test_auto');
    // Repeated, because a periodic reload of the list can replace the read of the single account.
    const triggerRead = async () => {
      await post('/api/sora-2/check-status', { taskId: 'task_1' }, 'np_test_auto');
      return isHeld();
    };
    await eventually(triggerRead).toBe(true);
    await callAdmin('DELETE', 'np_test_auto', '');
    await row(/^np_test_auto/).waitFor({ state: 'detached' });
    release();
    // The page reads this account after the late response.
    await post('/api/sora-2/check-status', { taskId: 'task_1' }, 'np_test_limited');
    await row(/^np_test_limited.*2 of 3/).waitFor();
    expect(await row(/^np_test_auto/).count()).toBe(0);
  });

  it('shows changes without events: the end of a rate limit hour, an unauthorized request', async () => {
    const { origin, order, clock, post } = await startListeningEmulator();
    await order(REAL_CLOCK_KEY);
    const { page, region, waitUntilLive } = await openPage(origin, accountHref(REAL_CLOCK_KEY), {
      isClockControlled: true,
    });
    await waitUntilLive();
    await region('Rate limit').getByText('99 of 100').waitFor();
    clock.advance(3_600_000);
    await page.clock.fastForward(PAUSE_MS);
    await region('Rate limit').getByText('100 of 100').waitFor();
    await page.getByRole('link', { name: 'Accounts' }).click();
    await page.getByRole('heading', { name: 'Accounts' }).waitFor();
    await waitUntilLive();
    await post('/api/sora-2/generate', {}, 'sk-wrong');
    await page.clock.fastForward(PAUSE_MS);
    await page.getByText('1 request without a valid key got a 401.').waitFor();
  });

  it('does not call a used account unused if the journal is off', async () => {
    const { origin, order } = await startListeningEmulator(['--journal-entries', '0']);
    await order(KEY);
    const { page, tab, row } = await openPage(origin);
    await row(/^np_test_frozen/).click();
    await tab('Requests').click();
    await page.getByText('The journal is empty or switched off.').waitFor();
    expect(await page.getByRole('heading', { name: 'No requests yet' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Accounts' }).click();
    await row(/^np_test_frozen/).waitFor();
    expect(await page.getByRole('heading', { name: 'No requests yet' }).count()).toBe(0);
  });

  it('retries a failed read without a further event', async () => {
    const { origin, order } = await startListeningEmulator();
    const { page, waitUntilLive, rowLabels } = await openPage(origin, accountHref(KEY), {
      expected: [statusError(503)],
      isClockControlled: true,
    });
    await waitUntilLive();
    await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
    let count = 0;
    await page.route('**/__admin/accounts/np_test_frozen/tasks?**', (route) => {
      count += 1;
      return count <= 2 ? respondWithError('INTERNAL_ERROR', 503)(route) : route.continue();
    });
    await order(KEY, 'late');
    await eventually(async () => {
      // In parts, so that the connection for events does not seem silent.
      await page.clock.fastForward(PAUSE_MS / 6);
      return count;
    }).toBeGreaterThan(2);
    await eventually(rowLabels).toEqual(['late sora-2 generating · 0 % 4 cr']);
  });

  it('shows data and the reason when the listener limit is reached', async () => {
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

  it('detects a stalled emulator that closes no connection', async () => {
    const { origin } = await startListeningEmulator();
    const proxy = await openSwitchableProxy(origin);
    const { page, waitUntilLive } = await openPage(proxy.origin, '#/', { expected: [/./], isClockControlled: true });
    await waitUntilLive();
    proxy.pause();
    await page.clock.fastForward(40_000);
    await page.getByText('not connected').waitFor();
    proxy.resume();
    await page.clock.fastForward(6000);
    await waitUntilLive();
  });

  it.each([
    ['LOOPBACK_ONLY', 403],
    ['NODE_REQUIRED', 400],
  ])('shows only the reason when access is denied with %s', async (code, status) => {
    const { origin } = await startListeningEmulator();
    const { page } = await openPage(origin, '#/', { expected: [statusError(status)] });
    await page.route('**/__admin/**', respondWithError(code, status));
    await page.reload();
    await page.getByRole('heading', { name: 'No access to the control plane' }).waitFor();
    await page.getByText(`Refused for ${code}.`).waitFor();
    expect(await page.getByRole('button').count()).toBe(0);
    const nodes = page.getByRole('link', { name: /^node \d$/ });
    expect(await nodes.evaluateAll((links) => links.map((link: PageElement) => link.pathname))).toEqual(
      code === 'NODE_REQUIRED' ? ['/nodes/1/console', '/nodes/2/console'] : [],
    );
  });

  it('tries a token on the open account, the only path that works behind a balancer', async () => {
    const { origin } = await startListeningEmulator(['--admin-token', 'a long enough one'.replaceAll(' ', '-')]);
    const { page, press, waitUntilLive, form } = await openPage(origin, accountHref(KEY), {
      expected: [statusError(401), statusError(400)],
    });
    await page.route('**/__admin/accounts?**', respondWithError('NODE_REQUIRED', 400));
    await form('Admin token').getByLabel('Admin token').fill('a-long-enough-one');
    await press('Continue');
    await waitUntilLive();
    await page.getByRole('heading', { name: KEY }).waitFor();
  });

  it('has a document title for each view', async () => {
    const { origin } = await startListeningEmulator();
    const { page, tab } = await openPage(origin);
    await eventually(() => page.title()).toBe('accounts · nanophoto-emulator');
    await page.goto(`${origin}/console${accountHref(KEY)}`);
    await tab('Ledger').click();
    await eventually(() => page.title()).toBe('np_test_frozen ledger · nanophoto-emulator');
  });
});
