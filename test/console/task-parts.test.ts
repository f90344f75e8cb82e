import { describe, expect, it } from 'vitest';
import { CHROMIUM } from '../support/browser.ts';
import { accountHref, eventually, type PageElement, startListeningEmulator, useConsole } from '../support/console.ts';

const KEY = 'np_test_frozen';
const GENERATE = '/api/sora-2/generate';

describe.skipIf(!CHROMIUM)('a task in the console', () => {
  const { openPage } = useConsole();

  it('has a picture no higher than its row, of whatever shape', async () => {
    const { origin, postOk, callAdmin } = await startListeningEmulator();
    for (const aspectRatio of ['portrait', 'landscape'])
      await postOk(GENERATE, { prompt: aspectRatio, mode: 'textToVideo', aspectRatio }, KEY);
    await callAdmin('POST', KEY, '/clock/advance', { ms: 3_600_000 });
    const { page } = await openPage(origin, accountHref(KEY));
    const pictures = page.locator('.thumb video');
    const sizes = () => pictures.evaluateAll((all: PageElement[]) => all.map(({ videoHeight }) => videoHeight > 0));
    await eventually(sizes).toEqual([true, true]);
    const heights = await page
      .locator('.row .thumb, .row .thumb video')
      .evaluateAll((all: PageElement[]) =>
        all.map((one) => one.getBoundingClientRect().height <= one.closest('.row').clientHeight),
      );
    expect(heights).toEqual([true, true, true, true]);
  });

  it('that gave a text is done, and leads to the request that has it', async () => {
    const { origin, postOk, order, callAdmin } = await startListeningEmulator();
    await order(KEY);
    await postOk('/api/sora-2/generate-prompt', { topic: 'a cat', locale: 'en' }, KEY);
    const { page, row } = await openPage(origin, accountHref(KEY));
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
    expect(await page.getByRole('region', { name: 'Body of the answer' }).innerText()).toMatch(/\w/);

    await callAdmin('DELETE', KEY, '/requests');
    await page.goBack();
    await article.getByText('Its text was an answer that the journal does not have.').waitFor();
  });

  it('is told in good words: what hangs has no length, and one credit is one', async () => {
    const { origin, postOk, post, order, callAdmin } = await startListeningEmulator();
    const hanging = await order(KEY, '@emulator(hang) a sloth');
    await postOk('/api/sora-2/reverse-prompt', { videoSource: 'url', videoUrl: 'https://example.com/a.mp4' }, KEY);
    await postOk('/api/sora/remove-watermark', { share_link: 'https://sora.chatgpt.com/p/s_1' }, KEY);
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post(GENERATE, {}, KEY);
    const { page, row } = await openPage(origin, accountHref(KEY, 'tasks', hanging));
    await page.getByText('generating, hangs · sora-2 · 4 credits', { exact: true }).waitFor();
    await row(/^https:\/\/sora\.chatgpt\.com\/p\/s_1 sora-watermark/).waitFor();
    await row(/ 1 cr$/).click();
    await page.getByText(/ · 1 credit$/).waitFor();
    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'requests', '4'))}`);
    await page.getByText('Struck by rule 1.').waitFor();
    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'requests', '1'))}`);
    await page.getByText(/^Struck by @emulator\(hang/).waitFor();
  });

  it('that was made of very much shows the beginning of it, and all of it is copied', async () => {
    const { origin, order } = await startListeningEmulator();
    const prompt = `a whale ${'sings '.repeat(50_000)}to its end`;
    const id = await order(KEY, prompt);
    const { page, press, row, readClipboard } = await openPage(origin, accountHref(KEY, 'tasks', id));
    const shown = page.getByRole('region', { name: 'What the task was made of' });
    await shown.waitFor();
    expect((await shown.innerText()).length).toBeLessThanOrEqual(20_000);
    const more = page.getByText(/^… [\d\u202f]+ more characters/);
    const count = Number((await more.innerText()).replace(/\D/g, ''));
    expect(count).toBeGreaterThan(prompt.length - 20_000);
    expect((await row(/a whale/).innerText()).length).toBeLessThan(500);
    await press('Copy all of: What the task was made of');
    await eventually(async () => JSON.parse(await readClipboard())).toMatchObject({ prompt });
    // All of it is found.
    await page.getByRole('searchbox', { name: 'Find tasks' }).fill('to its end');
    await page.getByText('1 task', { exact: true }).waitFor();
  });

  it('that takes longer than one advance may be is brought to its end', async () => {
    const { origin, order, callAdmin, read } = await startListeningEmulator();
    await callAdmin('PATCH', KEY, '', { speed: 0.000001 });
    await callAdmin('PUT', KEY, '/clock', { mode: 'real' });
    await callAdmin('POST', KEY, '/faults', { at: 'task', effect: { durationMs: 10_000_000 } });
    const id = await order(KEY);
    const { press, expectToast, row } = await openPage(origin, accountHref(KEY, 'tasks', id));
    await row(/generating · 0 %/).waitFor();
    await press('To the end');
    await expectToast(/^All that will end has ended: 1 change happened\.$/);
    expect(await read(KEY, `/tasks/${id}`)).toMatchObject({ status: 'completed' });
    expect((await read(KEY)).clock.now).toMatch(/^23\d\d-/);
  });
});
