import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';

/** Runs `npm start` in a process group of its own, without building again, and waits for the ready line. */
async function npmStart() {
  const child = spawn('npm', ['start', '--silent', '--ignore-scripts', '--', '--port', '0'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { PATH: process.env.PATH!, HOME: process.env.HOME! },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // All processes of the group have ended.
    }
  });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, exited: once(child, 'exit'), ready: JSON.parse(line) };
}

describe.skipIf(process.platform === 'win32')('npm start', () => {
  it('forwards SIGTERM to the emulator and exits with 0 when it has stopped', async () => {
    const { child, exited, ready } = await npmStart();
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    await expect(fetch(`${ready.url}/health`)).rejects.toThrow();
  });
});
