import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readCommand } from '../../src/cli/arguments.ts';
import {
  findDetached,
  getSocketPath,
  openStateDir,
  serveControlSocket,
  stopDetached,
} from '../../src/cli/detach/control-socket.ts';
import { waitUntilReady } from '../../src/cli/healthcheck.ts';
import { systemClock } from '../../src/core/time/clock.ts';
import { tempDir } from '../support/temp-dir.ts';

const PORT = 6266;
const EMULATOR = {
  url: 'http://127.0.0.1:6266',
  port: PORT,
  pid: 1,
  data: 'in memory',
  firstKey: 'k',
  version: '1.0.0',
};

let dir: string;
beforeEach(() => {
  dir = tempDir();
  vi.stubEnv('TMPDIR', dir);
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe.skipIf(process.platform === 'win32')('directory of detached emulators', () => {
  const path = () => join(dir, `nanophoto-emulator-user-${process.getuid!()}`);
  const sentence = () =>
    `${path()} is not a directory that only this user can use; remove it, or set TMPDIR to another directory.`;

  it('is created for this user alone, and used again', () => {
    expect([openStateDir(), openStateDir()]).toEqual([path(), path()]);
  });

  // id: state-dir-open-refused
  it('is refused when other users may enter it', () => {
    mkdirSync(path());
    for (const mode of [0o755, 0o710, 0o702]) {
      chmodSync(path(), mode);
      expect(openStateDir).toThrow(sentence());
    }
  });

  // id: state-dir-link-refused
  it('is refused when it is a link or a file', () => {
    const target = join(dir, 'target');
    mkdirSync(target, { mode: 0o700 });
    symlinkSync(target, path());
    expect(openStateDir).toThrow(sentence());
  });

  // id: state-dir-foreign-refused
  it('is refused when it belongs to another user', () => {
    openStateDir();
    const uid = process.getuid!();
    const other = join(dir, `nanophoto-emulator-user-${uid + 1}`);
    mkdirSync(other, { mode: 0o700 });
    const getuid = vi.spyOn(process as Required<NodeJS.Process>, 'getuid').mockReturnValue(uid + 1);
    onTestFinished(() => getuid.mockRestore());
    expect(openStateDir).toThrow(`${other} is not a directory that only this user can use`);
  });

  it('needs a writable TMPDIR with a short path', async () => {
    vi.stubEnv('TMPDIR', join(dir, 'none'));
    expect(openStateDir).toThrow(`${join(dir, 'none')} is not writable; set TMPDIR to a writable directory.`);
    const long = join(dir, 'x'.repeat(80));
    mkdirSync(long);
    vi.stubEnv('TMPDIR', long);
    await expect(findDetached(PORT)).rejects.toThrow(`The path ${long} is too long for a socket; set TMPDIR`);
  });
});

describe.skipIf(process.platform === 'win32')('control socket', () => {
  it('reports the emulator, and passes on stop', async () => {
    const stop = vi.fn();
    await serveControlSocket(EMULATOR, stop);
    expect(await findDetached(PORT)).toEqual(EMULATOR);
    expect(await findDetached(PORT + 1)).toBeUndefined();
    expect(stop).not.toHaveBeenCalled();
    // The process does not end.
    const sentence = `The emulator on port ${PORT} did not stop within 0.05 s; end the process 1.`;
    await expect(stopDetached(PORT, 50)).rejects.toThrow(sentence);
    expect(stop).toHaveBeenCalledOnce();
    expect(await stopDetached(PORT + 1, 50)).toBe(false);
  });

  it('rejects a second emulator at the port', async () => {
    await serveControlSocket(EMULATOR, () => {});
    await expect(serveControlSocket(EMULATOR, () => {})).rejects.toThrow(
      'An emulator already runs on port 6266 (pid 1); stop it with nanophoto-emulator stop --port 6266',
    );
  });

  it('replaces a file that accepts no connection', async () => {
    writeFileSync(getSocketPath(PORT), '');
    expect(await findDetached(PORT)).toBeUndefined();
    await serveControlSocket(EMULATOR, () => {});
    expect(await findDetached(PORT)).toEqual(EMULATOR);
  });

  it('takes an error of the connection for the end of the process', async () => {
    // Closes the connection before the client writes to it.
    const server = createServer((socket) => socket.write(`${JSON.stringify(EMULATOR)}\n`, () => socket.destroy()));
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(getSocketPath(PORT), resolve));
    expect(await stopDetached(PORT, 5000)).toBe(true);
  });

  it('is not found when it closes or stays silent before it has sent the facts', async () => {
    const server = createServer((socket) => socket.end('{"url":'));
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(getSocketPath(PORT), resolve));
    expect(await findDetached(PORT)).toBeUndefined();
    server.removeAllListeners('connection').on('connection', () => {});
    expect(await stopDetached(PORT, 50)).toBe(false);
  });
});

describe('wait', () => {
  it('checks ten times a second until the timeout', async () => {
    let nowMs = 0;
    const slept: number[] = [];
    const clock = {
      ...systemClock,
      nowMs: () => nowMs,
      sleep: async (ms: number) => {
        slept.push(ms);
        nowMs += ms;
        return true;
      },
    };
    const { config } = readCommand(['wait', '--port', '1'], {});
    await expect(waitUntilReady(config, 250, clock)).rejects.toThrow(
      'No emulator is ready at http://127.0.0.1:1 after 250 ms',
    );
    expect(slept).toEqual([100, 100, 50]);
  });
});
