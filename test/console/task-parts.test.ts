import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { accountHref, eventually, type PageElement, useConsole } from '../support/console.ts';

const GENERATE = '/api/sora-2/generate';

describe.skipIf(!CHROMIUM)('console task details', () => {
  const { openPage, createAccount } = useConsole();

  it('fits the thumbnail into its row, in any orientation', async () => {
    const { key, origin, postOk, callAdmin } = await createAccount();
    for (const aspectRatio of ['portrait', 'landscape'])
      await postOk(GENERATE, { prompt: aspectRatio, mode: 'textToVideo', aspectRatio }, key);
    await callAdmin('POST', key, '/clock/advance', { ms: 3_600_000 });
    const { page } = await openPage(origin, accountHref(key));
    const thumbnails = page.locator('.thumb video');
    const sizes = () => thumbnails.evaluateAll((all: PageElement[]) => all.map(({ videoHeight }) => videoHeight > 0));
    await eventually(sizes).toEqual([true, true]);
    const heights = await page
      .locator('.row .thumb, .row .thumb video')
      .evaluateAll((all: PageElement[]) =>
        all.map((one) => one.getBoundingClientRect().height <= one.closest('.row').clientHeight),
      );
    expect(heights).toEqual([true, true, true, true]);
  });

  it('shows a text task as completed, and links to the request with its text', async () => {
    const { key, origin, postOk, order, callAdmin } = await createAccount();
    await order(key);
    await postOk('/api/sora-2/generate-prompt', { topic: 'a cat', locale: 'en' }, key);
    const { page, row } = await openPage(origin, accountHref(key));
    await row(/^a cat prompt-generator completed/).click();
    const article = page.getByRole('article', { name: /^Task / });
    const shares = () =>
      page
        .locator('.bar.completed')
        .evaluateAll((bars: PageElement[]) =>
          bars.map((bar) => bar.querySelector('.bar-done').offsetWidth / bar.clientWidth),
        );
    await eventually(shares).toEqual([1, 1]);
    await article.getByText('Its text is in request 2.').waitFor();
    await article.getByRole('link', { name: 'request 2', exact: true }).click();
    await page.getByRole('article', { name: 'Request 2' }).waitFor();
    expect(await page.getByRole('region', { name: 'Response body' }).innerText()).toMatch(/\w/);

    await callAdmin('DELETE', key, '/requests');
    await page.goBack();
    await article.getByText('Its text was sent in a response that is not in the journal.').waitFor();
  });

  it('describes hanging tasks, prices and faults', async () => {
    const { key, origin, postOk, post, order, callAdmin } = await createAccount();
    const hanging = await order(key, '@emulator(hang) a sloth');
    await postOk('/api/sora-2/reverse-prompt', { videoSource: 'url', videoUrl: 'https://example.com/a.mp4' }, key);
    await postOk('/api/sora/remove-watermark', { share_link: 'https://sora.chatgpt.com/p/s_1' }, key);
    await callAdmin('POST', key, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post(GENERATE, {}, key);
    const { page, row } = await openPage(origin, accountHref(key, 'tasks', hanging));
    await page.getByText('generating, hangs · sora-2 · 4 credits', { exact: true }).waitFor();
    await row(/^https:\/\/sora\.chatgpt\.com\/p\/s_1 sora-watermark/).waitFor();
    await row(/ 1 cr$/).click();
    await page.getByText(/ · 1 credit$/).waitFor();
    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(key, 'requests', '4'))}`);
    await page.getByText('Injected fault: rule 1.').waitFor();
    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(key, 'requests', '1'))}`);
    await page.getByText(/^Injected fault: @emulator\(hang/).waitFor();
  });

  it('truncates a very long input, but copies and searches all of it', async () => {
    const { key, origin, order } = await createAccount();
    const prompt = `a whale ${'sings '.repeat(16_000)}to its end`;
    const id = await order(key, prompt);
    const { page, press, row, readClipboard } = await openPage(origin, accountHref(key, 'tasks', id));
    const shown = page.getByRole('region', { name: 'Task input' });
    await shown.waitFor();
    expect((await shown.innerText()).length).toBeLessThanOrEqual(20_000);
    const more = page.getByText(/^… [\d\u202f]+ more characters/);
    const count = Number((await more.innerText()).replace(/\D/g, ''));
    expect(count).toBeGreaterThan(prompt.length - 20_000);
    expect((await row(/a whale/).innerText()).length).toBeLessThan(500);
    await press('Copy all: Task input');
    await eventually(async () => JSON.parse(await readClipboard())).toMatchObject({ prompt });
    // The search covers the whole input.
    await page.getByRole('searchbox', { name: 'Find tasks' }).fill('to its end');
    await page.getByText('1 task', { exact: true }).waitFor();
  });

  it('advances to the end of a task beyond the limit of a single advance', async () => {
    const { key, origin, order, callAdmin, read } = await createAccount();
    await callAdmin('PATCH', key, '', { speed: 0.000001 });
    await callAdmin('PUT', key, '/clock', { mode: 'real' });
    await callAdmin('POST', key, '/faults', { at: 'task', effect: { durationMs: 10_000_000 } });
    const id = await order(key);
    const { press, expectToast, row } = await openPage(origin, accountHref(key, 'tasks', id));
    await row(/generating · 0 %/).waitFor();
    await press('To the end');
    await expectToast(/^Advanced to the end of all tasks: 1 transition\.$/);
    expect(await read(key, `/tasks/${id}`)).toMatchObject({ status: 'completed' });
    expect((await read(key)).clock.now).toMatch(/^23\d\d-/);
  });
});
