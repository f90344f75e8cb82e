import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../src/client/types.ts';
import { CHROMIUM } from '../support/browser.ts';
import { hasProgram } from '../support/command.ts';
import {
  accountHref,
  eventually,
  findHorizontalOverflow,
  type ListeningEmulator,
  type PageElement,
  runInShell,
  startListeningEmulator,
  statusError,
  useConsole,
} from '../support/console.ts';
import { tempDir } from '../support/temp-dir.ts';

// Globals of the page, for functions that run there.
// biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without DOM types
declare const document: any;
declare const NodeFilter: { SHOW_TEXT: number };

const KEY = 'np_test_frozen';
const GENERATE = '/api/sora-2/generate';
const IMAGE = '\'"><img src=x onerror=hit=1>';
const hasCurl = hasProgram('curl', '--version') && hasProgram('bash', '--version');

/** Texts that would do harm if they were treated as anything but text. */
const HOSTILE = {
  'markup, scripts, and characters that are invisible or change the text direction': [
    IMAGE,
    '</script><script>hit=2</script>',
    '<iframe srcdoc="<script>parent.hit=3</script>"></iframe><svg onload=hit=4>',
    '<style>*{display:none}</style><base href="//example.com/"><meta http-equiv=refresh content=0>',
    'javascript:hit=5// {{7*7}} %s %d __proto__ constructor $& $1',
    '\u202eevil\u2066 \u200f\u202b',
    // Control characters, invisible characters and lone surrogates.
    'a\u0000b\u0007c\u001b[31md\u200be\ufeff \ud83d and \udc00',
  ].join(''),
  'a very long word': 'w'.repeat(16_000),
  'very many lines': 'line\n'.repeat(500),
};

/** Sends a request without normalization, byte for byte, which fetch cannot. */
function sendRaw(origin: string, path: string, headers: Record<string, string>, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(origin + path, { method: 'POST', path, headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
    });
    outgoing.on('error', reject).end(body);
  });
}

const authHeaders = (key = KEY) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });

/** Elements that the page's own code never creates. */
const FOREIGN_ELEMENTS = 'iframe, object, embed, base, style, svg, img[src="x"], [onerror], [onload], meta[http-equiv]';

describe.skipIf(!CHROMIUM)('console, hostile input', () => {
  const { openPage, createAccount } = useConsole();

  /** Puts a text wherever a client can. */
  async function submitEverywhere(emulator: ListeningEmulator, text: string) {
    const { origin, order, callAdmin, send } = emulator;
    const id = await order(KEY, text);
    await order(KEY, `@emulator(fail) ${text}`);
    // Header values: printable ASCII, on a single line.
    const header = text.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 4000);
    await sendRaw(origin, GENERATE, { ...authHeaders(), 'x-note': header, 'x-empty': '' }, text || ' ');
    const path = `/api/${encodeURI(header.replaceAll(/\s/g, ''))
      .slice(0, 500)
      .replaceAll(/%[235][0-9A-F]/g, decodeURIComponent)}`;
    await sendRaw(origin, path.replaceAll(/[^\x21-\x7e]/g, ''), authHeaders(), JSON.stringify({ [text]: text }));
    await send('POST', GENERATE, {
      key: KEY,
      body: { prompt: `@emulator(${text})`, mode: 'textToVideo', [text]: 1 },
    });
    const cannedResponse = { status: 418, text, contentType: 'text/html' };
    const match = { contains: text.slice(0, 900) };
    await callAdmin('POST', KEY, '/faults', {
      at: 'request',
      effect: { answer: cannedResponse },
      times: 2,
    });
    await callAdmin('POST', KEY, '/faults', { at: 'task', effect: { hang: true }, match });
    await send('POST', GENERATE, { key: KEY, body: { prompt: text } });
    // Lone surrogates are allowed in prompts only.
    const reason = text.slice(0, 500).replaceAll(/\p{Surrogate}/gu, '\uFFFD');
    await callAdmin('POST', KEY, '/credits', { amount: 1, reason });
    return id;
  }

  it.each(Object.entries(HOSTILE))('shows %s as inert text', async (_name, text) => {
    const emulator = await startListeningEmulator(['--rate-limit', 'off']);
    const id = await submitEverywhere(emulator, text);
    const { requests } = await emulator.read(KEY, '/requests');
    const { page } = await openPage(emulator.origin, accountHref(KEY, 'tasks', id));
    const views: [hash: string, there: string][] = [
      [accountHref(KEY, 'tasks', id), 'Input'],
      ...requests.map((entry: JournalEntry) => [accountHref(KEY, 'requests', entry.id), `Request ${entry.id}`]),
      [accountHref(KEY, 'ledger'), 'Verify the ledger'],
      [accountHref(KEY, 'verdict'), 'Verdict'],
      [accountHref(KEY, 'faults'), 'never ends'],
      [accountHref(KEY, 'timeline'), 'Show all'],
      ['#/', '6 accounts'],
    ];
    for (const [hash, visibleText] of views) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page
        .getByText(visibleText)
        .or(page.getByLabel(visibleText, { exact: true }))
        .first()
        .waitFor();
      await page.evaluate(() => {
        for (const one of document.querySelectorAll('details')) one.open = true;
      });
      for (const viewport of [
        { width: 390, height: 844 },
        { width: 1280, height: 800 },
      ]) {
        await page.setViewportSize(viewport);
        expect([hash, await findHorizontalOverflow(page)]).toEqual([hash, []]);
      }
      expect([hash, await page.locator(FOREIGN_ELEMENTS).count()]).toEqual([hash, 0]);
      expect([hash, await page.evaluate(findUnisolatedBidi)]).toEqual([hash, []]);
    }

    await page.evaluate(`location.hash = ${JSON.stringify(accountHref(KEY, 'tasks', id))}`);
    const input = page.getByRole('region', { name: 'Task input' });
    // Shown unchanged, character by character.
    const shown = JSON.parse((await input.textContent())!).prompt;
    expect(shown).toBe((await emulator.read(KEY, `/tasks/${id}`)).input.prompt);
    expect(await page.evaluate('document.scripts.length')).toBe(1);
  });

  it('handles keys with special characters of URLs, markup and scripts', async () => {
    const keys = [
      '\'"><img/src=x/onerror=hit=1><script>hit=2</script>',
      "a/b%2Fc#d?e=f&g;h%$&$`$'",
      '%2e%2e',
      '../../__admin',
      '__proto__',
      'k'.repeat(200),
    ];
    const { origin, post, order, read } = await startListeningEmulator();
    const { page, form, press, expectToast, readClipboard, button, row, region } = await openPage(origin);
    await page.setViewportSize({ width: 390, height: 844 });
    for (const key of keys) {
      await post('/__admin/accounts', { key, credits: 10 }, null);
      await page.getByRole('searchbox', { name: 'Find accounts' }).fill(key);
      await page.getByRole('option').getByText(key, { exact: true }).click();
      const heading = page.getByRole('heading', { level: 1 });
      await heading.getByText(key, { exact: true }).waitFor();
      expect(await findHorizontalOverflow(page)).toEqual([]);
      expect(page.url()).toBe(`${origin}/console${accountHref(key)}`);
      await order(key);
      await row(/golden retriever/).click();
      await page.getByRole('article').waitFor();
      // On a phone, the cards are folded.
      await page.getByText(/ left · real$/).click();
      await press('Adjust …');
      await form('Adjust credits').getByLabel('Amount').fill('5');
      await press('Update');
      await expectToast('New balance: 11.');
      await region('Credits').getByText('11', { exact: true }).waitFor();
      expect(await read(key)).toMatchObject({ key, credits: 11 });
      expect(await page.locator(FOREIGN_ELEMENTS).count()).toBe(0);
      // Last, because its toast would cover buttons for some seconds.
      await button('Copy the key').click();
      await eventually(readClipboard).toBe(key);
      // The address still works after a reload.
      await page.reload();
      await heading.getByText(key, { exact: true }).waitFor();
      await page.getByRole('article').waitFor();
      await page.getByRole('link', { name: 'Accounts' }).click();
    }
  });

  it('handles malformed and malicious addresses', async () => {
    const { origin } = await startListeningEmulator();
    const { page } = await openPage(origin, '#/accounts/%E0%A4%A/%/%', {
      expected: [statusError(404), statusError(400)],
    });
    await page.getByRole('heading', { name: 'Account %E0%A4%A not found' }).waitFor();
    for (const hash of [
      `#/accounts/${IMAGE}`,
      `#/accounts/${encodeURIComponent(IMAGE)}/tasks/${encodeURIComponent(IMAGE)}`,
    ]) {
      await page.goto('about:blank');
      await page.goto(`${origin}/console${hash}`);
      await page
        .getByRole('heading', { name: /not found$/ })
        .getByText(IMAGE, { exact: true })
        .waitFor();
      expect(await page.locator(FOREIGN_ELEMENTS).count()).toBe(0);
    }
    await page.goto('about:blank');
    await page.goto(`${origin}/console${accountHref(KEY, 'requests', IMAGE)}`);
    await page.getByText('This request is no longer in the journal.').waitFor();
    await page.goto('about:blank');
    await page.goto(`${origin}/console#/nonsense/${IMAGE}`);
    await page.getByRole('heading', { name: 'Accounts' }).waitFor();
  });

  it.skipIf(!hasCurl)(
    'curl commands resend hostile requests exactly, without running any of their content',
    async () => {
      const { key, origin, read } = await createAccount({ rateLimit: null });
      const dir = tempDir();
      const texts = [
        '$(touch hit)',
        '`touch hit`',
        "'; touch hit; '",
        '"; touch hit; "',
        '\n touch hit \n',
        '| touch hit &',
        '\u001b]0;touch hit\u0007\u001b[2J',
        '\r\ntouch hit\r\n',
        "\\'; touch hit #",
        '@/etc/passwd',
        '--output=hit -K hit',
        '!! %s {a,b} [1-9] ~ *',
        '\u202e)tih hcuot($\u2028\u2029',
        '[key] np_test_frozen',
      ];
      const bodies = texts.flatMap((text) => [text, JSON.stringify({ prompt: text, [text]: [text] })]);
      for (const body of bodies) {
        const header = body.replaceAll(/[^\x20-\x7e]/g, '');
        const path = body === texts[0] ? `/api/'$(touch\${IFS}hit)'/"\`touch\${IFS}hit\`"/../[1-9]/{a,b}` : GENERATE;
        await sendRaw(origin, path, { ...authHeaders(key), 'x-note': header, 'x-empty': '' }, body);
      }
      const { requests } = (await read(key, '/requests?limit=1000')) as { requests: JournalEntry[] };
      expect(requests).toHaveLength(bodies.length);
      const { page, press, readClipboard } = await openPage(origin, accountHref(key, 'requests'));
      const lines: string[] = [];
      for (const { id } of requests) {
        await page.evaluate(`location.hash = ${JSON.stringify(accountHref(key, 'requests', id))}`);
        await page.getByRole('article', { name: `Request ${id}`, exact: true }).waitFor();
        await page.evaluate('navigator.clipboard.writeText("")');
        await press('Copy as curl');
        await eventually(readClipboard).toMatch(/^curl /);
        lines.push(await readClipboard());
      }
      // Each is a single line without characters that a terminal would interpret.
      expect(lines.filter((line) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line))).toEqual([]);
      await runInShell('bash', lines.map((line) => `${line} -o /dev/null || exit 1`).join('\n'), dir);
      expect(readdirSync(dir)).toEqual([]);
      const all = (await read(key, '/requests?limit=1000')).requests as JournalEntry[];
      const toComparable = ({ method, path, request: { headers, body } }: JournalEntry) => ({
        ...{ method, path, body, note: headers['x-note'], empty: headers['x-empty'] },
      });
      expect(all.slice(bodies.length).map(toComparable)).toEqual(requests.map(toComparable));
    },
  );
});

/** Runs in the page. Finds texts that could change the direction of the text beside them. */
function findUnisolatedBidi(): string[] {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found: PageElement[] = [];
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (/[\u202a-\u202e\u2066-\u2069\u200f]/.test(data) && !parentElement.closest('bdi, pre'))
      found.push(parentElement);
  }
  return found.map(({ outerHTML }) => outerHTML.slice(0, 200));
}
