import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { hasProgram } from '../support/command.ts';
import { eventually, runInShell, startListeningEmulator, statusError, useConsole } from '../support/console.ts';

const hasCurl = hasProgram('curl', '--version');

/** The columns of an account without tasks and requests. */
const UNUSED = '0 running 0 failed – never';

describe.skipIf(!CHROMIUM)('console accounts', () => {
  const { openPage } = useConsole();

  describe('before the first request', () => {
    it.skipIf(!hasCurl)(
      'shows two shell lines that can be pasted, and updates when the second one is run',
      async () => {
        const { origin, read } = await startListeningEmulator();
        const { page, button, readClipboard, row, expectToast } = await openPage(origin);
        await page.getByRole('heading', { name: 'No requests yet' }).waitFor();
        const lines = await page.getByRole('code').filter({ hasText: origin }).allTextContents();
        expect(lines).toHaveLength(2);

        await button('Copy this line').nth(0).click();
        await expectToast('Copied.');
        expect(await readClipboard()).toBe(lines[0]);
        const settings = await runInShell('sh', `${lines[0]}\necho "$NANOPHOTO_API_BASE_URL $NANOPHOTO_API_KEY"`);
        expect(settings).toBe(`${origin} np_test_default\n`);

        await button('Copy this line').nth(1).click();
        await eventually(readClipboard).toBe(lines[1]);
        const { taskId } = JSON.parse(await runInShell('sh', lines[1]!));
        expect(await read('np_test_default', `/tasks/${taskId}`)).toMatchObject({ status: 'processing' });
        await page.getByRole('heading', { name: 'No requests yet' }).waitFor({ state: 'detached' });
        await row(/^np_test_default 1 running 0 failed no findings just now 996 credits 99 of 100 real/).waitFor();
      },
    );

    it('shows the lines in an account, with its own key', async () => {
      const { origin, order } = await startListeningEmulator();
      const { page, row } = await openPage(origin, '#/accounts/np_test_frozen');
      await page.getByRole('code').filter({ hasText: 'Authorization: Bearer np_test_frozen' }).waitFor();
      await order('np_test_frozen');
      await row(/golden retriever/).waitFor();
      expect(await page.getByRole('heading', { name: 'No requests yet' }).count()).toBe(0);
    });
  });

  it('lists accounts with their data, the newest first if none is used', async () => {
    const { origin, clock, callAdmin, post } = await startListeningEmulator();
    clock.advance(1000);
    await post('/__admin/accounts', { key: 'the-latest', credits: 12345, clock: 'frozen' }, null);
    await callAdmin('PATCH', 'np_test_empty', '', { revoked: true });
    const { page, rowLabels, row } = await openPage(origin);
    await eventually(rowLabels).toEqual([
      `the-latest ${UNUSED} 12 345 credits 100 of 100 frozen 2026-01-15 12:00:01`,
      `np_test_auto ${UNUSED} 1 000 credits 100 of 100 auto 2026-01-15 12:00:00`,
      expect.stringMatching(/^np_test_default .* 1 000 credits 100 of 100 real 2026-01-15 12:0\d:\d\d$/),
      expect.stringMatching(/^np_test_empty revoked .* 0 credits 100 of 100 real /),
      `np_test_frozen ${UNUSED} 1 000 credits 100 of 100 frozen 2026-01-15 12:00:00`,
      expect.stringMatching(/^np_test_limited .* 1 000 credits 3 of 3 real /),
      expect.stringMatching(/^np_test_unlimited .* 1 000 000 credits no limit real /),
    ]);
    // The time of a real clock advances by itself.
    const real = row(/^np_test_default/);
    const before = await real.innerText();
    await eventually(() => real.innerText()).not.toBe(before);

    await row(/^np_test_frozen/).click();
    await page.getByRole('heading', { level: 1, name: /^np_test_frozen/ }).waitFor();
    expect(page.url()).toBe(`${origin}/console#/accounts/np_test_frozen/tasks`);
  });

  it('finds accounts by part of their key', async () => {
    const { origin } = await startListeningEmulator();
    const { page, rowLabels } = await openPage(origin);
    const search = page.getByRole('searchbox', { name: 'Find accounts' });
    await search.fill('LIMITED');
    await page.getByText('2 accounts', { exact: true }).waitFor();
    await eventually(rowLabels).toEqual([
      expect.stringMatching(/^np_test_limited /),
      expect.stringMatching(/^np_test_unlimited /),
    ]);
    await search.fill('nobody');
    await page.getByText('No matching account.').waitFor();
    await search.fill('');
    await page.getByText('6 accounts', { exact: true }).waitFor();
  });

  it("creates accounts, and shows the emulator's error for an existing or invalid key", async () => {
    const { origin, read, get } = await startListeningEmulator();
    const { page, press, form, expectToast } = await openPage(origin, '#/', {
      expected: [statusError(409), statusError(400)],
    });
    await press('New account …');
    await form('Create an account').getByLabel('Key').fill('np_test_default');
    await press('Create');
    await expectToast('An account with the key np_test_default already exists.');

    await form('Create an account').getByLabel('Key').fill('odd/key #1?');
    await press('Create');
    await expectToast('Invalid parameter key: expected 1 to 200 visible ASCII characters, not "." or "..".');
    await form('Create an account').getByLabel('Key').fill('odd/key#1?');
    await form('Create an account').getByLabel('Credits').fill('77');
    await form('Create an account').getByLabel('Clock').selectOption('frozen');
    await press('Create');
    await expectToast('Account odd/key#1? created.');
    await page.getByRole('heading', { level: 1, name: /^odd\/key#1\?/ }).waitFor();
    expect(await read('odd/key#1?')).toMatchObject({ credits: 77, clock: { mode: 'frozen' } });

    await page.getByRole('link', { name: 'Accounts' }).click();
    await press('New account …');
    await press('Create');
    await expectToast(/^Account .* created\.$/);
    const { accounts } = (await get('/__admin/accounts')).body;
    const [created] = accounts.filter(({ key }: { key: string }) => !/^(np_test|odd)/.test(key));
    expect(created).toMatchObject({ credits: 1000, clock: { mode: 'real' } });
    await page.getByRole('heading', { level: 1, name: new RegExp(`^${created.key}`) }).waitFor();
  });

  it('resets everything after a second click within a few seconds', async () => {
    const { origin, get, post, order, read } = await startListeningEmulator();
    await post('/__admin/accounts', { key: 'created-here', credits: 5 }, null);
    await order('np_test_auto_created');
    await order('np_test_frozen');
    await post('/__admin/faults', { at: 'request', effect: { fail: true } }, null);
    const { page, button, press, row, expectToast } = await openPage(origin, '#/', { isClockControlled: true });
    await row(/^np_test_auto_created/).waitFor();

    await press('Reset everything');
    const confirm = button('Really reset everything?');
    await eventually(() => confirm.getAttribute('aria-disabled')).toBe('false');
    // The confirmation times out.
    await page.clock.fastForward(5000);
    await press('Reset everything');
    expect(await read('np_test_frozen')).toMatchObject({ credits: 996 });

    await press('Really reset everything?');
    await expectToast('Everything was reset: 7 accounts.');
    await row(/^np_test_auto_created/).waitFor({ state: 'detached' });
    await row(/^np_test_frozen .* 1 000 credits /).waitFor();
    expect((await get('/__admin/faults')).body.faults).toEqual([]);
    expect((await get('/__admin/accounts')).body.accounts).toHaveLength(7);
  });

  it('sorts the busiest accounts first, with their tasks, findings and latest request', async () => {
    const { origin, clock, order, callAdmin, postOk } = await startListeningEmulator();
    await order('np_test_limited');
    const failed = await order('np_test_limited', 'a cat');
    await callAdmin('POST', 'np_test_limited', `/tasks/${failed}/fail`);
    clock.advance(1000);
    await order('np_test_unlimited', 'the same');
    await order('np_test_unlimited', 'the same');
    clock.advance(90_000);
    const { rowLabels } = await openPage(origin);
    await eventually(async () => (await rowLabels()).slice(0, 3)).toEqual([
      expect.stringMatching(/^np_test_unlimited 0 running 0 failed 3 findings 1 min ago /),
      expect.stringMatching(/^np_test_limited 0 running 1 failed 2 findings 1 min ago /),
      expect.stringMatching(/^np_test_auto 0 running 0 failed – never /),
    ]);
    await postOk('/api/sora-2/generate', { prompt: 'a dog', mode: 'textToVideo' }, 'np_test_frozen');
    await eventually(async () => (await rowLabels())[0]).toMatch(
      /^np_test_frozen 1 running 0 failed no findings just now /,
    );
  });

  it('links the latest requests of all accounts', async () => {
    const { origin, order, post } = await startListeningEmulator();
    await order('np_test_frozen');
    await post('/api/veo-3/generate', {}, 'np_test_auto');
    const { page, region } = await openPage(origin);
    const links = region('Recent requests').getByRole('link');
    await eventually(() =>
      links.allInnerTexts().then((texts) => texts.map((text) => text.replaceAll(/\s+/g, ' '))),
    ).toEqual([
      '12:00:00 400 np_test_auto POST /api/veo-3/generate SHOTS_REQUIRED',
      '12:00:00 200 np_test_frozen POST /api/sora-2/generate',
    ]);
    await links.first().click();
    await page.getByRole('heading', { level: 1, name: 'np_test_auto' }).waitFor();
    await page.getByRole('article', { name: 'Request 1' }).getByText('SHOTS_REQUIRED').first().waitFor();
  });

  it('shows requests without a valid key, with the path, the reason and the masked key', async () => {
    const { origin, post } = await startListeningEmulator();
    await post('/api/sora-2/generate', {}, 'sk_live_0123456789abcdef');
    const { page, region } = await openPage(origin, '#/', { isClockControlled: true });
    const refused = region('Requests without a valid key');
    await refused.getByText('1 request without a valid key got a 401.').waitFor();
    expect(await refused.getByRole('listitem').allInnerTexts()).toEqual([
      expect.stringMatching(/^12:00:00\s+POST \/api\/sora-2\/generate\s+unknown key sk_l…cdef$/),
    ]);
    // Equal requests are one line, and only the latest lines are shown at once.
    for (let n = 0; n < 3; n++) await post('/api/sora-2/generate', {}, null);
    for (const key of ['sk_b_0123456789abcdef', 'sk_c_0123456789abcdef']) await post('/api/veo-3/generate', {}, key);
    await page.getByRole('link', { name: 'Faults' }).click();
    await page.getByRole('link', { name: 'Accounts' }).click();
    // The page reads these requests every three seconds, because they cause no events.
    await page.clock.fastForward(3000);
    await refused.getByText('6 requests without a valid key got a 401.').waitFor();
    expect(await refused.getByRole('listitem').allInnerTexts()).toEqual([
      expect.stringMatching(/unknown key sk_c…cdef$/),
      expect.stringMatching(/unknown key sk_b…cdef$/),
      expect.stringMatching(/no Authorization header × 3$/),
    ]);
    await refused.getByText('1 more').click();
    await refused.getByText('sk_l…cdef').waitFor();
  });
});
