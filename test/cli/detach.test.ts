import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { packageVersion } from '../../src/paths.ts';
import { hasProgram, MAIN, postJson, runCommand, startCommand } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Runs commands that share a directory for temporary files, as those of one user do. */
function createShell() {
  const dir = tempDir();
  const run = (args: string[], env: Record<string, string> = {}) => runCommand(args, { TMPDIR: dir, ...env });

  /** Starts a detached emulator, on a free port unless another is given. It is killed after the test. */
  async function start(args: string[] = ['--port', '0']) {
    const { code, stdout, stderr } = await run(['start', '--detach', ...args]).ended;
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^\{.*\}\n$/);
    const emulator = JSON.parse(stdout) as { url: string; port: number; pid: number; log: string };
    onTestFinished(() => kill(emulator.pid));
    return { ...emulator, at: ['--port', String(emulator.port)] };
  }

  /** Runs a command that exits with 2 and returns its sentence. */
  async function refused(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(args).ended;
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^nanophoto-emulator: [^\n]+\.\n$/);
    return stderr.replace(/^nanophoto-emulator: /, '').trimEnd();
  }

  const stateDir = join(dir, `nanophoto-emulator-user-${process.getuid?.()}`);
  return { dir, stateDir, run, start, refused };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Whether a process runs. A process that has ended without being waited for, as in containers, does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Whether another program could listen on this port. */
const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

describe.skipIf(process.platform !== 'linux')('start --detach', () => {
  it('returns when the emulator is ready, and prints how to reach it as one line of JSON', async () => {
    const { dir, stateDir, start } = createShell();
    const data = join(dir, 'data');
    const { at: _, ...printed } = await start(['--port', '0', '--https-port', '0', '--data-dir', data]);
    expect(printed).toEqual({
      url: `http://127.0.0.1:${printed.port}`,
      port: expect.any(Number),
      httpsPort: expect.any(Number),
      pid: expect.any(Number),
      data,
      firstKey: 'np_test_default',
      version: packageVersion(),
      log: expect.stringMatching(/\.log$/),
    });
    const { status } = await postJson(printed.url, '/api/sora-2/generate', { prompt: 'a', mode: 'textToVideo' });
    expect(status).toBe(200);
    // The line of a request may be written after the response.
    await vi.waitUntil(() => readFileSync(printed.log, 'utf8').split('\n').length > 2);
    const log = readFileSync(printed.log, 'utf8').trim().split('\n');
    expect(log.map((line) => JSON.parse(line).msg)).toEqual([`ready at ${printed.url}`, 'request']);
    expect([statSync(stateDir).mode & 0o777, statSync(printed.log).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  it('serves port 80, which URLs leave out, if this user may', async ({ skip }) => {
    skip(!(await isFree(80)));
    const { start, run } = createShell();
    expect(await start(['--port', '80'])).toMatchObject({ url: 'http://127.0.0.1:80', port: 80 });
    expect((await run(['stop', '--port', '80']).ended).code).toBe(0);
  });

  it('prints the admin token that other machines need, and warnings about the environment to stderr', async () => {
    const { run } = createShell();
    const args = ['--detach', '--port', '0', '--host', '0.0.0.0'];
    const { stdout, stderr } = await run(args, { NANOPHOTO_EMULATOR_SPED: '1' }).ended;
    const { pid, adminToken } = JSON.parse(stdout);
    onTestFinished(() => kill(pid));
    expect(adminToken).toMatch(/^[0-9a-f]{32}$/);
    expect(stderr).toMatch(/^nanophoto-emulator: NANOPHOTO_EMULATOR_SPED is not a setting and has no effect;.*\n$/);
  });

  it('rejects a port on which a detached emulator runs, and leaves that one alone', async () => {
    const { start, refused, run } = createShell();
    const { at, port, pid, url } = await start();
    expect(await refused('start', '--detach', ...at)).toBe(
      `An emulator already runs on port ${port} (pid ${pid}); ` +
        `stop it with nanophoto-emulator stop --port ${port}, or choose another port with --port.`,
    );
    expect(await refused('start', ...at)).toContain(`Port ${port} on 127.0.0.1 is in use`);
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    expect((await run(['stop', ...at]).ended).code).toBe(0);
  });

  it('rejects a port that another program uses and a file that it cannot read, without leaving a file', async () => {
    const { stateDir, refused } = createShell();
    const { port } = new URL(await serveEmulator());
    expect(await refused('start', '--detach', '--port', port)).toContain(`Port ${port} on 127.0.0.1 is in use`);
    expect(await refused('start', '--detach', '--port', '0', '--seed-file', '/none')).toContain('The seed file /none');
    expect(readdirSync(stateDir)).toEqual([]);
  });

  it('rejects a directory for temporary files that other users control', async () => {
    const { stateDir, refused } = createShell();
    writeFileSync(stateDir, '');
    expect(await refused('start', '--detach', '--port', '0')).toContain(
      `${stateDir} is not a directory that only this user can use`,
    );
  });

  /** Runs the command, whose emulator waits for a lock until `release` is called. */
  async function startLocked({ dir, run }: ReturnType<typeof createShell>) {
    const data = tempDir();
    const other = new Database(join(data, 'emulator.sqlite'));
    other.exec('BEGIN EXCLUSIVE');
    const { child, ended } = run(['start', '--detach', '--port', '0', '--data-dir', data]);
    const findPids = () =>
      readdirSync('/proc').filter((name) => {
        try {
          const isOurs = readFileSync(`/proc/${name}/environ`, 'utf8').includes(dir);
          return isOurs && isRunning(Number(name)) && Number(name) !== child.pid;
        } catch {
          return false;
        }
      });
    await vi.waitUntil(() => findPids().length === 1, { interval: 20 });
    const [pid] = findPids();
    const release = () => {
      other.exec('ROLLBACK');
      other.close();
    };
    return { child, ended, pid: Number(pid), release };
  }

  it('starts no emulator when it is killed before the emulator is ready', async () => {
    const { child, ended, pid, release } = await startLocked(createShell());
    child.kill('SIGKILL');
    await ended;
    release();
    await vi.waitUntil(() => !isRunning(pid), { interval: 20 });
  });

  it('exits with 2 when the emulator is killed before it is ready', async () => {
    const shell = createShell();
    const { ended, pid, release } = await startLocked(shell);
    process.kill(pid, 'SIGKILL');
    expect(await ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'nanophoto-emulator: The emulator ended before it was ready.\n',
    });
    release();
    expect(readdirSync(shell.stateDir)).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('stop', () => {
  it('returns when the process is gone and the port is free, and leaves only the log', async () => {
    const { stateDir, start, run } = createShell();
    const { at, port, pid, log } = await start();
    const { code, stdout, stderr } = await run(['stop', ...at]).ended;
    expect([code, stdout, stderr]).toEqual([0, '', '']);
    expect([isRunning(pid), await isFree(port)]).toEqual([false, true]);
    expect(readdirSync(stateDir).map((name) => join(stateDir, name))).toEqual([log]);
    expect(readFileSync(log, 'utf8')).toContain('"msg":"stopping"');
  });

  it('exits with 2 when no detached emulator runs at the port', async () => {
    const { start, refused, run } = createShell();
    const { at, port, pid } = await start();
    process.kill(pid, 'SIGTERM');
    await vi.waitUntil(() => !isRunning(pid), { interval: 5 });
    const advice = `nanophoto-emulator start --detach --port ${port} starts one.`;
    const sentence = `No detached emulator runs on port ${port}; ${advice}`;
    expect(await refused('stop', ...at)).toBe(sentence);
    expect(await refused('env', ...at)).toBe(sentence);
    // Several stops at the same time stop an emulator once, and gracefully.
    const { at: again, log } = await start();
    const ends = await Promise.all([run(['stop', ...again]).ended, run(['stop', ...again]).ended]);
    expect(ends.map(({ code }) => code)).toContain(0);
    for (const { stderr } of ends) expect(stderr).toMatch(/^(nanophoto-emulator: No detached emulator .*\n)?$/);
    expect(readFileSync(log, 'utf8').match(/"msg":"stopping"/g)).toHaveLength(1);
  });

  it('names the reason when an emulator runs there that is not detached', async () => {
    const { refused } = createShell();
    const { url, child } = await startCommand();
    const { port } = new URL(url);
    expect(await refused('stop', '--port', port)).toContain(
      `The emulator on port ${port} was not started by start --detach`,
    );
    expect(child.exitCode).toBe(null);
  });

  // id: stale-socket-harmless
  it('does not mistake the socket file of a killed emulator for a running one', async () => {
    const { start, refused, run, stateDir } = createShell();
    const { at, port, pid } = await start();
    process.kill(pid, 'SIGKILL');
    await vi.waitUntil(() => !isRunning(pid), { interval: 5 });
    expect(existsSync(join(stateDir, `${port}.sock`))).toBe(true);
    expect(await refused('stop', ...at)).toContain(`No detached emulator runs on port ${port}`);
    const next = await start(at);
    expect(next.port).toBe(port);
    expect((await run(['stop', ...at]).ended).code).toBe(0);
  });
});

describe('wait', () => {
  it('returns when the emulator is ready, however it was started', async () => {
    const { port } = new URL(await serveEmulator());
    expect(await runCommand(['wait', '--port', port]).ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  it('exits with 2 when no emulator is ready in time', async () => {
    const { refused } = createShell();
    expect(await refused('wait', '--port', '1', '--timeout-ms', '0')).toBe(
      'No emulator is ready at http://127.0.0.1:1 after 0 ms; start one, set --host and --port, or raise --timeout-ms.',
    );
  });
});

describe.skipIf(process.platform !== 'linux')('env', () => {
  // id: env-values-quoted
  it('prints only export lines, with the URL and the first key', async () => {
    const { start, run, dir } = createShell();
    const seed = join(dir, 'seed.json');
    writeFileSync(seed, `{"accounts":[{"key":"it's$HOME"}]}`);
    const { at, url } = await start(['--port', '0', '--seed-file', seed]);
    const { code, stdout, stderr } = await run(['env', ...at]).ended;
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`export NANOPHOTO_API_BASE_URL='${url}'\nexport NANOPHOTO_API_KEY='it'\\''s$HOME'\n`);
    const script = `${stdout}printf '%s' "$NANOPHOTO_API_KEY"`;
    expect((await promisify(execFile)('sh', ['-c', script])).stdout).toBe("it's$HOME");
  });

  it.skipIf(!hasProgram('curl', '--version'))(
    'with --proxy redirects https://nanophoto.ai to the emulator, also when it is applied twice',
    async () => {
      const { start, dir, run, stateDir } = createShell();
      const { at } = await start();
      const command = `"${process.execPath}" "${MAIN}" env --proxy ${at.join(' ')}`;
      const script = `
        eval "$(${command})"; first="$NODE_OPTIONS $(wc -c < "$SSL_CERT_FILE")"
        eval "$(${command})"; test "$first" = "$NODE_OPTIONS $(wc -c < "$SSL_CERT_FILE")"
        curl -sS https://nanophoto.ai/health
        "${process.execPath}" -e 'fetch("https://nanophoto.ai/health").then((r) => r.text()).then(console.log)'`;
      const env = { PATH: process.env.PATH!, TMPDIR: dir };
      const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { env });
      expect(stdout).toBe('{"status":"ok"}{"status":"ok"}\n');
      await run(['stop', ...at]).ended;
      expect(readdirSync(stateDir).filter((name) => !name.endsWith('.log'))).toEqual([]);
    },
  );
});
