import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildDocument } from '../support/account-document.ts';
import { createTestEmulator, serveEmulator } from '../support/emulator.ts';
import { writeSeedFile } from '../support/seed-file.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runToolCommand } from '../support/tools.ts';

const runImport = (...args: string[]) => runToolCommand('import', ...args);
const CHECK = '/api/sora-2/check-status';
const GENERATE = '/api/sora-2/generate';
const VALID = { prompt: 'A dog\n"in" snow', mode: 'textToVideo' };

const createSample = (more: object = {}) => ({
  name: 'a sample',
  source: 'Recorded from https://example.com',
  provenance: 'documented',
  request: { path: GENERATE, body: VALID },
  response: { status: 418, contentType: 'application/json', body: { odd: true } },
  ...more,
});

/** Writes samples to a new directory. */
function writeSamples(...all: object[]): string {
  const dir = tempDir();
  for (const [n, sample] of all.entries()) writeFileSync(join(dir, `${n}.json`), JSON.stringify(sample));
  return dir;
}

const writeSample = (dir: string, name: string, sample: object) =>
  writeFileSync(join(dir, name), JSON.stringify(sample));

async function postJson(url: string, path: string, body: unknown, key = 'np_test_default') {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe('import', () => {
  it('replays a recorded response byte by byte, once, and drift reports its difference', async () => {
    const oddBody = '{"é" : 1.0,\r\n "error":"I\\u0027m a teapot", "errorCode":"TEAPOT" }\n';
    const service = await startService((_body, { url }, response) => {
      response.writeHead(url === CHECK ? 418 : 404, {
        'Content-Type': 'application/vnd.tea+json; q="1"',
        'X-RateLimit-Limit': '7 an hour',
        'Retry-After': 'soon',
        'X-Other': 'not recorded',
      });
      response.end(oddBody);
    });
    const dir = tempDir();
    const flags = ['--base-url', service, '--key', 'np_live_secret_key', '--only', 'sora-2/check-status/'];
    expect((await runToolCommand('verify', ...flags, '--record', dir)).code).toBe(1);

    const drifted = await runToolCommand('drift', dir);
    expect(drifted.code).toBe(1);
    expect(drifted.stdout).toMatch(
      /DIFFERS {2}sora-2\/check-status\/unknown-task: [\s\S]*?difference {2}status: recorded 418, emulator 404\n/,
    );

    const url = await serveEmulator(['--admin-token', 'sesame-sesame']);
    const file = join(dir, 'sora-2/check-status/unknown-task.json');
    const target = ['--key', 'np_test_default', '--base-url', url, '--admin-token', 'sesame-sesame'];
    expect(await runImport(file, ...target)).toMatchObject({
      code: 0,
      stdout: `Added 1 rule for np_test_default at ${url}.\n`,
      stderr: '',
    });
    const response = await postJson(url, CHECK, { taskId: 'task_x' });
    expect([response.status, response.text]).toEqual([418, oddBody]);
    const sent = [...response.headers].filter(
      ([name]) => !['date', 'connection', 'keep-alive', 'x-request-id'].includes(name),
    );
    expect(Object.fromEntries(sent)).toEqual({
      'content-length': String(Buffer.byteLength(oddBody)),
      'content-type': 'application/vnd.tea+json; q="1"',
      'x-ratelimit-limit': '7 an hour',
      'retry-after': 'soon',
    });
    expect((await postJson(url, CHECK, { taskId: 'task_x' })).status).toBe(404);
  });

  it('prints valid rules that match the recorded requests', async () => {
    const shots = [{ prompt: 'no [key] and a longer text' }];
    const { code, stdout } = await runImport(
      writeSamples(
        createSample(),
        createSample({ request: { path: '/api/veo-3/generate', body: { shots } } }),
        createSample({ request: { path: CHECK, body: { taskId: 'task_1' } } }),
        createSample({ request: { path: CHECK, text: '[]' }, response: { status: 503 } }),
      ),
    );
    const rules = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(rules).toEqual([
      {
        at: 'request',
        match: { endpoint: GENERATE, contains: 'A dog\\n\\"in\\" snow' },
        effect: { answer: { status: 418, contentType: 'application/json', body: { odd: true } } },
        times: 1,
      },
      expect.objectContaining({
        match: { endpoint: '/api/veo-3/generate', contains: ' and a longer text' },
      }),
      expect.objectContaining({ match: { endpoint: CHECK } }),
      { at: 'request', match: { endpoint: CHECK }, effect: { answer: { status: 503 } }, times: 1 },
    ]);
    const { send, post } = await createTestEmulator();
    for (const body of rules) {
      expect((await send('POST', '/__admin/faults', { key: null, body })).status).toBe(201);
    }
    expect((await post(GENERATE, { ...VALID, prompt: 'Another' })).status).toBe(200);
    expect((await post(GENERATE, VALID)).body).toEqual({ odd: true });
    expect((await post(GENERATE, VALID)).status).toBe(200);
  });

  it('skips samples that cannot be converted to a rule, and says why', async () => {
    const dir = writeSamples(
      createSample({ request: { path: CHECK, text: '{"a":' } }),
      createSample({ request: { path: CHECK, method: 'GET' } }),
      createSample({ response: { status: 200, text: ['a pattern'] } }),
      createSample({ response: { status: 200, text: 'x'.repeat(65_537) } }),
      createSample({ response: { status: 200, headers: { 'retry-after': 'a\r\nb' } } }),
      createSample({ failure: 'ECONNREFUSED' }),
    );
    const none = await runImport(dir);
    expect(none).toMatchObject({ code: 2, stdout: '' });
    expect(none.stderr.split('\n')).toEqual([
      'skipped 0: a request that is not JSON is rejected before any rule applies',
      'skipped 1: rules only apply to POST requests, not to GET',
      'skipped 2: its response has patterns instead of a text',
      'skipped 3: effect.answer.text: expected 65536 bytes at most',
      expect.stringMatching(/^skipped 4: effect\.answer\.headers\.retry-after: expected at most 8192 visible ASCII/),
      'skipped 5: the service gave no usable response: ECONNREFUSED',
      `nanophoto-emulator: ${dir}: none of the samples can be converted to a rule.`,
      '',
    ]);
    const some = await runImport(dir, writeSamples(createSample()));
    expect([some.code, JSON.parse(some.stdout).length]).toEqual([0, 1]);
  });

  it('adds rules to a seed file, which are set at the start and after a reset', async () => {
    const file = join(tempDir(), 'seed.json');
    const dir = writeSamples(createSample());
    expect(await runImport(dir, '--seed-file', file)).toMatchObject({
      code: 0,
      stdout: `Added 1 rule for np_test_default to ${file}.\n`,
    });
    expect((await runImport(dir, '--seed-file', file, '--key', 'np_mine')).code).toBe(0);
    expect((await runImport(dir, '--seed-file', file, '--key', 'np_mine')).code).toBe(0);
    const { post, send, core, account } = await createTestEmulator(['--seed-file', file]);
    expect(account('np_test_limited').rateLimit).toBe(3);
    expect(core.faults.list(account('np_mine').id)).toHaveLength(2);
    for (let round = 0; round < 2; round++) {
      expect((await post(GENERATE, VALID)).body).toEqual({ odd: true });
      expect((await post(GENERATE, VALID)).status).toBe(200);
      await send('POST', '/__admin/accounts/np_test_default/reset', { key: null });
    }
  });

  it('keeps the other content of a seed file, and does not change a file that is not a seed file', async () => {
    const content = {
      prices: { 'reverse-prompt': 3 },
      defaults: { credits: 5 },
      accounts: [{ key: 'a', clock: { mode: 'frozen', now: '2026-01-01T00:00:00.000Z' } }],
    };
    const file = writeSeedFile(content);
    const dir = writeSamples(createSample());
    await runImport(dir, '--seed-file', file, '--key', 'a');
    const updated = JSON.parse(readFileSync(file, 'utf8'));
    const [{ faults, ...account }] = updated.accounts;
    expect({ ...updated, accounts: [account] }).toEqual(content);
    expect(faults).toHaveLength(1);
    const other = writeSeedFile('{"mine":true}');
    const refused = await runImport(dir, '--seed-file', other);
    expect(refused.stderr).toContain(`The seed file ${other} is invalid at the top level: unknown field "mine"`);
    expect([refused.code, readFileSync(other, 'utf8')]).toEqual([2, '{"mine":true}']);
  });

  it('does not change an exported account in a seed file', async () => {
    const dir = writeSamples(createSample());
    const document = buildDocument({ key: 'np_mine' });
    for (const [content, prefix] of [
      [document, ''],
      [{ accounts: [document] }, 'np_mine in '],
    ] as const) {
      const file = writeSeedFile(content);
      const before = readFileSync(file, 'utf8');
      const refused = await runImport(dir, '--seed-file', file, ...('format' in content ? [] : ['--key', 'np_mine']));
      expect(refused).toMatchObject({
        code: 2,
        stderr: `nanophoto-emulator: ${prefix}${file} is an exported account; add the rules to a running emulator instead.\n`,
      });
      expect(readFileSync(file, 'utf8')).toBe(before);
    }
  });

  it.each<[string, (dir: string) => void, string]>([
    [
      'a named pipe',
      (dir) => execFileSync('mkfifo', [join(dir, 'a.json')]),
      'a.json cannot be read: it is not a regular file',
    ],
    [
      'a name with control characters',
      (dir) => writeSample(dir, 'a.json', createSample({ name: 'a\u001b[31mb' })),
      'a has an invalid name, which must be one line of text',
    ],
    [
      'a source of two lines',
      (dir) => writeSample(dir, 'a.json', createSample({ source: 'a\nb' })),
      'a has an invalid source, which must be one line of text',
    ],
    [
      'a case that is a number',
      (dir) => writeSample(dir, 'a.json', createSample({ case: 5 })),
      'a has an invalid case, which must be one line of text',
    ],
    [
      'a file name with control characters',
      (dir) => writeSample(dir, 'a\u001b[31m.json', createSample()),
      'a\\u{1b}[31m has an invalid id, which must be one line of text',
    ],
    [
      'an invalid method',
      (dir) => writeSample(dir, 'a.json', createSample({ request: { path: CHECK, method: 'G\u001b' } })),
      'a has an invalid request.method',
    ],
    [
      'a file that is not JSON',
      (dir) => writeFileSync(join(dir, 'a.json'), '\u001b[31m'),
      'a.json cannot be read: Unexpected token',
    ],
  ])('rejects %s with one sentence, as drift does', async (_title, make, sentence) => {
    const dir = tempDir();
    make(dir);
    for (const command of ['import', 'drift'] as const) {
      const { code, stdout, stderr } = await runToolCommand(command, dir);
      expect({ command, code, stdout }).toEqual({ command, code: 2, stdout: '' });
      expect(stderr).toMatch(/^nanophoto-emulator: \P{Cc}+\.\n$/u);
      expect(stderr).toContain(sentence);
    }
  });

  it('adds all rules or none, and exits with one sentence on an error', async () => {
    const url = await serveEmulator(['--fault-limit', '3']);
    const dir = writeSamples(createSample());
    // One less than the limit.
    const rule = { at: 'task', effect: { hang: true }, match: { contains: 'nobody says this' } };
    const call = (init: object = {}) =>
      fetch(`${url}/__admin/accounts/np_test_default/faults`, {
        headers: { 'content-type': 'application/json' },
        ...init,
      });
    for (let n = 0; n < 2; n++) await call({ method: 'POST', body: JSON.stringify(rule) });
    for (const [args, sentence] of [
      [
        [dir, writeSamples(createSample()), '--key', 'np_test_default', '--base-url', url],
        'rejects a rule for np_test_default: ',
      ],
      [[dir, '--key', 'np_nobody', '--base-url', url], `${url} rejects a rule for np_nobody: `],
      [[dir, '--key', '..', '--base-url', url], 'rejects a rule for ..: '],
      [[dir, '--key', 'x', '--base-url', 'http://127.0.0.1:1'], 'No emulator responds at http://127.0.0.1:1'],
      [[dir, '--base-url', url], '--base-url needs --key, the account'],
      [
        [dir, '--seed-file', 'x', '--base-url', url],
        '--base-url cannot be combined with --seed-file; leave one of them out.',
      ],
      [[dir, '--seed-file', join(dir, 'no/where')], 'cannot be written: ENOENT'],
      [[], 'import needs files or directories'],
      [[join(dir, 'nowhere.json')], 'nowhere.json cannot be read: ENOENT'],
      [[dir, '--nonsense'], 'Unknown flag --nonsense; nanophoto-emulator import --help lists the flags.'],
    ] as const) {
      const { code, stdout, stderr } = await runImport(...args);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(/^nanophoto-emulator: [^\n]+\.\n$/);
      expect(stderr).toContain(sentence);
    }
    const { faults } = (await (await call()).json()) as { faults: unknown[] };
    expect(faults).toHaveLength(2);
  });
});
