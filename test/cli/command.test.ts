import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import { isReady } from '../../src/cli/healthcheck.ts';
import { createRemoteToken } from '../../src/cli/start.ts';
import { SetupError } from '../../src/core/errors.ts';
import { packageVersion } from '../../src/paths.ts';
import { RENDER_CONCURRENCY } from '../../src/rendering/render-concurrency.ts';
import { openEmulator } from '../../src/server/emulator.ts';
import { MAIN, postJson, runCommand, startCommand } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const GENERATE = '/api/sora-2/generate';
const VALID = { prompt: 'a dog', mode: 'textToVideo' };

/** Returns the file behind a descriptor of a process; undefined when it has been closed. */
function findOpenFile(pid: number, fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return undefined;
  }
}

/** Sends a request whose body never arrives: a graceful shutdown waits for it for 1.5 s. */
async function sendUnfinishedRequest(url: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(
    `POST ${GENERATE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer np_test_default\r\n` +
      'Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n',
  );
  // The 100 Continue shows that the emulator has the request headers.
  await once(socket, 'data');
}

describe('the command', () => {
  it('starts, logs its URL, responds and shuts down gracefully on SIGTERM', async () => {
    const { ready, url, child, ended } = await startCommand();
    expect(ready).toEqual({
      level: 30,
      time: expect.any(String),
      msg: `ready at ${url}`,
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      data: 'in memory',
      firstKey: 'np_test_default',
      version: packageVersion(),
    });
    expect((await postJson(url, GENERATE, VALID)).status).toBe(200);
    // A keep-alive connection must not delay the shutdown.
    expect(await (await fetch(`${url}/ready`)).json()).toEqual({ status: 'ready' });
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });

  it.runIf(process.platform === 'linux')('limits the threads of the pool that renders images', async () => {
    const program = join(tempDir(), 'count-threads.cjs');
    writeFileSync(
      program,
      `const { readdirSync } = require('node:fs');
      const { pbkdf2 } = require('node:crypto');
      const countThreads = () => readdirSync('/proc/self/task').length;
      process.once('SIGUSR2', async () => {
        const before = countThreads();
        const hash = () => new Promise((resolve) => pbkdf2('a', 'b', 1000, 32, 'sha1', resolve));
        await Promise.all(Array.from({ length: 8 }, hash));
        console.log(JSON.stringify({ started: countThreads() - before }));
      });`,
    );
    const { child, lines } = await startCommand([], { NODE_OPTIONS: `--require=${program}` });
    child.kill('SIGUSR2');
    await expect.poll(lines, { timeout: 10_000 }).toContainEqual({ started: RENDER_CONCURRENCY + 1 });
  });

  it('prints an admin token if other machines can connect, whatever the log level', async () => {
    const { ready, ended, child, url, lines } = await startCommand(['--host', '0.0.0.0', '--log-level', 'warn']);
    const [address] = Object.values(networkInterfaces()).flatMap((all = []) =>
      all.filter((one) => !one.internal && one.family === 'IPv4'),
    );
    const accounts = '/__admin/accounts';
    expect((await fetch(url + accounts)).status).toBe(200);
    if (address) {
      const remote = `http://${address.address}:${new URL(url).port}${accounts}`;
      expect((await fetch(remote)).status).toBe(401);
      expect((await fetch(remote, { headers: { 'x-admin-token': String(ready.adminToken) } })).status).toBe(200);
    }
    child.kill();
    await ended;
    expect(ready.adminToken).toMatch(/^[0-9a-f]{32}$/);
    expect(JSON.stringify(lines()).match(new RegExp(String(ready.adminToken), 'g'))).toHaveLength(1);
  });

  it.each([
    ['--host', 'localhost'],
    ['--host', '127.0.0.2'],
    ['--host', '0.0.0.0', '--admin-token', 'very-secret'],
    ['--host', '0.0.0.0', '--admin-remote', 'on'],
  ])('prints no admin token with %s %s %s', (...flags) => {
    expect(createRemoteToken(readCommand(flags, {}).config)).toBeUndefined();
  });

  it('healthcheck exits with 0 if an emulator is ready, else with 1', async () => {
    const { port } = new URL(await serveEmulator());
    expect(await runCommand(['healthcheck', '--port', port]).ended).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const all = readCommand(['healthcheck'], { NANOPHOTO_EMULATOR_PORT: port, NANOPHOTO_EMULATOR_HOST: '0.0.0.0' });
    expect(await isReady(all.config)).toBe(true);
    expect(await runCommand(['healthcheck', '--port', '1']).ended).toMatchObject({ code: 1, stderr: '' });
    expect(() => readCommand(['healthcheck', '--port', 'x'], {})).toThrow(SetupError);
  });

  it('logs one line per request, without bodies and unknown keys', async () => {
    const { url, child, ended, lines } = await startCommand();
    await postJson(url, GENERATE, { ...VALID, prompt: 'a secret prompt' });
    await postJson(url, `${GENERATE}?token=secret`, { mode: 'textToVideo' });
    await postJson(url, GENERATE, VALID, 'sk_live_secret');
    child.kill('SIGTERM');
    const { stdout } = await ended;
    const requests = lines().filter(({ msg }) => msg === 'request');
    const line = (own: object) => ({
      level: 30,
      time: expect.any(String),
      msg: 'request',
      method: 'POST',
      path: GENERATE,
      account: 'np_test_default',
      durationMs: expect.any(Number),
      requestId: expect.any(String),
      ...own,
    });
    expect(requests).toEqual([
      line({ status: 200, errorCode: null }),
      line({ status: 400, errorCode: 'PROMPT_REQUIRED', reason: 'prompt: PROMPT_REQUIRED' }),
      line({ status: 401, errorCode: 'LOGIN_REQUIRED', account: null, reason: expect.any(String) }),
    ]);
    expect(lines().map(({ msg }) => msg)).toEqual([`ready at ${url}`, 'request', 'request', 'request', 'stopping']);
    expect(stdout).not.toContain('secret');
  });

  it.skipIf(process.platform !== 'linux').each([[[]], [['--host', 'localhost', '--https-port', '0']]])(
    'shuts down gracefully on a signal during the start, with %j',
    async (flags) => {
      const dir = tempDir();
      const file = join(dir, 'emulator.sqlite');
      const other = new Database(file);
      // The start waits for this lock.
      other.exec('BEGIN EXCLUSIVE');
      const { child, ended } = runCommand(['--port', '0', '--data-dir', dir, ...flags]);
      const openFiles = () => readdirSync(`/proc/${child.pid}/fd`).map((fd) => findOpenFile(child.pid!, fd));
      await vi.waitUntil(() => openFiles().includes(file), { interval: 5 });
      child.kill('SIGTERM');
      other.exec('ROLLBACK');
      other.close();
      expect(await ended).toMatchObject({ code: 0, stderr: '' });
    },
  );

  it('shuts down gracefully, although a client never finishes its request, on a Ctrl-C that npm repeats', async () => {
    const { url, child, ended, lines } = await startCommand();
    await sendUnfinishedRequest(url);
    child.kill('SIGINT');
    await vi.waitUntil(() => lines().some(({ msg }) => msg === 'stopping'), { interval: 1 });
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('exits at once on a later Ctrl-C', async () => {
    const { url, child, ended } = await startCommand();
    await sendUnfinishedRequest(url);
    await vi.waitUntil(() => !child.kill('SIGINT') || child.exitCode !== null, { interval: 20 });
    expect((await ended).code).toBe(1);
  });

  it('keeps tasks, credits and rate limits in its data directory across a graceful shutdown', async () => {
    const dir = tempDir();
    const first = await startCommand(['--data-dir', dir, '--speed', '1']);
    const { taskId } = (await postJson(first.url, GENERATE, VALID)).body;
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(0);

    const second = await startCommand(['--data-dir', dir, '--speed', '1']);
    expect(second.ready.data).toBe(dir);
    const polled = await postJson(second.url, '/api/sora-2/check-status', { taskId });
    expect(polled.body.status).toBe('processing');
    expect(polled.headers.get('x-ratelimit-remaining')).toBe('98');
    const ledger = await (await fetch(`${second.url}/__admin/accounts/np_test_default/ledger`)).json();
    expect(ledger).toMatchObject({ balance: 996, held: 4 });
  });

  it('loses no acknowledged task when it is killed, and refunds an interrupted stream', async () => {
    const dir = tempDir();
    const first = await startCommand(['--data-dir', dir, '--speed', '0.1']);
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await postJson(first.url, GENERATE, VALID)).body.taskId);
    const stream = await fetch(`${first.url}/api/sora-2/generate-prompt`, {
      method: 'POST',
      headers: { authorization: 'Bearer np_test_default', 'content-type': 'application/json' },
      body: JSON.stringify({ topic: 'a' }),
    });
    expect(stream.status).toBe(200);
    first.child.kill('SIGKILL');
    expect((await first.ended).signal).toBe('SIGKILL');

    const second = await startCommand(['--data-dir', dir]);
    for (const taskId of ids) {
      expect((await postJson(second.url, '/api/sora-2/check-status', { taskId })).body.status).toBe('processing');
    }
    const admin = `${second.url}/__admin/accounts/np_test_default`;
    expect(await (await fetch(`${admin}/ledger`)).json()).toMatchObject({ balance: 980, held: 20 });
    expect(await (await fetch(`${admin}/ledger/verify`)).json()).toEqual({ ok: true, problems: [] });
  });

  it('neither blocks nor hangs on shutdown when nothing reads its output', async () => {
    const child = spawn(process.execPath, [MAIN, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [first] = (await once(child.stdout, 'data')) as [Buffer];
    child.stdout.pause();
    const url = JSON.parse(first.toString()).url as string;
    // Far more lines than the buffer of a pipe holds.
    const count = 3000;
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.setEncoding('utf8').write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count));
    let received = '';
    for await (const text of socket as AsyncIterable<string>) {
      received += text;
      if (received.split('"ok"').length > count) break;
    }
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });

  it('prints the help, the version and the effective settings', async () => {
    const help = await runCommand(['--help']).ended;
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const flag of ['--port', '--data-dir', '--speed', '--seed-file', '--failed-task-status', '--admin-token']) {
      expect(help.stdout).toContain(flag);
    }
    expect((await runCommand(['--version']).ended).stdout).toBe(`${packageVersion()}\n`);
    const env = { NANOPHOTO_EMULATOR_SPEED: '5', NANOPHOTO_EMULATOR_ADMIN_TOKEN: 'very-secret' };
    const { stdout } = await runCommand(['config', '--port', '1234'], env).ended;
    expect(stdout).toMatch(/^port +1234$/m);
    expect(stdout).toMatch(/^speed +5$/m);
    expect(stdout).toMatch(/^admin-token +\(set\)$/m);
    expect(stdout).not.toContain('very-secret');
  });

  it('warns about variables that are not settings, after the ready line, but not about those of Kubernetes', async () => {
    const { lines } = await startCommand([], {
      NANOPHOTO_EMULATOR_SPED: '1',
      NANOPHOTO_EMULATOR_SERVICE_HOST: '10.0.0.1',
      NANOPHOTO_EMULATOR_SERVICE_PORT_HTTP: '6266',
      NANOPHOTO_EMULATOR_PORT_6266_TCP: 'tcp://10.0.0.1:6266',
      NANOPHOTO_EMULATOR_PORT_6266_TCP_ADDR: '10.0.0.1',
      NANOPHOTO_EMULATOR_HTTPS_PORT: 'tcp://10.0.0.1:443',
    });
    await vi.waitUntil(() => lines().length > 1);
    expect(lines()).toMatchObject([
      { level: 30, msg: expect.stringMatching(/^ready at/) },
      { level: 40, msg: expect.stringContaining('NANOPHOTO_EMULATOR_SPED') },
    ]);
  });

  it('announces an address that the control plane accepts when it listens on all interfaces', async () => {
    const hasIpv6 = Object.values(networkInterfaces())
      .flat()
      .some((address) => address?.address === '::1');
    for (const host of ['0.0.0.0', ...(hasIpv6 ? ['::'] : [])]) {
      const url = await serveEmulator(['--host', host]);
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect((await fetch(`${url}/__admin/accounts`)).status).toBe(200);
    }
  });

  it('announces a port that it chose at any log level but silent', async () => {
    const { ready, url } = await startCommand(['--log-level', 'error']);
    expect(ready).toMatchObject({ level: 50, msg: `ready at ${url}` });
  });
});

describe('a start that is impossible', () => {
  it('ends the command with exit code 2 and one sentence', async () => {
    const { code, stdout, stderr } = await runCommand(['--port', '99999']).ended;
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^nanophoto-emulator: --port must be a port from 0 to 65535, not "99999"[^\n]*\.\n$/);
  });

  it('ends the command when another process uses its data directory', async () => {
    const dir = tempDir();
    await serveEmulator(['--data-dir', dir]);
    const { code, stdout, stderr } = await runCommand(['--data-dir', dir, '--port', '0']).ended;
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^nanophoto-emulator: [^\n]* in use by another emulator[^\n]*\.\n$/);
  });

  /** Starts an emulator in this process as the command does. Returns the message of its error. */
  async function refused(args: string[], env: Record<string, string> = {}): Promise<string> {
    const start = async () => {
      const emulator = await openEmulator(readCommand(args, env).config, pino({ level: 'silent' }));
      onTestFinished(() => emulator.close());
      await emulator.listen();
    };
    const error = await start().then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(SetupError);
    expect(error.message).toMatch(/^[^\n]+\.$/);
    return error.message;
  }

  it('is explained for an invalid setting', async () => {
    expect(await refused([], { NANOPHOTO_EMULATOR_SPEED: 'fast' })).toContain('NANOPHOTO_EMULATOR_SPEED must be');
  });

  it('is explained for an unknown flag or command', async () => {
    expect(await refused(['--prot', '1'])).toContain('Unknown flag --prot');
    expect(await refused(['strat'])).toContain('Unknown command "strat"');
  });

  it('is explained for a port in use', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const sentence = `Port ${port} on 127.0.0.1 is in use; stop the other program or choose another with`;
    expect(await refused(['--port', String(port)])).toContain(`${sentence} --port (0`);
    expect(await refused(['--port', '0', '--https-port', String(port)])).toContain(`${sentence} --https-port (0`);
  });

  it('is explained for a host that is not an address of this machine', async () => {
    expect(await refused(['--port', '0', '--host', '203.0.113.7'])).toContain('has no address 203.0.113.7');
  });

  it('is explained for a data directory that cannot be created', async () => {
    expect(await refused(['--data-dir', '/proc/nowhere'])).toContain('choose another with --data-dir');
  });

  it.skipIf(process.getuid?.() === 0)('is explained for a data directory that is not writable', async () => {
    const dir = join(tempDir(), 'closed');
    mkdirSync(dir);
    chmodSync(dir, 0o500);
    expect(await refused(['--data-dir', dir])).toContain('--data-dir');
  });

  it('is explained for a missing or invalid seed file', async () => {
    const file = join(tempDir(), 'seed.json');
    expect(await refused(['--seed', file])).toContain(`The seed file ${file} cannot be read`);
    writeFileSync(file, '{"accounts":[{"key":"k","credits":-1}]}');
    expect(await refused(['--seed-file', file])).toContain('is invalid at accounts[0].credits');
  });
});
