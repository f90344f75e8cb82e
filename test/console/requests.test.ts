import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../src/client/types.ts';
import { CHROMIUM } from '../support/browser.ts';
import { hasProgram } from '../support/command.ts';
import { accountHref, eventually, isInView, runInShell, useConsole } from '../support/console.ts';

const GENERATE = '/api/sora-2/generate';
const hasCurl = hasProgram('curl', '--version') && hasProgram('bash', '--version');

describe.skipIf(!CHROMIUM)('console requests', () => {
  const { openPage, createAccount } = useConsole();

  it('lists requests newest first, filters them by outcome, and clears the journal', async () => {
    const { key, origin, order, post, callAdmin, read } = await createAccount();
    await order(key);
    await post(GENERATE, { mode: 'textToVideo' }, key);
    await post(GENERATE, { prompt: 'a cat', mode: 'textToVideo', seconds: 3 }, key);
    await callAdmin('POST', key, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post('/api/veo-3/generate', {}, key);
    const { page, rowLabels, pressAndConfirm, expectToast, button } = await openPage(
      origin,
      accountHref(key, 'requests'),
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
    const [{ requestId }] = (await read(key, '/requests')).requests;
    await search.fill(requestId);
    await eventually(rowLabels).toEqual([good]);
    await search.fill('no match');
    await page.getByText('No matching request.').waitFor();
    await search.fill('');

    await pressAndConfirm('Clear the journal');
    await expectToast('Journal cleared.');
    await page.getByText('The journal is empty or switched off.').waitFor();
    expect(await button('Clear the journal').isDisabled()).toBe(true);
    expect((await read(key, '/requests/count')).count).toBe(0);
  });

  it('shows request and response side by side, with headers, bodies, faults and findings', async () => {
    const { key, origin, send, post, callAdmin } = await createAccount();
    await send('POST', GENERATE, {
      key,
      body: { prompt: 'a cat', mode: 'textToVideo', seconds: 3 },
      headers: { 'x-custom': 'one' },
    });
    await callAdmin('POST', key, '/faults', { at: 'request', effect: { errorCode: 'INTERNAL_ERROR' } });
    await post(GENERATE, { prompt: 'a dog' }, key);
    const { page, row } = await openPage(origin, accountHref(key, 'requests'));
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

    await page.goto(`${origin}/console${accountHref(key, 'requests', '2')}`);
    const faulted = page.getByRole('article', { name: 'Request 2' });
    await faulted.getByText(/^Injected fault:/).waitFor();
    await faulted.getByRole('link', { name: 'Fault rules' }).click();
    await page.getByRole('form', { name: 'New rule for this account' }).waitFor();
  });

  it('shows a missing response, a body that is not JSON, and a truncated body', async () => {
    const { key, origin, send, callAdmin, read } = await createAccount();
    const invalidJson = '{"prompt": "a cat", <b>';
    await send('POST', GENERATE, { key, body: invalidJson });
    const prompt = 'long '.repeat(8_000);
    await send('POST', GENERATE, { key, body: { prompt, mode: 'textToVideo' } });
    await callAdmin('POST', key, '/faults', { at: 'request', effect: { empty: true } });
    await fetch(origin + GENERATE, { method: 'POST', headers: { authorization: `Bearer ${key}` } }).then(
      () => expect.unreachable('got a response'),
      () => {},
    );
    await eventually(async () => (await read(key, '/requests/count')).count).toBe(3);
    const { page, row } = await openPage(origin, accountHref(key, 'requests'));
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
    await page.goto(`${origin}/console${accountHref(key, 'requests', '99')}`);
    await page.getByText('This request is no longer in the journal.').waitFor();
  });

  it('distinguishes a pending response from a lost one', async () => {
    const { key, origin, callAdmin } = await createAccount();
    await callAdmin('POST', key, '/faults', { at: 'request', effect: { hang: true } });
    const { page, row, rows, waitUntilLive } = await openPage(origin, accountHref(key, 'requests'));
    await waitUntilLive();
    const controller = new AbortController();
    const headers = { authorization: `Bearer ${key}` };
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
    const { key, origin, post } = await createAccount({ rateLimit: null });
    for (let n = 0; n < 120; n++) await post(GENERATE, {}, key);
    const { page, rows } = await openPage(origin, accountHref(key, 'requests', '120'));
    const selected = rows.and(page.locator('[aria-selected=true]'));
    await eventually(() => isInView(selected)).toBe(true);
    for (const id of ['2', '119', '60']) {
      await page.evaluate(`location.hash = ${JSON.stringify(accountHref(key, 'requests', id))}`);
      await page.getByRole('article', { name: `Request ${id}`, exact: true }).waitFor();
      await eventually(() => isInView(selected)).toBe(true);
    }
  });

  it.skipIf(!hasCurl)('copies a curl command that repeats the request', async () => {
    const { key, origin, send, read, callAdmin } = await createAccount();
    await send('POST', GENERATE, {
      key,
      body: { prompt: "it's a cat", mode: 'textToVideo' },
      headers: { 'x-custom': '$HOME "quoted"' },
    });
    const { page, press, readClipboard, row } = await openPage(origin, accountHref(key, 'requests', '1'));
    await press('Copy as curl');
    await eventually(readClipboard).toMatch(/^curl /);
    const { success } = JSON.parse(await runInShell('bash', await readClipboard()));
    expect(success).toBe(true);
    const [first, again] = (await read(key, '/requests')).requests as JournalEntry[];
    const toComparable = ({ method, path, request }: JournalEntry) => ({
      ...{ method, path, body: request.body },
      own: [request.headers['x-custom'], request.headers['content-type']],
    });
    expect(toComparable(again!)).toEqual(toComparable(first!));
    await eventually(() => row(/ 200 POST/).count()).toBe(2);

    // A result file is fetched without a key.
    await callAdmin('POST', key, '/clock/advance', { ms: 3_600_000 });
    const [task] = (await read(key, '/tasks')).tasks;
    await send('GET', new URL(task.result.videoUrl).pathname, { key: null, headers: { range: 'bytes=0-9' } });
    await row(/GET \/media/).click();
    await page.getByRole('article', { name: 'Request 3' }).waitFor();
    await press('Copy as curl');
    await eventually(readClipboard).not.toContain('Authorization');
    await runInShell('bash', await readClipboard());
    await eventually(async () => (await read(key, '/requests/count?status=206')).count).toBe(2);
  });
});
