// The emulator as a child process that can be killed, on a data directory that stays.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));
const START_TIMEOUT_MS = 20_000;
const ERROR_LEVEL = 50;

const children = new Set();
const exitHandlers = new Set();

/** Runs `work` however this process ends. Returns a function that runs it now instead. */
export function atExit(work) {
  exitHandlers.add(work);
  return () => {
    exitHandlers.delete(work);
    work();
  };
}

// `exit` handlers can only do synchronous work.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const work of [...exitHandlers].reverse()) work();
});
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.on(signal, () => process.exit(code));
}

/** A temporary directory that is deleted when this process ends. */
export function tempDir(name) {
  const dir = mkdtempSync(join(tmpdir(), `nanophoto-${name}-`));
  atExit(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

/** The environment without settings meant for an emulator that the user runs. */
const cleanEnv = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => name !== 'PORT' && name !== 'NODE_OPTIONS' && !name.startsWith('NANOPHOTO_EMULATOR_'),
    ),
  );

/**
 * Runs the command with these arguments on a free port. `before`: a program (with arguments) that starts it,
 * `nodeArgs`: arguments of Node.js itself, `env`: added to the environment, `uid`: the user (and group) that it runs
 * as.
 */
export function spawnServer(args, { before = [], nodeArgs = [], env = {}, uid } = {}) {
  const [program, ...rest] = [...before, process.execPath, ...nodeArgs, MAIN, '--port', '0', ...args];
  const child = spawn(program, rest, {
    env: { ...cleanEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  children.add(child);
  const server = { child, url: undefined, lines: [], stderr: '', hasEnded: false, code: null };
  let partialLine = '';
  const ready = Promise.withResolvers?.() ?? withResolvers();
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (partialLine + text).split('\n');
    partialLine = lines.pop();
    for (const line of lines) {
      const logged = JSON.parse(line);
      server.lines.push(logged);
      if (logged.url) {
        server.url = logged.url;
        ready.resolve();
      }
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    server.stderr += text;
  });
  server.ended = once(child, 'close').then(([code]) => {
    children.delete(child);
    server.hasEnded = true;
    server.code = code;
    ready.resolve();
  });
  return Object.assign(server, {
    /** Resolves when the emulator is ready or has ended. */
    settled: Promise.race([ready.promise, timeout(START_TIMEOUT_MS, 'the emulator did not become ready')]),
    /** Log lines at level `error` or above. */
    errors: () => server.lines.filter(({ level }) => level >= ERROR_LEVEL),
    /** Sends SIGKILL without waiting; does nothing if the process has ended. */
    kill: () => child.kill('SIGKILL'),
    async killed() {
      if (!server.hasEnded) child.kill('SIGKILL');
      await server.ended;
    },
    /** Stops the emulator gracefully. */
    async stopped() {
      child.kill('SIGTERM');
      await Promise.race([server.ended, timeout(10_000, 'the emulator did not stop')]);
    },
  });
}

/** Like `spawnServer`, resolved once it is ready. @throws Error when it ends before that */
export async function startServer(args, options) {
  const server = spawnServer(args, options);
  await server.settled;
  if (!server.url)
    throw new Error(`the emulator exited with ${server.code} before it was ready: ${server.stderr.trim()}`);
  return server;
}

function withResolvers() {
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
}

function timeout(ms, message) {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(message)), ms).unref());
}
