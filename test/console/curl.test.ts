import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JournalEntry } from '../../src/client/types.ts';
import { quoteForShell, toCurl } from '../../src/console/curl.ts';

/** Splits a line into words as bash does, by running it with a function `curl` that prints its arguments. */
function parseShellWords(line: string): string[] {
  const script = `curl() { printf '%s\\0' "$@"; }\n${line}\n`;
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-s'], { input: script, encoding: 'utf8' });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout.split('\0').slice(0, -1);
}

const entry = (overrides: object = {}): JournalEntry => ({
  ...{ id: '1', at: '2026-01-31T12:00:00.000Z', method: 'POST', path: '/api/sora-2/generate', status: 200 },
  ...{ requestId: 'r', errorCode: null, durationMs: 1, taskIds: [], fault: null, warnings: [] },
  request: { headers: { 'content-type': 'application/json' }, body: { prompt: 'a dog' } },
  response: { headers: {}, body: null },
  ...overrides,
});
const entryWithRequest = (overrides: object) => entry({ request: { headers: {}, body: null, ...overrides } });
const ORIGIN = 'http://127.0.0.1:6266';
const curlWords = (one: JournalEntry, key = 'np_test_a') => parseShellWords(toCurl(one, key, ORIGIN));

/** Characters that a terminal would interpret while the line is pasted, including line breaks. */
const TERMINAL_CONTROLS = /[\p{Cc}\p{Cf}]/u;
/** Any text without NUL, which shells cannot pass on. */
const text = fc.string({ unit: 'binary' }).map((some) => some.replaceAll('\0', ''));

describe('toCurl', () => {
  it('includes the URL, key, headers and body', () => {
    expect(curlWords(entry())).toEqual([
      ...['-sS', 'http://127.0.0.1:6266/api/sora-2/generate', '-H', 'Authorization: Bearer np_test_a'],
      ...['-H', 'content-type: application/json', '--data-raw', '{"prompt":"a dog"}'],
    ]);
  });

  it("adds the method where it differs from curl's default", () => {
    expect(curlWords(entryWithRequest({}))).toContain('-X');
    expect(curlWords({ ...entryWithRequest({}), method: 'GET' })).not.toContain('-X');
    expect(curlWords({ ...entryWithRequest({}), method: 'HEAD' })).toContain('-I');
    expect(curlWords({ ...entry(), method: 'PUT' })).toEqual(expect.arrayContaining(['-X', 'PUT']));
  });

  it('sends no key for a result file, which clients fetch without one', () => {
    const fetched = { ...entryWithRequest({}), method: 'GET', path: '/media/sora/task_1.mp4' };
    expect(curlWords(fetched)).toEqual(['-sS', `${ORIGIN}/media/sora/task_1.mp4`]);
  });

  it('restores the key where the journal redacts it', () => {
    const hidden = entryWithRequest({
      headers: { 'x-note': 'of [key]' },
      body: { prompt: 'my key is [key]' },
    });
    const words = curlWords(hidden, "np_$&'`");
    expect(words).toContain("x-note: of np_$&'`");
    expect(words).toContain(`{"prompt":"my key is np_$&'\`"}`);
  });

  it('omits headers that curl sets itself', () => {
    const headers = { host: 'a', connection: 'b', 'content-length': '1', 'user-agent': 'c', 'x-mine': 'd' };
    expect(curlWords(entryWithRequest({ headers })).filter((word) => /^(host|conn|content|user)/.test(word))).toEqual(
      [],
    );
    expect(curlWords(entryWithRequest({ headers }))).toContain('x-mine: d');
  });

  it('switches off globbing for a URL with brackets', () => {
    expect(curlWords({ ...entryWithRequest({}), path: '/media/[1-9]/{a,b}' })[0]).toBe('-sSg');
  });

  it('keeps dot segments of the path and empty headers', () => {
    expect(curlWords({ ...entryWithRequest({}), path: '/api/../x' })[1]).toBe('--path-as-is');
    expect(curlWords(entry())).not.toContain('--path-as-is');
    expect(curlWords(entryWithRequest({ headers: { 'x-mine': '' } }))).toContain('x-mine;');
  });

  it('quotes any text for the shell, without characters that a terminal would interpret', () => {
    fc.assert(
      fc.property(text, text, (body, header) => {
        const line = toCurl(
          entryWithRequest({ headers: { 'x-h': header }, body: body === '' ? null : body }),
          'k',
          ORIGIN,
        );
        expect(line).not.toMatch(TERMINAL_CONTROLS);
        const words = parseShellWords(line);
        expect(words).toContain(header === '' ? 'x-h;' : `x-h: ${header}`);
        if (body !== '') expect(words.at(-1)).toBe(body);
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    '$(touch /tmp/x)',
    '`id`',
    "'; id; '",
    '"$HOME"',
    '!!',
    '\n id \n',
    '\u001b[2J',
    '\u202e',
    '~',
    '=ls',
    '\\',
    "\\'\u0007",
  ])('passes %j through the shell unchanged', (hostile) => {
    expect(parseShellWords(`curl ${quoteForShell(hostile)}`)).toEqual([hostile]);
    expect(quoteForShell(hostile)).not.toMatch(TERMINAL_CONTROLS);
  });
});
