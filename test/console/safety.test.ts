import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { accountHref, eventually, startListeningEmulator, statusError, useConsole } from '../support/console.ts';
import { accountPath } from '../support/nginx-cluster.ts';
import { createPopulatedEmulator } from '../support/populated-emulator.ts';
import { openSwitchableProxy } from '../support/switchable-proxy.ts';

const KEY = 'np_test_frozen';
const TOKEN = 'open-sesame-2026';
const DIST = new URL('../../dist/console/', import.meta.url);
const MAX_BYTES = 80_000;

describe('console files', () => {
  it(`are smaller than ${MAX_BYTES / 1000} kB in total, compressed`, () => {
    const page = gzipSync(readFileSync(new URL('page.html', DIST)));
    const files = readdirSync(new URL('assets/', DIST));
    expect(files.map((name) => name.split('.').slice(1).join('.')).sort()).toEqual(['css.gz', 'js.gz']);
    const sizes = files.map((name) => readFileSync(new URL(`assets/${name}`, DIST)).length);
    expect(sizes.reduce((sum, one) => sum + one, page.length)).toBeLessThan(MAX_BYTES);
  });
});

describe.skipIf(!CHROMIUM)('console safety', () => {
  const { openPage, browser } = useConsole();

  it('every view only contacts the emulator, under a policy that allows nothing else', async () => {
    const { origin, views } = await createPopulatedEmulator();
    const { page, requested } = await openPage(origin);
    const policy = (await page.reload())!.headers()['content-security-policy']!;
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
    ])
      expect(policy.split('; ')).toContain(part);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    for (const { hash, text } of Object.values(views)) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page.getByText(text).first().waitFor();
    }
    // useConsole also fails every test that contacts another host or logs an error.
    const urls = [...new Set(requested.map((one) => one.split(' ')[1]!))];
    expect(urls.filter((url) => !url.startsWith(`${origin}/`) && !/^(?:blob|data):/.test(url))).toEqual([]);
    const paths = urls.flatMap((url) => (url.startsWith(origin) ? [new URL(url).pathname] : []));
    const known = /^\/(?:console(?:\/assets\/[\w.-]+)?|openapi\.json|__admin\/.+)$/;
    expect(paths.filter((path) => !known.test(path))).toEqual([]);
  });

  it('the policy blocks injected markup, scripts, styles, frames and requests', async () => {
    const { origin } = await startListeningEmulator();
    const { page } = await openPage(origin, '#/', { expected: [/./] });
    await page.evaluate(`(() => {
      const blocked = (document.blocked = new Set());
      addEventListener('securitypolicyviolation', ({ violatedDirective }) => blocked.add(violatedDirective));
      const attempt = (work) => { try { work(); } catch (error) { blocked.add(error.name); } };
      const put = (name, own) => document.body.append(Object.assign(document.createElement(name), own));
      attempt(() => { document.body.innerHTML = '<img src=x onerror=hit=1>'; });
      attempt(() => put('script', { text: 'hit=2' }));
      attempt(() => put('style', { textContent: '* {}' }));
      attempt(() => put('iframe', { src: '/docs' }));
      attempt(() => put('img', { src: 'http://127.0.0.1:9/' }));
      fetch('http://127.0.0.1:9/').catch(() => {});
    })()`);
    await eventually(() => page.evaluate('[...document.blocked].sort()')).toEqual([
      ...['TypeError', 'connect-src', 'frame-src', 'img-src', 'require-trusted-types-for', 'style-src-elem'],
    ]);
  });

  it('writes carry the console header, and are rejected without it', async () => {
    const { origin, read } = await startListeningEmulator();
    const { page, press, expectToast } = await openPage(origin, accountHref(KEY), {
      expected: [statusError(403)],
    });
    const adminRequests: [string, string | undefined][] = [];
    page.on('request', (request) => {
      if (request.url().includes('/__admin/'))
        adminRequests.push([request.method(), request.headers()['x-emulator-console']]);
    });
    await press('+1 minute');
    await expectToast(/^Advanced by 1:00 min/);
    expect(adminRequests.filter(([method]) => method === 'POST')).toEqual([['POST', '1']]);
    expect(adminRequests.filter(([, header]) => header !== '1')).toEqual([]);
    const { now } = (await read(KEY)).clock;
    const forged = await page.evaluate(
      `fetch(${JSON.stringify(`${accountPath(KEY)}/clock/advance`)}, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"ms":60000}',
      }).then((response) => response.json())`,
    );
    expect(forged).toMatchObject({ code: 'FOREIGN_PAGE' });
    expect((await read(KEY)).clock.now).toBe(now);
  });

  it('pages of other origins can neither write nor embed the console', async () => {
    const { origin, callAdmin, read } = await startListeningEmulator();
    const other = await startListeningEmulator();
    await callAdmin('POST', KEY, '/credits', { amount: 5 });
    const page = await browser().newPage();
    onTestFinished(() => page.close());
    // A page of another emulator, which has no policy of its own.
    await page.goto(`${other.origin}/health`);
    const outcome = await page.evaluate(`(() => {
      const reset = (options) =>
        fetch(${JSON.stringify(`${origin}${accountPath(KEY)}/reset`)}, { method: 'POST', ...options })
          .then(({ type }) => type, () => 'refused');
      return Promise.all([reset({ headers: { 'x-emulator-console': '1' } }), reset({ mode: 'no-cors' })]);
    })()`);
    expect(outcome).toEqual(['refused', 'opaque']);
    expect((await read(KEY)).credits).toBe(1005);

    await page.evaluate(`document.body.append(Object.assign(document.createElement('iframe'), {
      src: ${JSON.stringify(`${origin}/console`)},
    }))`);
    await eventually(() => page.frames().map((frame) => frame.url())).toEqual([
      `${other.origin}/health`,
      expect.stringMatching(/^chrome-error:/),
    ]);
  });

  describe('with an admin token', () => {
    it('rejects wrong tokens, and accepts the right one for this tab only', async () => {
      const { origin, send } = await startListeningEmulator(['--admin-token', TOKEN]);
      const { page, form, press, expectToast, waitUntilLive, rows, requested } = await openPage(origin, '#/', {
        expected: [statusError(401)],
      });
      const field = form('Admin token').getByLabel('Admin token');
      await page.getByRole('heading', { name: 'Admin token required' }).waitFor();
      expect(await field.getAttribute('type')).toBe('password');
      await eventually(() => field.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true);
      for (const wrong of ['not the one', 'wörng …', `${TOKEN} `]) {
        await field.fill(wrong);
        await page.keyboard.press('Enter');
        await expectToast('Wrong admin token.');
        expect(await field.isVisible()).toBe(true);
      }
      await field.fill(TOKEN);
      await press('Continue');
      await expectToast('Token accepted.');
      await waitUntilLive();
      await page.getByText('6 accounts', { exact: true }).waitFor();
      await rows.filter({ hasText: KEY }).click();
      await press('+1 minute');
      await expectToast(/^Advanced by 1:00 min/);
      const account = await send('GET', accountPath(KEY), { key: null, headers: { 'x-admin-token': TOKEN } });
      expect(account.body.clock.now).toBe('2026-01-15T12:01:00.000Z');

      // The token is in no URL and only stored in this tab.
      expect(requested.filter((one) => one.includes(TOKEN))).toEqual([]);
      expect(page.url()).not.toContain(TOKEN);
      expect(await page.content()).not.toContain(TOKEN);
      expect(await page.evaluate('document.cookie + JSON.stringify({ ...localStorage })')).toBe('{}');
      await page.reload();
      await waitUntilLive();
      const second = await openPage(origin, '#/', { expected: [statusError(401)] });
      await second.page.getByRole('heading', { name: 'Admin token required' }).waitFor();
    });

    it('prompts again when the token has changed after a restart', async () => {
      const first = await startListeningEmulator(['--admin-token', TOKEN]);
      const proxy = await openSwitchableProxy(first.origin);
      const { page, form, waitUntilLive } = await openPage(proxy.origin, '#/', {
        expected: [statusError(401), /net::ERR_/],
      });
      const field = form('Admin token').getByLabel('Admin token');
      await field.fill(TOKEN);
      await page.keyboard.press('Enter');
      await waitUntilLive();
      proxy.disconnect();
      await page.getByText('not connected', { exact: true }).waitFor();
      const second = await startListeningEmulator(['--admin-token', 'another-of-these']);
      proxy.switchTo(second.origin);
      await field.fill('another-of-these');
      await page.keyboard.press('Enter');
      await waitUntilLive();
      await page.getByText('6 accounts', { exact: true }).waitFor();
    });
  });
});
