import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export { hasProgram } from './programs.ts';

export const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface ExitResult {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Runs the built command in a process with only `env` as its environment. `detached`: without a terminal. */
export function runCommand(
  args: string[],
  env: Record<string, string> = {},
  { detached = false }: { detached?: boolean } = {},
) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH!, ...env },
    detached,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const ended = new Promise<ExitResult>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    child,
    ended,
    lines: () =>
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
  };
}

/** Starts the emulator on a free port and waits for its ready line. */
export async function startCommand(args: string[] = [], env: Record<string, string> = {}) {
  const command = runCommand(args.includes('--port') ? args : [...args, '--port', '0'], env);
  const ready = await waitForReadyLine(command.child);
  return { ...command, ready, url: ready.url as string };
}

function waitForReadyLine(child: ChildProcess): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const logged = JSON.parse(line);
      if (logged.url) resolve(logged);
    });
    child.on('exit', (code) => reject(new Error(`the command ended with ${code} before it was ready`)));
  });
}

/** Sends a request with a key, as a client does. */
export async function postJson(url: string, path: string, body: unknown, key = 'np_test_default') {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: responses of every shape
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

/**
 * Finds a port on which nothing listens. It is outside of the ranges from which systems choose ports themselves, so that
 * no connection or other server takes it before the caller does.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    try {
      await once(server.listen(randomInt(20_000, 32_000), '127.0.0.1'), 'listening');
    } catch {
      continue;
    }
    const { port } = server.address() as AddressInfo;
    await once(server.close(), 'close');
    return port;
  }
}
