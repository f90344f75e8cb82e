// The processes of a run: starts them, communicates with them, and makes sure that none outlives the run.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, truncateSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const START_TIMEOUT_MS = 10_000;
const WINDOW_GRACE_MS = 8000;
/** Time limit of windows that have an amount of requests instead of a duration. */
const MAX_AMOUNT_SECONDS = 30;
const RESPONSE_TIMEOUT_MS = 30_000;
const TMPFS_MAGIC = 0x01021994;

/** The absolute path of a file, given relative to the directory `bench`. */
export const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
export const tempDir = mkdtempSync(join(tmpdir(), 'nanophoto-bench-'));
/** Whether the temporary directory is in memory, as on some systems; writing there is cheaper than on a disk. */
export const tempIsMemory = statfsSync(tempDir).type === TMPFS_MAGIC;

const children = new Set();
// `exit` handlers can only do synchronous work. They also run after failures and Ctrl-C.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(tempDir, { recursive: true, force: true, maxRetries: 5 });
});
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.on(signal, () => process.exit(code));
}

function adopt(child) {
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

/** The environment without settings meant for an emulator that the user runs. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name !== 'PORT' && !name.startsWith('NANOPHOTO_EMULATOR_')),
);

let started = 0;

/**
 * Starts a server. Its stdout goes to a file, as with `> emulator.log`: the reader of a pipe would wake for every log
 * line and take CPU time from the measured processes.
 */
export function spawnServer(args, { cwd, stderr = 'inherit', ipc = [] } = {}) {
  started += 1;
  const log = join(tempDir, `stdout-${started}.log`);
  const startedMs = performance.now();
  // Append mode: only then does the file restart at offset 0 after it is truncated under its writer.
  const stdout = openSync(log, 'a');
  const stdio = ['ignore', stdout, stderr === 'inherit' ? stderr : stdout, ...ipc];
  const child = adopt(spawn(process.execPath, args, { stdio, env, cwd }));
  closeSync(stdout);
  return {
    pid: child.pid,
    child,
    startedMs,
    output: () => readFileSync(log, 'utf8'),
    /** @throws Error when the process has ended unexpectedly */
    checkAlive() {
      if (child.exitCode === null && child.signalCode === null) return;
      throw new Error(`a server ended before it was ready; its output:\n${readFileSync(log, 'utf8')}`);
    },
    /** Keeps the log of a long run from filling the disk. */
    emptyLog: () => truncateSync(log),
    /** Kills the process by default, because nothing of it is needed anymore. */
    async stop(signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    },
  };
}

/** Starts a server that logs its URL, and waits for that line. */
export async function startServer(args, options) {
  const server = spawnServer(args, options);
  let url;
  while (!url) {
    server.checkAlive();
    if (performance.now() - server.startedMs > START_TIMEOUT_MS) throw new Error('a server did not become ready');
    await sleep(1);
    url = findUrl(server.output());
  }
  return { ...server, url, readyMs: performance.now() - server.startedMs };
}

function findUrl(output) {
  // The last line may be incomplete.
  const lines = output.split('\n').slice(0, -1);
  for (const line of lines) {
    const { url } = JSON.parse(line);
    if (url) return url;
  }
}

/** Does not use `fetch`: its first call loads an HTTP client, which would count as part of a server's start. */
function ask(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, agent: false, timeout: RESPONSE_TIMEOUT_MS }, async (response) => {
      try {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode >= 200 && response.statusCode < 300) resolve(text);
        else reject(new Error(`${new URL(url).pathname} returned ${response.statusCode}: ${text}`));
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error(`${url} timed out`)));
    call.on('error', reject);
    call.end(body);
  });
}

/** The body of a 2xx response. @throws Error for another status */
export const postForText = (url, headers, body) => ask('POST', url, headers, body);
export const post = async (url, headers, body) => JSON.parse(await ask('POST', url, headers, body));
export const getText = (url) => ask('GET', url, {});
export const get = async (url) => JSON.parse(await getText(url));

/** The next message of the child. @throws Error when `name` fails or times out */
async function next(child, name, ms) {
  const limit = AbortSignal.timeout(ms);
  const [{ result, error }] = await once(child, 'message', { signal: limit }).catch(() => [
    { error: 'it did not finish in time' },
  ]);
  if (error) throw new Error(`${name} failed: ${error}`);
  return result;
}

/** Runs a script of the benchmark in its own process, which replies to each message with one. */
export function startTool(script, args = []) {
  const child = adopt(fork(here(script), args, { env }));
  child.on('exit', () => child.emit('message', { error: 'it ended' }));
  return {
    pid: child.pid,
    next: (ms) => next(child, script, ms),
    ask(message, ms) {
      child.send(message);
      return next(child, script, ms);
    },
    end: () => child.disconnect(),
  };
}

export function startLoadTool() {
  const tool = startTool('tools/load-generator.mjs');
  /** Generates load for `window.seconds` and returns the results. */
  return (window) => tool.ask(window, (window.seconds ?? MAX_AMOUNT_SECONDS) * 1000 + WINDOW_GRACE_MS);
}

export function startFixedRate() {
  const tool = startTool('tools/fixed-rate.mjs');
  return {
    fire: (window) => tool.ask(window, window.seconds * 1000 + WINDOW_GRACE_MS),
    /** Runs `work` while requests are sent; returns the results of both. */
    async during(work, window) {
      await tool.ask(window, START_TIMEOUT_MS);
      const result = await work();
      const figures = await tool.ask('stop', WINDOW_GRACE_MS);
      return { result, figures };
    },
  };
}
