import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runCommand } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runToolCommand } from '../support/tools.ts';

const runVerify = (...args: string[]) => runToolCommand('verify', ...args);

/** Starts a server that sends the same response to every request. */
async function stub(status: number, text: string): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status, { 'content-type': 'text/plain' }).end(text));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('verify', () => {
  it('reports that cases hold for an emulator, and exits with 0', async () => {
    const url = await serveEmulator(['--admin-token', 'sesame-sesame']);
    const output = join(tempDir(), 'report.xml');
    const { code, stdout, stderr } = await runVerify(
      ...['--base-url', `${url}/`, '--admin-token', 'sesame-sesame', '--provenance', 'documented', '--format', 'junit'],
      ...['--output', output, '--only', 'veo-3/,sora/,sora-2/check-status'],
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
    const xml = readFileSync(output, 'utf8');
    expect(XMLValidator.validate(xml)).toBe(true);
    const [documented, ...others] = new XMLParser({ ignoreAttributes: false }).parse(xml).testsuites.testsuite;
    expect(documented).toMatchObject({ '@_failures': '0', '@_skipped': '0' });
    expect(documented.testcase.length).toBeGreaterThan(50);
    for (const suite of others) expect(suite).toMatchObject({ '@_tests': '0' });
  });

  it('prints expected and actual responses for each mismatch, and exits with 1', async () => {
    const url = await stub(200, '<hello> & \u0001 "you" 🎬');
    const human = await runVerify('--base-url', url, '--key', 'some-key', '--provenance', 'documented');
    expect(human.code).toBe(1);
    expect(human.stdout).toContain(
      '  DIFFERS      sora-2/generate/without-key: /api/sora-2/generate: a request without a key is rejected\n' +
        '                 expected the content type application/json\n' +
        '                 got      200, text/plain: <hello> & \\u{1} "you" 🎬\n',
    );
    expect(human.stdout).toMatch(/\nall +0 +\d+ +\d+\n\n4 credits spent\n$/);
    // After the server has accepted an invalid request, no other is sent.
    expect(human.stdout).toContain('the server accepted a request that must be refused, and may have charged for it');

    const junit = await runVerify(
      '--base-url',
      url,
      '--key',
      'some-key',
      '--provenance',
      'documented',
      '--format',
      'junit',
    );
    expect([junit.code, XMLValidator.validate(junit.stdout)]).toEqual([1, true]);
    const [{ testcase }] = new XMLParser().parse(junit.stdout).testsuites.testsuite;
    expect(testcase.length).toBeGreaterThan(250);
    const [failed] = testcase.filter((one: object) => 'failure' in one);
    expect(failed.failure).toContain('<hello> & \ufffd "you" 🎬');

    const json = await runVerify(
      '--base-url',
      url,
      '--key',
      'some-key',
      '--provenance',
      'observed,assumed',
      '--format',
      'json',
    );
    const report = JSON.parse(json.stdout);
    expect(report).toMatchObject({ url, isControlled: false, creditsSpent: 0 });
    expect(report.outcomes.map(({ provenance }: { provenance: string }) => provenance)).not.toContain('documented');
    expect(report.totals.documented).toEqual({ holds: 0, differs: 0, 'not checked': 0 });
    expect(json.stdout + json.stderr).not.toContain('some-key');
  });

  it('runs only the cases that --only selects', async () => {
    const url = await serveEmulator();
    const selection = ['--only', 'veo-3/generate/price,sora/remove', '--format', 'json'];
    const { stdout } = await runVerify('--base-url', url, ...selection);
    const ids = JSON.parse(stdout).outcomes.map(({ id }: { id: string }) => id);
    expect(ids).toContain('veo-3/generate/price-4k');
    expect(ids.every((id: string) => /^(veo-3\/generate\/price|sora\/remove)/.test(id))).toBe(true);
    const none = await runVerify('--base-url', url, '--only', 'veo-4');
    expect([none.code, none.stderr]).toEqual([
      2,
      'nanophoto-emulator: Nothing could be checked: no case matches --only and --provenance.\n',
    ]);
  });

  it('exits with 2 when nothing could be checked', async () => {
    const gone = await stub(404, 'nothing here');
    const unchecked = await runVerify('--base-url', gone, '--provenance', 'observed');
    expect(unchecked).toMatchObject({ code: 2 });
    expect(unchecked.stderr).toMatch(/^nanophoto-emulator: Nothing could be checked: needs .*\.\n$/);
  });

  it.each([
    [['--base-url', 'http://127.0.0.1:1'], 'No server responds at http://127.0.0.1:1 (bad port); check --base-url.'],
    [['--base-url', 'http://me:secret@localhost'], '--base-url must be a URL without credentials, query and fragment.'],
    [['--key', 'two words'], 'The API key, from --key or NANOPHOTO_API_KEY, must consist of visible ASCII characters.'],
    [['--base-url', 'nanophoto.ai'], '--base-url must be an http or https URL, not "nanophoto.ai".'],
    [['--spend=-1'], '--spend must be a whole number from 0 to 999999999, not "-1".'],
    [['--spend', '1.5'], '--spend must be a whole number from 0 to 999999999, not "1.5".'],
    [
      ['--provenance', 'documented,Y'],
      '--provenance must be a comma-separated list of documented, observed, assumed, not "documented,Y".',
    ],
    [['--format', 'xml'], '--format must be one of human, json, junit, not "xml".'],
    [['--nonsense'], 'Unknown flag --nonsense; nanophoto-emulator verify --help lists the flags.'],
    [['nonsense'], 'Unexpected "nonsense"; nanophoto-emulator verify --help lists the flags.'],
    [['--key'], '--key needs a value; nanophoto-emulator verify --help describes it.'],
    [['--help=yes'], '--help takes no value.'],
  ])('rejects %j with one sentence', async (args, sentence) => {
    const { code, stdout, stderr } = await runVerify(...args);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: `nanophoto-emulator: ${sentence}\n`,
    });
  });

  it('asks for --admin-token when the control plane requires one', async () => {
    const url = await serveEmulator(['--admin-token', 'sesame-sesame']);
    const closed = await runVerify('--base-url', url);
    expect([closed.code, closed.stderr]).toEqual([
      2,
      `nanophoto-emulator: ${url} requires an admin token; pass --admin-token.\n`,
    ]);
  });

  it.each([
    ['/no/such/dir/report', /: ENOENT/],
    [import.meta.dirname, /: it is a directory\.\n$/],
  ])('exits before the first request when it cannot write the report to %s', async (file, pattern) => {
    let requestCount = 0;
    const url = await startService((_body, _request, response) => {
      requestCount += 1;
      response.end();
    });
    const { code, stderr } = await runVerify('--base-url', url, '--output', file);
    expect([code, requestCount]).toEqual([2, 0]);
    expect(stderr).toMatch(/^nanophoto-emulator: [^\n]+ cannot be written: [^\n]+\.\n$/);
    expect(stderr).toMatch(pattern);
  });

  it('does not touch the file of --output until the report is complete', async () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'old'), 'the last report');
    for (const name of ['old', 'new'])
      expect((await runVerify('--base-url', 'http://127.0.0.1:1', '--output', join(dir, name))).code).toBe(2);
    expect(readFileSync(join(dir, 'old'), 'utf8')).toBe('the last report');
    expect(readdirSync(dir)).toEqual(['old']);
  });

  it('escapes control characters in responses', async () => {
    const url = await stub(404, '\u001b[2J\u202ehidden\n  holds everything');
    const { stdout } = await runVerify('--base-url', url, '--key', 'some-key', '--only', 'sora-2/check-status/');
    expect(stdout).toContain('404 \\u{1b}[2J\\u{202e}hidden\\n  holds everything');
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });

  it('polls a task until it has ended on a server without a control plane', async () => {
    let polls = 0;
    const server = createServer((request, response) => {
      const sendJson = (status: number, body: object) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      request.resume().on('end', () => {
        if (request.url!.startsWith('/__admin')) return sendJson(404, {});
        const task = { success: true, taskId: 'task_1-2' };
        if (request.url!.endsWith('/generate')) return sendJson(200, { ...task, status: 'processing', message: 'x' });
        polls += 1;
        const status = polls < 2 ? 'processing' : 'completed';
        return sendJson(200, {
          success: true,
          status,
          progress: 'generating',
          message: 'x',
          taskId: 'task_1-2',
        });
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const flags = ['--key', 'k', '--spend', '4', '--poll-every', '0', '--only', 'sora-2/check-status-completed'];
    const { code, stdout } = await runVerify('--base-url', url, ...flags);
    expect([code, polls]).toEqual([1, 2]);
    expect(stdout).toContain('4 credits spent');
  });

  it('keeps the key out of its report, and sends the admin token only to an emulator', async () => {
    const receivedHeaders: string[] = [];
    const server = createServer((request, response) => {
      receivedHeaders.push(JSON.stringify(request.headers));
      const echo = { error: `no ${request.headers.authorization}`, token: request.headers['x-admin-token'] };
      response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify(echo));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { NANOPHOTO_EMULATOR_ADMIN_TOKEN: 'sesame-sesame', NANOPHOTO_API_KEY: 'sk-secret-1234\n' };
    const only = ['--base-url', url, '--only', 'sora-2/generate'];
    const { code, stdout, stderr } = await runCommand(['verify', ...only], env).ended;
    expect(code).toBe(1);
    expect(receivedHeaders.join()).toContain('Bearer sk-secret-1234');
    expect(receivedHeaders.join()).not.toContain('sesame');
    expect(stdout + stderr).not.toContain('sk-secret-1234');
    expect(stdout).toContain('no Bearer [key]');
  });

  it('recognizes a server without a control plane', async () => {
    const server = createServer((request, response) => {
      const isAdmin = request.url!.startsWith('/__admin');
      response.writeHead(isAdmin ? 403 : 404, { 'content-type': 'text/html' }).end('<html>');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, stdout } = await runVerify('--base-url', url, '--only', 'sora-2/generate/without-key');
    expect(code).toBe(1);
    expect(stdout).toContain(`${url}, without a control plane`);
  });

  it('lists its flags with --help', async () => {
    const { code, stdout } = await runVerify('--help');
    expect(code).toBe(0);
    for (const flag of [
      'base-url',
      'key',
      'admin-token',
      'spend',
      'patience',
      'poll-every',
      'provenance',
      'only',
      'format',
      'output',
    ])
      expect(stdout).toContain(`  --${flag} `);
  });
});
