import { scrypt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runState } from '../../src/cli/state.ts';
import { type StartOptions, startEmulator } from '../../src/index.ts';
import { buildDocument } from '../support/account-document.ts';
import { runCommand } from '../support/command.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runTool } from '../support/tools.ts';

async function start(options: StartOptions = {}) {
  const emulator = await startEmulator(options);
  onTestFinished(() => emulator.close());
  return emulator;
}

async function serve(respond: RequestListener): Promise<string> {
  const server = createServer(respond).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Writes a document and returns its path. */
function writeDocument(document: unknown = buildDocument()): string {
  const file = join(tempDir(), 'state.json');
  writeFileSync(file, typeof document === 'string' ? document : JSON.stringify(document));
  return file;
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

describe('state', () => {
  it('imports a file and exports it again', async () => {
    const { url } = await start();
    const exported = join(tempDir(), 'exported.json');
    expect(await runTool('state', 'import', writeDocument(), '--url', url)).toMatchObject({
      ...{ code: 0, stdout: `Imported np_imported at ${url}.\n` },
    });
    expect(await runTool('state', 'export', exported, '--url', `${url}/`, '--key', 'np_imported')).toMatchObject({
      ...{ code: 0, stdout: `Exported np_imported to ${exported}.\n` },
    });
    expect(JSON.parse(readFileSync(exported, 'utf8'))).toEqual(buildDocument());
    await runTool('state', 'export', exported, '--url', url, '--key', 'np_imported', '--include', 'verdict');
    expect(JSON.parse(readFileSync(exported, 'utf8'))).toMatchObject({ verdict: { ok: true } });
  });

  it('exports the only account without --key', async () => {
    const { url, account, accounts } = await start({ seedFile: writeDocument() });
    const file = join(tempDir(), 'exported.json');
    expect((await runTool('state', 'export', file, '--url', url)).code).toBe(0);
    await accounts.create({ key: 'np_other' });
    expect((await runTool('state', 'export', file, '--url', url)).sentence).toBe(
      `state export needs --key: ${url} has several accounts.`,
    );
    for (const { key } of await accounts.list()) await account(key).remove();
    expect((await runTool('state', 'export', file, '--url', url)).sentence).toBe(
      `${url} has no account to export; send a request with an API key first, or check --url.`,
    );
  });

  it('renames and replaces accounts', async () => {
    const { url, account } = await start();
    const file = writeDocument();
    for (const [args, sentence] of [
      [['--key', 'np_new'], undefined],
      [['--key', 'np_new'], `${url} rejects the request: An account with the key np_new already exists.`],
      [['--key', 'np_new', '--replace'], undefined],
    ] as const) {
      const result = await runTool('state', 'import', file, '--url', url, ...args);
      expect(result.sentence).toBe(sentence);
    }
    expect(await account('np_new').get()).toMatchObject({ credits: 2 });
  });

  it('sends the admin token', async () => {
    const { url } = await start({ adminToken: 'very-secret' });
    const args = ['import', writeDocument(), '--url', url];
    expect((await runTool('state', ...args)).sentence).toContain('rejects the request: Send the admin token');
    expect((await runTool('state', ...args, '--admin-token', 'very-secret')).code).toBe(0);
  });

  it('reads standard input and writes standard output for -', async () => {
    const { url } = await start();
    const imported = runCommand(['state', 'import', '-', '--url', url]);
    imported.child.stdin.end(JSON.stringify(buildDocument()));
    expect(await imported.ended).toMatchObject({ code: 0 });
    const { code, stdout } = await runCommand(['state', 'export', '-', '--url', url, '--key', 'np_imported']).ended;
    expect([code, JSON.parse(stdout)]).toEqual([0, buildDocument()]);
  });

  it.each([
    [[], 'state needs export or import.'],
    [['save', 'x'], 'state needs export or import, not "save".'],
    [['export'], 'state export needs a file, or - for standard output.'],
    [['import'], 'state import needs a file, or - for standard input.'],
    [['import', 'a', 'b'], 'state import takes one file; leave out "b".'],
    [['import', 'a', '--url', 'x'], '--url must be an http or https URL, not "x".'],
    [['import', 'a', '--include', 'verdict'], '--include is only valid with export; leave it out.'],
    [['export', 'a', '--replace'], '--replace is only valid with import; leave it out.'],
    [['export', 'a', '--file'], 'Unknown flag --file; nanophoto-emulator state --help lists the flags.'],
    [
      ['import', '/no/such.json'],
      "/no/such.json cannot be read: ENOENT: no such file or directory, stat '/no/such.json'.",
    ],
    [['import', '/dev/zero'], '/dev/zero cannot be read: it is not a regular file.'],
    [['export', '/dev/null'], '/dev/null cannot be written: it is not a regular file.'],
  ])('rejects %j with one sentence', async (args, sentence) => {
    expect(await runTool('state', ...args)).toMatchObject({ code: 2, sentence });
  });

  it('names the error in a file', async () => {
    const { url } = await start();
    const document = buildDocument();
    document.tasks[1]!.status = 'runs';
    expect((await runTool('state', 'import', writeDocument(document), '--url', url)).sentence).toContain(
      `${url} rejects the request: Invalid parameter tasks[1].status: `,
    );
    expect((await runTool('state', 'import', writeDocument('{"format":'), '--url', url)).sentence).toContain(
      'Invalid parameter format: the document is cut short here',
    );
  });

  it('keeps an existing file when the export fails', async () => {
    const url = await serve((request, response) => {
      if (request.url!.includes('missing')) response.writeHead(404).end('{"error":"No account."}');
      else response.writeHead(200, { ...JSON_TYPE, 'content-length': 1000 }).write('{"a":', () => response.destroy());
    });
    const file = writeDocument('before');
    const otherFile = `${file}.partial`;
    writeFileSync(otherFile, 'other');
    const run = (key: string) => runTool('state', 'export', file, '--url', url, '--key', key);
    expect((await run('missing')).sentence).toBe(`${url} rejects the request: No account.`);
    expect((await run('half')).sentence).toMatch(/^The document of half is cut short: /);
    expect(readFileSync(file, 'utf8')).toBe('before');
    expect(readdirSync(dirname(file)).toSorted()).toEqual([basename(file), basename(otherFile)]);
    expect(readFileSync(otherFile, 'utf8')).toBe('other');
  });

  it('leaves no incomplete file when the response ends before a busy thread pool could open the file', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, JSON_TYPE).write('{"a":', () => response.destroy());
    });
    const file = writeDocument('before');
    const busyThreads = Array.from({ length: 16 }, () => promisify(scrypt)('a', 'b', 64));
    await expect(runState(['export', file, '--url', url, '--key', 'np_a'], {})).rejects.toThrow('is cut short');
    await Promise.all(busyThreads);
    expect(readdirSync(dirname(file))).toEqual([basename(file)]);
  });

  // Windows cannot send signals to a process.
  it.skipIf(process.platform === 'win32')('leaves no incomplete file when a signal ends it', async () => {
    const url = await serve((_request, response) => void response.writeHead(200, JSON_TYPE).write('{"a":'));
    const file = writeDocument('before');
    const partialFiles = () => readdirSync(dirname(file)).filter((name) => name.endsWith('.partial'));
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const { child, ended } = runCommand(['state', 'export', file, '--url', url, '--key', 'np_a']);
      await expect.poll(partialFiles, { timeout: 30_000 }).toHaveLength(1);
      child.kill(signal);
      expect(await ended).toMatchObject({ signal, code: null });
      expect(partialFiles()).toEqual([]);
    }
    expect(readFileSync(file, 'utf8')).toBe('before');
  });

  it('rejects a server that is not an emulator but responds to every path with a page', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    });
    const file = writeDocument('before');
    for (const args of [
      ['export', file],
      ['export', file, '--key', 'np_a'],
      ['import', file],
    ]) {
      const { code, sentence } = await runTool('state', ...args, '--url', url);
      expect([code, sentence], `${args}`).toEqual([2, `${url} is not an emulator; check --url.`]);
    }
    expect(readFileSync(file, 'utf8')).toBe('before');
  });

  it('escapes control characters in a key that the server names', async () => {
    const url = await serve((request, response) => {
      response
        .writeHead(200, JSON_TYPE)
        .end(request.url!.includes('/export') ? '{}' : JSON.stringify({ accounts: [{ key: 'a\u001b[31m' }] }));
    });
    const { stdout } = await runTool('state', 'export', join(tempDir(), 'state.json'), '--url', url);
    expect(stdout).toMatch(/^Exported a\\u\{1b\}\[31m to /);
  });

  it('says what is wrong with the file or the server', async () => {
    const { url } = await start();
    const dir = tempDir();
    mkdirSync(join(dir, 'directory'));
    const toDirectory = await runTool(
      'state',
      'export',
      join(dir, 'directory'),
      '--url',
      url,
      '--key',
      'np_test_default',
    );
    expect(toDirectory.sentence).toMatch(/directory cannot be written: /);
    const toNowhere = await runTool('state', 'export', join(dir, 'no/file'), '--url', url, '--key', 'np_test_default');
    expect(toNowhere.sentence).toMatch(/no\/file cannot be written: ENOENT/);
    const other = await serve((_request, response) => void response.writeHead(302, { location: '/' }).end());
    expect((await runTool('state', 'import', writeDocument(), '--url', other)).sentence).toBe(
      `${other} is not an emulator; check --url.`,
    );
    const nothing = await runTool('state', 'import', writeDocument(), '--url', 'http://127.0.0.1:1');
    expect(nothing.sentence).toMatch(/^No emulator responds at http:\/\/127.0.0.1:1 \(.*\); check --url\.$/);
  });
});
