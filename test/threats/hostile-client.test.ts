import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasProgram, MAIN } from '../support/command.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { sendRawBytes } from '../support/raw-http.ts';
import { completeTask } from '../support/results.ts';
import { tempDir } from '../support/temp-dir.ts';
import { createTestClock } from '../support/test-clock.ts';

const VALID = { prompt: 'a dog', mode: 'textToVideo' };
const CONTROL = '\u0007\u001b[2J\u009b31m\r\n';

describe('hostile clients', () => {
  // id: no-prototype-pollution
  it('cannot pollute prototypes with fields named __proto__, constructor or prototype', async () => {
    const { send, get } = await createTestEmulator();
    const { paths } = (await get('/openapi.json')).body;
    const poison = '"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":{"polluted":1}';
    const calls = [
      ...Object.keys(paths),
      '/__admin/accounts',
      '/__admin/faults',
      '/__admin/accounts/np_test_default/credits',
      '/__admin/accounts/__proto__/credits',
      '/__admin/accounts/constructor/reset',
    ];
    expect(calls.length).toBeGreaterThan(15);
    const names = Object.getOwnPropertyNames(Object.prototype);
    for (const path of calls) {
      for (const body of [
        `{${poison}}`,
        `{"shots":[{${poison}}],"match":{${poison}},"effect":{${poison}},${poison}}`,
      ]) {
        const { status } = await send('POST', path, { key: 'np_test_unlimited', body });
        expect([400, 404], path).toContain(status);
      }
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(names);
    expect((await send('POST', '/api/sora-2/generate', { body: VALID })).status).toBe(200);
  });

  // id: no-header-injection
  it('cannot inject response headers', async () => {
    const emulator = await createTestEmulator();
    const { videoUrl } = await completeTask(emulator as never, 'sora-2');
    await emulator.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = emulator.app.server.address() as { port: number };
    const path = new URL(videoUrl).pathname;
    const key = 'Authorization: Bearer np_test_default\r\n';
    const lines = [
      `GET ${path}?download=a%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\nHost: x\r\n`,
      `GET ${path}?download=a%0d%0a%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n`,
      `GET /api/%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\nHost: x\r\n${key}`,
      `GET /__admin/accounts/a%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\nHost: localhost\r\n`,
      `GET /docs/%0d%0aSet-Cookie:%20evil=1 HTTP/1.1\r\nHost: localhost\r\n`,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nx-emulator-fault: fail=A%0d%0aSet-Cookie: evil=1\r\n`,
      ...['\n', '\r', '\0', '\x85', '\r\n\t', '%0d%0a'].map(
        (ending) => `GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: a${ending}Set-Cookie: evil=1\r\n`,
      ),
    ];
    for (const head of lines) {
      const answer = (await sendRawBytes(port, `${head}Connection: close\r\n\r\n`)).bytes.toString('latin1');
      const [, headers] = /^(HTTP\/1\.1 \d{3} [\s\S]*?)\r\n\r\n/.exec(answer)!;
      expect(headers).not.toMatch(/^set-cookie/im);
    }
  });

  // id: invalid-host-not-in-urls
  it.each(['"><script>', 'evil.test/x?', 'user@evil.test', 'a b', 'evil.test#', '\\evil.test', "'"])(
    'cannot inject the Host %s into result URLs',
    async (host) => {
      const { post, clock, app } = await createTestEmulator();
      const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
      const { taskId } = (await post('/api/sora-2/generate', VALID)).body;
      clock.advance(600_000);
      const body = JSON.stringify({ taskId });
      const { bytes } = await sendRawBytes(
        port,
        `POST /api/sora-2/check-status HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nAuthorization: Bearer np_test_default\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      const [, url] = /"videoUrl":"([^"]*)"/.exec(bytes.toString())!;
      expect(url).toBe(`http://127.0.0.1:${port}/media/sora/${taskId}.mp4`);
    },
  );

  // id: no-path-traversal
  it('cannot read or write files by path traversal', async () => {
    const dir = tempDir();
    const { send, authority, close } = await createTestEmulator(['--data-dir', dir]);
    await authority();
    const names = [
      '../../../../etc/passwd',
      '..%2f..%2fetc%2fpasswd',
      '/etc/passwd',
      '..\\..\\a',
      '%00',
      'authority.pem',
    ];
    for (const name of names) {
      for (const path of ['/media/', '/media/sora/', '/docs/', '/', '/__admin/accounts/np_test_default/snapshots/']) {
        const answer = await send('GET', path + name);
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answer.text).not.toMatch(/root:|BEGIN|SQLite/);
      }
      const body = { name };
      const taken = await send('POST', '/__admin/accounts/np_test_default/snapshots', { key: null, body });
      // Names are only text in the database.
      expect(taken.status).toBe(/^[\w.-]+$/.test(name) ? 201 : 400);
    }
    expect(readdirSync(dir).filter((file) => !/^(authority\.pem|emulator\.sqlite(-wal|-shm)?)$/.test(file))).toEqual(
      [],
    );
    await close();
  });

  // id: result-names-not-guessable
  it('cannot guess results of an account with an unknown seed', async () => {
    const idOf = async (flags: string[]) => {
      const { post } = await createTestEmulator(flags);
      return (await post('/api/sora-2/generate', VALID)).body.taskId;
    };
    const known = await idOf([]);
    // With the documented default seed, ids are predictable.
    expect(await idOf([])).toBe(known);
    expect(await idOf(['--seed', 'nobody knows this'])).not.toBe(known);
    expect(known).toMatch(/^task_[0-9a-f]{24}$/);
  });

  // id: admin-token-not-guessable
  it('cannot enter the control plane with a part or an extension of the token', async () => {
    const token = 'very-secret-token';
    const { send } = await createTestEmulator(['--admin-token', token]);
    const statusOf = async (sent: string) =>
      (await send('GET', '/__admin/accounts', { key: null, headers: { 'x-admin-token': sent } })).status;
    for (let length = 0; length < token.length; length++) {
      expect(await statusOf(token.slice(0, length))).toBe(401);
      expect(await statusOf(token.slice(0, length) + 'x'.repeat(token.length - length))).toBe(401);
    }
    for (const sent of [`${token}x`, token.toUpperCase(), `${token}, ${token}`, 'undefined']) {
      expect(await statusOf(sent)).toBe(401);
    }
    expect(await statusOf(token)).toBe(200);
  });
});

describe('stored and logged data', () => {
  // id: data-files-owner-only
  it('is readable by its owner only', async () => {
    const dir = join(tempDir(), 'data');
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    const { authority, post } = await createTestEmulator(['--data-dir', dir]);
    await authority();
    await post('/api/sora-2/generate', VALID);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    const modes = readdirSync(dir).map((file) => [file, statSync(join(dir, file)).mode & 0o777]);
    expect(modes.length).toBeGreaterThan(2);
    for (const [file, mode] of modes) expect([file, mode]).toEqual([file, 0o600]);
  });

  // id: log-has-no-secrets
  it('logs no keys except test keys, and no tokens, prompts or queries', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line) => void lines.push(line) });
    const token = 'very-secret-token';
    const key = 'sk_live_0123456789abcdef';
    const { send } = await createTestEmulator(['--admin-token', token], createTestClock(), logger);
    const control = (method: string, path: string, body?: object) =>
      send(method, path, { key: null, headers: { 'x-admin-token': token }, ...(body && { body }) });
    const made = await control('POST', '/__admin/accounts', { key });
    expect(made.status).toBe(201);
    for (const [method, path, body] of [
      ['POST', '/__admin/accounts', { key }],
      ['POST', `/__admin/accounts/np_test_default/fork`, { to: key }],
      ['GET', `/__admin/accounts/${key}`],
      ['GET', `/__admin/accounts/${key}-2/ledger`],
      ['PUT', `/__admin/accounts/${key}/clock`, { mode: 'frozen', now: '1999-01-01T00:00:00.000Z' }],
      ['POST', `/__admin/accounts/${key}/clock/advance`, { ms: -1 }],
      ['POST', `/__admin/accounts/${key}/snapshots/none/restore`, {}],
    ] as const) {
      await control(method, path, body);
    }
    await send('GET', '/__admin/accounts', { key: null, headers: { 'x-admin-token': `${token}-wrong` } });
    await send('POST', `/api/none?api_key=${key}`, { key, body: {} });
    await send('POST', '/api/sora-2/generate', {
      key,
      body: { ...VALID, prompt: 'secret words' },
    });
    await send('POST', '/api/sora-2/generate', { key: `${key}-unknown`, body: VALID });
    await send('POST', '/api/sora-2/generate', { key, body: '{"prompt":"secret words"' });
    await send('GET', '/media/sora/none.mp4?token=secret words', { key });
    expect(lines.length).toBeGreaterThan(12);
    const text = lines.join('');
    for (const secret of ['0123456789abcdef', token, 'secret', 'words']) expect(text).not.toContain(secret);
    expect(text).toContain('/__admin/accounts/sk_l…/ledger');
    expect(text).toContain('No account has the key sk_l…');
  });

  // id: log-redacts-encoded-keys
  it('logs no key that a request repeats, plain or encoded, in its path or its headers', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line) => void lines.push(line) });
    const key = 'sk_live_0123456789abcdef';
    const { send, createAccount } = await createTestEmulator([], createTestClock(), logger);
    createAccount(key);
    const percent = Buffer.from(key).toString('hex').replaceAll(/../g, '%$&');
    const base64 = Buffer.from(`x:${key}`).toString('base64url');
    for (const form of [key, percent, percent.toUpperCase(), base64]) {
      await send('POST', `/api/${form}`, { key, body: VALID });
      await send('POST', '/api/sora-2/generate', { key, body: VALID, headers: { 'content-encoding': form } });
      await send('GET', `/media/sora/${form}.mp4`, { key });
    }
    // Without a header that names the key, the segments of the path are compared with the keys of all accounts.
    for (const form of [key, percent]) {
      for (const path of [`/api/${form}`, `/media/${form}`, `/${form}/generate`, `/__admin/account/${form}`]) {
        await send('GET', path, { key: null });
      }
      await send('GET', `/__admin/accounts/${form}/nothing`, { key: null });
      await send('GET', `/__admin/accounts/${form}/tasks/${form}`, { key: null });
      await send('GET', `/__admin/accounts/np_test_default/tasks/${form}`, { key: null });
    }
    await send('POST', '/__admin/accounts', { key: null, body: { key, ['x'.repeat(2000)]: 1 } });
    expect(lines).toHaveLength(27);
    const text = lines.join('');
    for (const form of [key, percent, base64]) {
      expect(text.toLowerCase()).not.toContain(form.slice(12, -4).toLowerCase());
    }
    expect(text).toContain('"path":"/api/sk_l…"');
    expect(text).toContain('the body is encoded as sk_l…');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(1400);
  });

  // id: log-one-line-per-request
  it('logs one line of JSON per request, whatever the request contains', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
    const { send } = await createTestEmulator([], createTestClock(), logger);
    const odd = encodeURIComponent(`${CONTROL}{"level":60,"msg":"forged"}`);
    await send('GET', `/__admin/accounts/${odd}`);
    await send('POST', `/api/${odd}`, { body: {} });
    await send('POST', '/api/sora-2/generate', { body: { ...VALID, aspectRatio: `${CONTROL}forged` } });
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      expect(line.trimEnd().split(/\p{Cc}/u)).toHaveLength(1);
      expect(JSON.parse(line)).toMatchObject({ level: 30, msg: 'request' });
    }
  });

  // id: log-no-terminal-escapes
  it.skipIf(!hasProgram('python3', '-c', 'import pty'))('cannot send control sequences to a terminal', async () => {
    const { stdout } = await promisify(execFile)(
      'python3',
      ['-c', IN_TERMINAL, process.execPath, MAIN, '--port', '0'],
      { env: { PATH: process.env.PATH! }, timeout: 20_000, encoding: 'latin1' },
    );
    expect(stdout).toContain('No account has the key');
    // The colors are the emulator's own.
    for (const order of ['\u001b[2J', '\u0007', '\u00c2\u009b']) expect(stdout).not.toContain(order);
  });
});

/** Runs the emulator in a terminal, requests an account with an odd key and returns the output of the terminal. */
const IN_TERMINAL = `
import os, pty, re, signal, sys, urllib.request
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
output = b''
def read_until(pattern):
    global output
    while not re.search(pattern, output):
        output += os.read(terminal, 4096)
    return re.search(pattern, output)
url = read_until(rb'ready at (http://[0-9.:]+)').group(1).decode()
try:
    urllib.request.urlopen(url + '/__admin/accounts/np_test_%07%1b%5b2J%c2%9b31m')
except urllib.error.HTTPError:
    pass
read_until(rb'No account has the key[^\\n]*\\n')
os.kill(pid, signal.SIGKILL)
sys.stdout.buffer.write(output)
`;
