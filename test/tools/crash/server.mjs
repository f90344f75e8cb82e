// The emulator as a process that can be killed, on a data directory that stays.
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
const cleanUps = new Set();

/** To be done however this process ends; answers a function that does it now. */
export function atExit(work) {
  cleanUps.add(work);
  return () => {
    cleanUps.delete(work);
    work();
  };
}

// Synchronous, because that is all an ending process may do.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const work of [...cleanUps].reverse()) work();
});
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.on(signal, () => process.exit(code));
}

/** A directory that is gone when this process is. */
export function tempDir(name) {
  const dir = mkdtempSync(join(tmpdir(), `nanophoto-${name}-`));
  atExit(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

/** What the shell has set for an emulator of its own is not for this one. */
const ownEnv = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => name !== 'PORT' && name !== 'NODE_OPTIONS' && !name.startsWith('NANOPHOTO_EMULATOR_'),
    ),
  );

/**
 * Runs the command with these arguments on a free port. `before`: what the program is started by, `nodeArgs`: what
 * Node.js is told beforehand, `env`: added to the environment, `uid`: who it runs as.
 */
export function spawnServer(args, { before = [], nodeArgs = [], env = {}, uid } = {}) {
  const [program, ...rest] = [...before, process.execPath, ...nodeArgs, MAIN, '--port', '0', ...args];
  const child = spawn(program, rest, {
    env: { ...ownEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  });
  children.add(child);
  const server = { child, url: undefined, lines: [], stderr: '', isDead: false, code: null };
  let rest_ = '';
  const ready = Promise.withResolvers?.() ?? withResolvers();
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest_ + text).split('\n');
    rest_ = lines.pop();
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
    server.isDead = true;
    server.code = code;
    ready.resolve();
  });
  return Object.assign(server, {
    /** Resolves when it is ready, or has ended. */
    settled: Promise.race([ready.promise, timeout(START_TIMEOUT_MS, 'the emulator did not get ready')]),
    /** The lines of the log that tell of something wrong. */
    errors: () => server.lines.filter(({ level }) => level >= ERROR_LEVEL),
    /** At once, where there still is something to kill. */
    kill: () => child.kill('SIGKILL'),
    async killed() {
      if (!server.isDead) child.kill('SIGKILL');
      await server.ended;
    },
    /** In good order. */
    async stopped() {
      child.kill('SIGTERM');
      await Promise.race([server.ended, timeout(10_000, 'the emulator did not stop')]);
    },
  });
}

/** The same, once it is ready. @throws Error when it does not get there */
export async function startServer(args, options) {
  const server = spawnServer(args, options);
  await server.settled;
  if (!server.url)
    throw new Error(`the emulator ended with ${server.code} before it was ready: ${server.stderr.trim()}`);
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
