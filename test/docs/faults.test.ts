import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../src/families/index.ts';
import { COMMON_ERRORS } from '../../src/http/pipeline/error-table.ts';
import { hasProgram } from '../support/command.ts';
import { createTestEmulator, serveEmulator, type TestEmulator } from '../support/emulator.ts';
import { page, parseTableRows, ROWS, type Row, readSection } from '../support/faults-page.ts';
import { listRegisteredRoutes } from '../support/routes.ts';

/** The error codes that vendor pages document for every API. */
const COMMON = ['LOGIN_REQUIRED', 'API_KEY_RATE_LIMIT_EXCEEDED', 'INVALID_INPUT', 'INTERNAL_ERROR'];

const isFree = (prices: unknown): boolean =>
  typeof prices === 'object' ? Object.values(prices!).every(isFree) : prices === 0;

async function documentedCodes(): Promise<string[]> {
  const routes = await listRegisteredRoutes();
  return routes.flatMap(({ url, family, errors }) => {
    const own = Object.keys(errors).filter((code) => errors[code]!.errorCode === undefined);
    const { prices } = FAMILIES.find(({ name }) => name === family)!;
    const charges = !url.endsWith('/check-status') && !isFree(prices);
    const codes = new Set([...COMMON, ...(charges ? ['INSUFFICIENT_CREDITS'] : []), ...own]);
    return [...codes].map((code) => `${url} ${code}`);
  });
}

describe('docs/reference/faults.md › tables of error codes', () => {
  it('have exactly one row for each documented error code of each endpoint', async () => {
    const listed = ROWS.map(({ path, code }) => `${path} ${code}`);
    expect(listed.length).toBeGreaterThan(90);
    expect([...listed].sort()).toEqual((await documentedCodes()).sort());
  });

  it('include every common error code of the vendor', () => {
    const ours = ['NOT_FOUND', 'METHOD_NOT_ALLOWED'];
    const codes = Object.entries(COMMON_ERRORS).filter(([, error]) => !('errorCode' in error));
    expect(codes.map(([code]) => code).sort()).toEqual([...COMMON, 'INSUFFICIENT_CREDITS', ...ours].sort());
  });

  it.each([...new Set(ROWS.map(({ path }) => path))])(
    'have requests to %s that get the error code of their row',
    async (path) => {
      const emulator = await createTestEmulator();
      for (const row of ROWS.filter((one) => one.path === path)) {
        await emulator.send('POST', '/__admin/reset', { key: null });
        await sendRow(emulator, row);
      }
    },
  );
});

/** Sends the request of a row and checks the response. */
async function sendRow({ post, core }: TestEmulator, { path, code, status, key, body }: Row): Promise<void> {
  const label = `${path} ${code}`;
  let sent = body;
  if (body.includes('GENERATION_OF_ANOTHER_KEY')) {
    const generate = path.replace('check-status', 'generate');
    const answer = await post(generate, { prompt: 'a cat', mode: 'generate' }, 'np_test_other');
    sent = body.replace('GENERATION_OF_ANOTHER_KEY', answer.body.generationId);
  }
  if (key === 'np_test_limited') {
    for (let n = 0; n < 3; n++) expect((await post(path, sent, key)).status, label).not.toBe(429);
  }
  const before = core.accounts.find(key)?.balance;
  const answer = await post(path, sent, key);
  expect([answer.status, answer.body?.errorCode], label).toEqual([status, code]);
  expect(answer.headers['content-type'], label).toBe('application/json; charset=utf-8');
  const isBare = code === 'INSUFFICIENT_CREDITS' && /^\/api\/(sora-2|veo-3)\/generate$/.test(path);
  expect(answer.body, label).toEqual({
    ...(isBare ? {} : { success: false }),
    error: expect.stringMatching(/^[A-Z]/),
    errorCode: code,
    ...(code === 'INSUFFICIENT_CREDITS' && { requiredCredits: expect.any(Number) }),
  });
  expect(core.accounts.find(key)?.balance, label).toBe(before);
}

describe('docs/reference/faults.md › table of failed tasks', () => {
  const failed = parseTableRows(readSection('## Failed tasks'));

  it('has a row for every endpoint that creates tasks', async () => {
    const polled = (await listRegisteredRoutes()).map(({ url }) => url).filter((url) => url.endsWith('/check-status'));
    expect(failed.map(([path]) => path!.replace('/generate', '/check-status')).sort()).toEqual(polled.sort());
  });

  it.each(failed.flatMap((row) => ['200', '500'].map((status) => [status, ...row])))(
    'with --failed-task-status %s: a task submitted to %s ends as shown for %s',
    async (status, path, body, expected) => {
      const { post, account } = await createTestEmulator(['--failed-task-status', status!]);
      const key = 'np_test_auto';
      const { taskId, generationId, shots } = (await post(path!, body, key)).body;
      const pollBody = generationId
        ? { generationId }
        : shots
          ? { taskIds: shots.map((shot: { shotId: string; taskId: string }) => shot) }
          : { taskId };
      expect(account(key).balance).toBeLessThan(1000);
      const poll = () => post(path!.replace('/generate', '/check-status'), pollBody, key);
      let answer = await poll();
      for (let n = 0; n < 5 && answer.body.status !== 'failed'; n++) answer = await poll();
      expect(answer.status).toBe(Number(status));
      expect(answer.text.replace(/"(task|gen)_[0-9a-f]+"/g, '"$1_…"')).toBe(expected);
      expect(account(key).balance).toBe(1000);
    },
  );
});

describe('docs/reference/faults.md › table of effects', () => {
  const VALUES: Record<string, unknown> = {
    errorCode: 'INTERNAL_ERROR',
    status: 503,
    durationMs: 1000,
    delayMs: 1000,
    truncateAfter: 10,
    answer: { status: 418 },
  };
  const text = readSection('### What happens when');
  const stages = [
    ...text
      .trim()
      .split('\n')[0]!
      .matchAll(/at `(\w+)`/g),
  ].map(([, stage]) => stage!);
  const cells = parseTableRows(text).flatMap(([effect, ...descriptions]) =>
    descriptions.map((cell, index) => [stages[index]!, effect!, cell !== '–'] as const),
  );

  it('has every stage and effect, and a dash for each combination that is rejected', async () => {
    expect(stages).toHaveLength(6);
    expect(cells).toHaveLength(66);
    const { send } = await createTestEmulator();
    for (const [stage, name, isAllowed] of cells) {
      // A status goes with an error.
      const error = stage === 'media' ? { errorCode: 'INTERNAL_ERROR' } : { fail: true };
      const effect = { [name]: VALUES[name] ?? true, ...(name === 'status' && error) };
      const { status, body } = await send('POST', '/__admin/faults', {
        key: null,
        body: { at: stage, effect },
      });
      const expected = isAllowed ? [201, undefined] : [400, 'INVALID_INPUT'];
      expect([stage, name, status, body.code]).toEqual([stage, name, ...expected]);
    }
  });
});

describe('docs/reference/faults.md › directives', () => {
  const VIDEO = { prompt: 'a dog', mode: 'textToVideo' };

  /** How a task with this request ends. */
  async function ended(body: object, headers: object = {}) {
    const { send, core, createAccount } = await createTestEmulator();
    const { id } = createAccount('k', { clock: { mode: 'frozen' } });
    await send('POST', '/api/sora-2/generate', { key: 'k', body, headers });
    core.timeline.advance(id, 86_400_000);
    const [task] = core.tasks.list(id, 1);
    return { status: task?.status, seconds: (task?.simulatedMs ?? 0) / 1000 };
  }

  it('do not make a task fail from an undocumented field', async () => {
    expect((await ended({ ...VIDEO, prompt: '@emulator(fail)' })).status).toBe('failed');
    expect((await ended({ ...VIDEO, note: '@emulator(fail)' })).status).toBe('completed');
    expect((await ended({ ...VIDEO, note: '@emulator(fail=INTERNAL_ERROR)' })).status).toBeUndefined();
  });

  it('in the header override those in texts, and the first text overrides the second', async () => {
    const two = { ...VIDEO, prompt: '@emulator(duration=2m) @emulator(duration=3m)' };
    expect((await ended(two)).seconds).toBe(120);
    expect((await ended(two, { 'x-emulator-fault': 'duration=1.5s' })).seconds).toBe(1.5);
  });

  it('report an invalid body before an injected error code, except for a poll', async () => {
    const { send } = await createTestEmulator();
    const headers = { 'x-emulator-fault': 'fail=INTERNAL_ERROR' };
    const codeOf = async (path: string) => (await send('POST', path, { body: {}, headers })).body.errorCode;
    expect(await codeOf('/api/sora-2/generate')).toBe('PROMPT_REQUIRED');
    expect(await codeOf('/api/sora-2/check-status')).toBe('INTERNAL_ERROR');
  });

  it('fail, hang and duration do not affect a poll', async () => {
    const { send } = await createTestEmulator();
    for (const words of ['fail', 'hang', 'duration=3s']) {
      const headers = { 'x-emulator-fault': words };
      const answer = await send('POST', '/api/sora-2/check-status', { body: { taskId: 'task_x' }, headers });
      expect(answer.body.errorCode).toBe('TASK_NOT_FOUND');
    }
  });
});

const hasCurl = hasProgram('curl', '--version');

describe.skipIf(!hasCurl)('docs/reference/faults.md › commands', () => {
  const accepted = String.raw`\{"success":true,"status":"processing","taskId":"task_\w+","message":"[^"]+"\} 200\n`;
  /** The output of each block, in the order of the page. */
  const PRINTED = [
    String.raw`\s*3\n`,
    String.raw`\{"id".*"fired":0\} 201\nHTTP/1.1 418 I'm a Teapot\r\nx-pot: 1\r\ncontent-type: text/html\r\ncontent-length: 12\r\n\r\n<h1>Tea</h1>\n`,
    String.raw`\{"id":"\d+","match":\{"family":"sora-2"\},"at":"charge",.*"times":1,"fired":0\} 201\n`,
    String.raw`\{.*"errorCode":"GENERATION_FAILED"\} 500\n${accepted}`,
    String.raw`\{"faults":\[\{"id":"\d+",.*"times":1,"fired":1\}\],"next":null\} 200\n`,
    '204\n204\n',
    String.raw`\{"id".*"fired":0\} 201\ncurl: 52\n\{"faults":\[\{.*"fired":1\}\],"next":null\} 200\n`,
    String.raw`\{.*"fired":0,"nearMisses":\[\]\} 200\n204\n204\n`,
    String.raw`\{.*"fired":0,"nearMisses":\[\{"requestId":"my-request","at":"[^"]*","path":"/api/sora-2/generate","reason":"match.contains: the body does not contain \\"a kitten\\""\}\]\} 200\n204\n`,
    String.raw`\{"success":false,"status":"failed",.*"errorCode":"GENERATION_FAILED",.*\} 200\n`,
    String.raw`\{.*"errorCode":"INSUFFICIENT_CREDITS","requiredCredits":2\} 402\n`,
    String.raw`[^{}]{12} curl: 18\n`,
    String.raw`${accepted}"warnings":\["@emulator\(explode\) is not a valid directive .*"\]\}\],"next":null\}\n`,
    String.raw`\{.*"errorCode":"INVALID_INPUT"\} 400\n`,
    String.raw`\{.*"NOT_FOUND"\} 404\n\{.*"METHOD_NOT_ALLOWED"\} 405\n\{.*"INVALID_INPUT"\} 415\n\{.*"INVALID_INPUT"\} 413\n`,
  ];

  it('print what the page says', async () => {
    const url = await serveEmulator();
    const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
    expect(blocks).toHaveLength(PRINTED.length);
    for (const [index, block] of blocks.entries()) {
      const script = block.replaceAll('http://127.0.0.1:6266', url);
      expect(script).not.toContain('6266');
      const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script]);
      expect(stdout, block).toMatch(new RegExp(`^${PRINTED[index]}$`));
    }
  });

  it('include every operation', () => {
    for (const base of ['/__admin/accounts/np_test_default/faults', '/__admin/faults']) {
      const lines = [...page.matchAll(/curl -s(?:[^\\\n]|\\[\s\S])*/g)]
        .map(([line]) => line)
        .filter((line) => line.includes(`6266${base}`));
      expect(lines.some((line) => line.includes("-d '"))).toBe(true);
      expect(lines.some((line) => line.endsWith(base))).toBe(true);
      expect(lines.some((line) => line.endsWith(`%{http_code}\\n' http://127.0.0.1:6266${base}/$RULE`))).toBe(true);
      expect(lines.some((line) => line.endsWith(`DELETE http://127.0.0.1:6266${base}`))).toBe(true);
      expect(lines.some((line) => line.endsWith(`DELETE http://127.0.0.1:6266${base}/$RULE`))).toBe(true);
    }
  });
});
