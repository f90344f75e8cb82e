import type { Locator } from '@playwright/test';
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

/** Whether any of these elements is within the viewport. */
const isInView = (texts: Locator) =>
  texts.evaluateAll((elements: PageElement[]) =>
    elements.some((one) => {
      const { top, bottom, height } = one.getBoundingClientRect();
      return height > 0 && top >= 0 && bottom <= one.ownerDocument.defaultView.innerHeight;
    }),
  );

describe.skipIf(!CHROMIUM)('console requests', () => {
  const { openPage } = useConsole();

  it('lists requests newest first, filters them by outcome, and clears the journal', async () => {
    const { origin, order, post, callAdmin, read } = await startListeningEmulator();
    await order(KEY);
    await post(GENERATE, { mode: 'textToVideo' }, KEY);
    await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo', seconds: 3 }, KEY);
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post('/api/veo-3/generate', {}, KEY);
    const { page, rowLabels, pressAndConfirm, expectToast, button } = await openPage(
      origin,
      accountHref(KEY, 'requests'),
    );
    const faulted = expect.stringMatching(/^12:00:00.000 500 POST \/api\/veo-3\/generate fault INTERNAL_ERROR \d+ ms$/);
    const warned = expect.stringMatching(/^12:00:00.000 200 POST \/api\/sora-2\/generate warning \d+ ms$/);
    const wrong = expect.stringMatching(/^12:00:00.000 400 POST \/api\/sora-2\/generate PROMPT_REQUIRED \d+ ms$/);
    const good = expect.stringMatching(/^12:00:00.000 200 POST \/api\/sora-2\/generate \d+ ms$/);
    await eventually(rowLabels).toEqual([faulted, warned, wrong, good]);

    const show = page.getByRole('combobox', { name: 'Show' });
    for (const [kind, expected] of [
      ['failed', [faulted, wrong]],
      ['with a fault', [faulted]],
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
    const [{ requestId }] = (await read(KEY, '/requests')).requests;
    await search.fill(requestId);
    await eventually(rowLabels).toEqual([good]);
    await search.fill('no match');
    await page.getByText('No matching request.').waitFor();
    await search.fill('');

    await pressAndConfirm('Clear the journal');
    await expectToast('Journal cleared.');
    await page.getByText('The journal is empty or switched off.').waitFor();
    expect(await button('Clear the journal').isDisabled()).toBe(true);
    expect((await read(KEY, '/requests/count')).count).toBe(0);
  });

  it('shows request and response side by side, with headers, bodies, faults and findings', async () => {
    const { origin, send, post, callAdmin } = await startListeningEmulator();
    await send('POST', GENERATE, {
      key: KEY,
      body: { prompt: 'a cat', mode: 'textToVideo', seconds: 3 },
      headers: { 'x-custom': 'one' },
    });
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post(GENERATE, { prompt: 'a dog' }, KEY);
    const { page, row } = await openPage(origin, accountHref(KEY, 'requests'));
    await row(/ 200 /).click();
    const article = page.getByRole('article', { name: 'Request 1' });
    await article.getByRole('heading', { name: `POST ${GENERATE}` }).waitFor();
    const side = (name: string) => article.getByRole('region', { name, exact: true });
    const readBody = async (name: string) => JSON.parse(await side(`${name} body`).innerText());
    expect(await readBody('Request')).toEqual({ prompt: 'a cat', mode: 'textToVideo', seconds: 3 });
    const responseBody = await readBody('Response');
    expect(responseBody).toMatchObject({ success: true, status: 'processing' });
    const [left, right] = await Promise.all([side('Request').boundingBox(), side('Response').boundingBox()]);
    expect([left!.x + left!.width <= right!.x, left!.y]).toEqual([true, right!.y]);

    await side('Request')
      .getByText(/^\d+ headers$/)
      .click();
    const terms = side('Request').getByRole('term');
    await terms.filter({ hasText: 'x-custom' }).waitFor();
    expect(await side('Request').getByRole('definition').allInnerTexts()).toContain('one');
    // The journal does not keep the key.
    expect(await terms.allInnerTexts()).not.toContain('authorization');
    await side('Response')
      .getByText(/^\d+ headers$/)
      .click();
    await side('Response').getByRole('term').filter({ hasText: 'x-ratelimit-remaining' }).waitFor();

    await article
      .getByText(/seconds/, { exact: false })
      .first()
      .waitFor();
    await article.getByRole('link', { name: 'UNDOCUMENTED_FIELD' }).waitFor();
    await article.getByRole('link', { name: /^a cat task_/ }).click();
    await page.getByRole('article', { name: `Task ${responseBody.taskId}` }).waitFor();

    await page.goto(`${origin}/console${accountHref(KEY, 'requests', '2')}`);
    const faulted = page.getByRole('article', { name: 'Request 2' });
    await faulted.getByText(/^Injected fault:/).waitFor();
    await faulted.getByRole('link', { name: 'Fault rules' }).click();
    await page.getByRole('form', { name: 'New rule for this account' }).waitFor();
  });

  it('shows a missing response, a body that is not JSON, and a truncated body', async () => {
    const { origin, send, callAdmin, read } = await startListeningEmulator();
    const invalidJson = '{"prompt": "a cat", <b>';
    await send('POST', GENERATE, { key: KEY, body: invalidJson });
    const prompt = 'long '.repeat(8_000);
    await send('POST', GENERATE, { key: KEY, body: { prompt, mode: 'textToVideo' } });
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { empty: true } });
    await fetch(origin + GENERATE, { method: 'POST', headers: { authorization: `Bearer ${KEY}` } }).then(
      () => expect.unreachable('got a response'),
      () => {},
    );
    await eventually(async () => (await read(KEY, '/requests/count')).count).toBe(3);
    const { page, row } = await openPage(origin, accountHref(KEY, 'requests'));
    const body = () => page.getByRole('region', { name: 'Request body' }).innerText();
    await row(/–/).click();
    await page.getByRole('article', { name: 'Request 3' }).getByText('no response').waitFor();
    await row(/400/).click();
    await page.getByRole('article', { name: 'Request 1' }).waitFor();
    expect(await body()).toBe(invalidJson);
    await row(/200/).click();
    const article = page.getByRole('article', { name: 'Request 2' });
    await article.getByText('Truncated after 16 KB.').waitFor();
    await article.getByText('the curl command is incomplete').waitFor();
    expect((await body()).length).toBeGreaterThan(16_000);
    await page.goto(`${origin}/console${accountHref(KEY, 'requests', '99')}`);
    await page.getByText('This request is no longer in the journal.').waitFor();
  });

  it('distinguishes a pending response from a lost one', async () => {
    const { origin, callAdmin } = await startListeningEmulator();
    await callAdmin('POST', KEY, '/faults', { at: 'request', effect: { hang: true } });
    const { page, row, rows, waitUntilLive } = await openPage(origin, accountHref(KEY, 'requests'));
    await waitUntilLive();
    const controller = new AbortController();
    const headers = { authorization: `Bearer ${KEY}` };
    fetch(origin + GENERATE, { method: 'POST', headers, signal: controller.signal }).catch(() => {});
    await row(/ … POST/).click();
    const article = page.getByRole('article', { name: 'Request 1' });
    await article.getByText('no response yet', { exact: true }).waitFor();
    const show = page.getByRole('combobox', { name: 'Show' });
    await show.selectOption('failed');
    await page.getByText('No matching request.').waitFor();
    controller.abort();
    await article.getByText('no response', { exact: true }).waitFor();
    await row(/ – POST/).waitFor();
    expect(await rows.count()).toBe(1);
  });

  it('scrolls the list to a request that is opened by its address', async () => {
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

  it('links the error code and the endpoint to the API reference', async () => {
    const { origin, post } = await startListeningEmulator();
    await post('/api/nano-banana-2/generate', { mode: 'generate' }, KEY);
    const { page } = await openPage(origin, accountHref(KEY, 'requests', '1'));
    const link = page.getByRole('article').getByRole('link', { name: 'INVALID_PROMPT' });
    const [docs] = await Promise.all([page.waitForEvent('popup'), link.click()]);
    await eventually(() => isInView(docs.getByText(/^INVALID_PROMPT, INVALID_INPUT,/))).toBe(true);
    await eventually(() => isInView(docs.getByText('/api/nano-banana-2/generate', { exact: true }))).toBe(true);

    // Only the fragment differs, so the page, which takes seconds to load, stays open.
    const whole = page.getByRole('link', { name: 'API reference: Generate or edit an image' });
    await docs.goto(new URL((await whole.getAttribute('href'))!, origin).href);
    await eventually(() => isInView(docs.getByRole('heading', { name: 'Generate or edit an image' }))).toBe(true);
  });

  it.skipIf(!hasCurl)('copies a curl command that repeats the request', async () => {
    const { origin, send, read, callAdmin } = await startListeningEmulator();
    await send('POST', GENERATE, {
      key: KEY,
      body: { prompt: "it's a cat", mode: 'textToVideo' },
      headers: { 'x-custom': '$HOME "quoted"' },
    });
    const { page, press, readClipboard, row } = await openPage(origin, accountHref(KEY, 'requests', '1'));
    await press('Copy as curl');
    await eventually(readClipboard).toMatch(/^curl /);
    const { success } = JSON.parse(await runInShell('bash', await readClipboard()));
    expect(success).toBe(true);
    const [first, again] = (await read(KEY, '/requests')).requests as JournalEntry[];
    const toComparable = ({ method, path, request }: JournalEntry) => ({
      ...{ method, path, body: request.body },
      own: [request.headers['x-custom'], request.headers['content-type']],
    });
    expect(toComparable(again!)).toEqual(toComparable(first!));
    await eventually(() => row(/ 200 POST/).count()).toBe(2);

    // A result file is fetched without a key.
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
