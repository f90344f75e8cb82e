import type { Locator, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../src/client/types.ts';
import { CHROMIUM } from '../support/browser.ts';
import { hasProgram } from '../support/command.ts';
import {
  accountHref,
  eventually,
  type PageElement,
  runInShell,
  startListeningEmulator,
  useConsole,
} from '../support/console.ts';

const KEY = 'np_test_frozen';
const GENERATE = '/api/sora-2/generate';
const hasCurl = hasProgram('curl', '--version') && hasProgram('bash', '--version');

/** Whether any of these is where a reader sees it. */
const isInView = (texts: Locator) =>
  texts.evaluateAll((elements: PageElement[]) =>
    elements.some((one) => {
      const { top, bottom, height } = one.getBoundingClientRect();
      return height > 0 && top >= 0 && bottom <= one.ownerDocument.defaultView.innerHeight;
    }),
  );

describe.skipIf(!CHROMIUM)('requests in the console', () => {
  const { openPage } = useConsole();

  it('are listed newest first, found by what they were answered, and gone when the journal is emptied', async () => {
    const { origin, order, post, callAdmin, read } = await startListeningEmulator();
    await order(KEY);
    await post(GENERATE, { mode: 'textToVideo' }, KEY);
    await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo', seconds: 3 }, KEY);
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post('/api/veo-3/generate', {}, KEY);
    const { page, rowLabels, pressTwice, expectToast, button } = await openPage(origin, accountHref(KEY, 'requests'));
    const faulted = expect.stringMatching(/^12:00:00.000 500 POST \/api\/veo-3\/generate fault INTERNAL_ERROR \d+ ms$/);
    const warned = expect.stringMatching(/^12:00:00.000 200 POST \/api\/sora-2\/generate warning \d+ ms$/);
    const wrong = expect.stringMatching(/^12:00:00.000 400 POST \/api\/sora-2\/generate PROMPT_REQUIRED \d+ ms$/);
    const good = expect.stringMatching(/^12:00:00.000 200 POST \/api\/sora-2\/generate \d+ ms$/);
    await eventually(rowLabels).toEqual([faulted, warned, wrong, good]);

    const show = page.getByRole('combobox', { name: 'Show' });
    for (const [kind, expected] of [
      ['refused or lost', [faulted, wrong]],
      ['struck by a fault', [faulted]],
      ['with a warning', [warned]],
      ['all', [faulted, warned, wrong, good]],
    ] as const) {
      await show.selectOption(kind);
      await eventually(rowLabels).toEqual(expected);
    }
    const search = page.getByRole('searchbox', { name: 'Find requests' });
    for (const [text, expected] of [
      ['prompt_req', [wrong]],
      ['VEO-3', [faulted]],
      ['200', [warned, good]],
    ] as const) {
      await search.fill(text);
      await eventually(rowLabels).toEqual(expected);
    }
    await search.fill('nothing is like this');
    await page.getByText('No request is like this.').waitFor();
    await search.fill('');

    await pressTwice('Empty');
    await expectToast('The journal is empty.');
    await page.getByText('The journal is empty, or switched off.').waitFor();
    expect(await button('Empty').isDisabled()).toBe(true);
    expect((await read(KEY, '/requests/count')).count).toBe(0);
  });

  it('stand beside their answers, with headers and bodies, what struck them, and what is odd about them', async () => {
    const { origin, send, post, callAdmin } = await startListeningEmulator();
    await send('POST', GENERATE, {
      key: KEY,
      body: { prompt: 'a cat', mode: 'textToVideo', seconds: 3 },
      headers: { 'x-of-mine': 'one' },
    });
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post(GENERATE, { prompt: 'a dog' }, KEY);
    const { page, row } = await openPage(origin, accountHref(KEY, 'requests'));
    await row(/ 200 /).click();
    const article = page.getByRole('article', { name: 'Request 1' });
    await article.getByRole('heading', { name: `POST ${GENERATE}` }).waitFor();
    const side = (name: string) => article.getByRole('region', { name, exact: true });
    const readBody = async (name: string) => JSON.parse(await side(`Body of the ${name}`).innerText());
    expect(await readBody('request')).toEqual({ prompt: 'a cat', mode: 'textToVideo', seconds: 3 });
    const responseBody = await readBody('answer');
    expect(responseBody).toMatchObject({ success: true, status: 'processing' });
    const [left, right] = await Promise.all([side('Request').boundingBox(), side('Answer').boundingBox()]);
    expect([left!.x + left!.width <= right!.x, left!.y]).toEqual([true, right!.y]);

    await side('Request')
      .getByText(/^\d+ headers$/)
      .click();
    const terms = side('Request').getByRole('term');
    await terms.filter({ hasText: 'x-of-mine' }).waitFor();
    expect(await side('Request').getByRole('definition').allInnerTexts()).toContain('one');
    // Keys are no header that is kept.
    expect(await terms.allInnerTexts()).not.toContain('authorization');
    await side('Answer')
      .getByText(/^\d+ headers$/)
      .click();
    await side('Answer').getByRole('term').filter({ hasText: 'x-ratelimit-remaining' }).waitFor();

    await article
      .getByText(/seconds/, { exact: false })
      .first()
      .waitFor();
    await article.getByRole('link', { name: 'UNDOCUMENTED_FIELD' }).waitFor();
    await article.getByRole('link', { name: responseBody.taskId }).click();
    await page.getByRole('article', { name: `Task ${responseBody.taskId}` }).waitFor();

    await page.goto(`${origin}/console${accountHref(KEY, 'requests', '2')}`);
    const faulted = page.getByRole('article', { name: 'Request 2' });
    await faulted.getByText(/^Struck by/).waitFor();
    await faulted.getByRole('link', { name: 'Faults that are set' }).click();
    await page.getByRole('form', { name: 'A new rule for this account' }).waitFor();
  });

  it('that had no answer, or a body that is no JSON or very long, are told as what they were', async () => {
    const { origin, send, callAdmin, read } = await startListeningEmulator();
    const mangled = '{"prompt": "a cat", <b>';
    await send('POST', GENERATE, { key: KEY, body: mangled });
    const prompt = 'long '.repeat(8_000);
    await send('POST', GENERATE, { key: KEY, body: { prompt, mode: 'textToVideo' } });
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { empty: true } });
    await fetch(origin + GENERATE, { method: 'POST', headers: { authorization: `Bearer ${KEY}` } }).then(
      () => expect.unreachable('an answer came'),
      () => {},
    );
    await eventually(async () => (await read(KEY, '/requests/count')).count).toBe(3);
    const { page, row } = await openPage(origin, accountHref(KEY, 'requests'));
    const body = () => page.getByRole('region', { name: 'Body of the request' }).innerText();
    await row(/–/).click();
    await page.getByRole('article', { name: 'Request 3' }).getByText('no answer').waitFor();
    await row(/400/).click();
    await page.getByRole('article', { name: 'Request 1' }).waitFor();
    expect(await body()).toBe(mangled);
    await row(/200/).click();
    const article = page.getByRole('article', { name: 'Request 2' });
    await article.getByText('Cut after 16 KB.').waitFor();
    await article.getByText('a curl line of it is not whole').waitFor();
    expect((await body()).length).toBeGreaterThan(16_000);
    await page.goto(`${origin}/console${accountHref(KEY, 'requests', '99')}`);
    await page.getByText('The journal does not have this request any more.').waitFor();
  });

  it('that are under way are told from those whose answer was lost', async () => {
    const { origin, callAdmin } = await startListeningEmulator();
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { hang: true } });
    const { page, row, rows, waitUntilLive } = await openPage(origin, accountHref(KEY, 'requests'));
    await waitUntilLive();
    const controller = new AbortController();
    const headers = { authorization: `Bearer ${KEY}` };
    fetch(origin + GENERATE, { method: 'POST', headers, signal: controller.signal }).catch(() => {});
    await row(/ … POST/).click();
    const article = page.getByRole('article', { name: 'Request 1' });
    await article.getByText('no answer yet', { exact: true }).waitFor();
    const show = page.getByRole('combobox', { name: 'Show' });
    await show.selectOption('refused or lost');
    await page.getByText('No request is like this.').waitFor();
    controller.abort();
    await article.getByText('no answer', { exact: true }).waitFor();
    await row(/ – POST/).waitFor();
    expect(await rows.count()).toBe(1);
  });

  it('are scrolled to by their address, in a list that is there already', async () => {
    const { origin, post } = await startListeningEmulator(['--rate-limit', 'off']);
    for (let n = 0; n < 120; n++) await post(GENERATE, {}, KEY);
    const { page, rows } = await openPage(origin, accountHref(KEY, 'requests', '120'));
    const selected = rows.and(page.locator('[aria-selected=true]'));
    await eventually(() => isInView(selected)).toBe(true);
    for (const id of ['2', '119', '60']) {
      await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'requests', id))}`);
      await page.getByRole('article', { name: `Request ${id}`, exact: true }).waitFor();
      await eventually(() => isInView(selected)).toBe(true);
    }
  });

  it('have a code that leads to its answer in the documents', async () => {
    const { origin, post } = await startListeningEmulator();
    await post('/api/nano-banana-2/generate', { mode: 'generate' }, KEY);
    const { page, context } = await openPage(origin, accountHref(KEY, 'requests', '1'));
    const docs = await openLink(page.getByRole('article').getByRole('link', { name: 'INVALID_PROMPT' }));
    await eventually(() => isInView(docs.getByText(/^INVALID_PROMPT, INVALID_INPUT,/))).toBe(true);
    await eventually(() => isInView(docs.getByText('/api/nano-banana-2/generate', { exact: true }))).toBe(true);

    const whole = await openLink(page.getByRole('link', { name: 'Generate or edit an image: its documents' }));
    await eventually(() => isInView(whole.getByRole('heading', { name: 'Generate or edit an image' }))).toBe(true);

    async function openLink(link: Locator): Promise<Page> {
      const [one] = await Promise.all([context.waitForEvent('page'), link.click()]);
      return one;
    }
  });

  it.skipIf(!hasCurl)('are readClipboard as a line for a shell, which makes the same request again', async () => {
    const { origin, send, read, callAdmin } = await startListeningEmulator();
    await send('POST', GENERATE, {
      key: KEY,
      body: { prompt: "it's a cat", mode: 'textToVideo' },
      headers: { 'x-of-mine': '$HOME "quoted"' },
    });
    const { page, press, readClipboard, row } = await openPage(origin, accountHref(KEY, 'requests', '1'));
    await press('Copy as curl');
    await eventually(readClipboard).toMatch(/^curl /);
    const { success } = JSON.parse(await runInShell('bash', await readClipboard()));
    expect(success).toBe(true);
    const [first, again] = (await read(KEY, '/requests')).requests as JournalEntry[];
    const toComparable = ({ method, path, request }: JournalEntry) => ({
      ...{ method, path, body: request.body },
      own: [request.headers['x-of-mine'], request.headers['content-type']],
    });
    expect(toComparable(again!)).toEqual(toComparable(first!));
    await eventually(() => row(/ 200 POST/).count()).toBe(2);

    // A fetch of a file, which needs no key.
    await callAdmin('POST', KEY, '/clock/advance', { ms: 3_600_000 });
    const [task] = (await read(KEY, '/tasks')).tasks;
    await send('GET', new URL(task.result.videoUrl).pathname, { key: null, headers: { range: 'bytes=0-9' } });
    await row(/GET \/media/).click();
    await page.getByRole('article', { name: 'Request 3' }).waitFor();
    await press('Copy as curl');
    await eventually(readClipboard).not.toContain('Authorization');
    await runInShell('bash', await readClipboard());
    await eventually(async () => (await read(KEY, '/requests/count?status=206')).count).toBe(2);
  });
});
