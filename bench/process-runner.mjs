// The processes of a run: starting them, speaking with them, and that none of them outlives the run.
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
const ANSWER_TIMEOUT_MS = 30_000;
const TMPFS_MAGIC = 0x01021994;

export const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const tempDir = mkdtempSync(join(tmpdir(), 'nanophoto-bench-'));
/** On some systems the temporary directory is memory, and then what is written there costs less than on a disk. */
export const tempIsMemory = statfsSync(tempDir).type === TMPFS_MAGIC;

const children = new Set();
// Synchronous, because that is all an ending process may do; it covers failures and Ctrl-C as well as the normal end.
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

/** What the shell has set for an emulator of its own must not change the one that is measured. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name !== 'PORT' && !name.startsWith('NANOPHOTO_EMULATOR_')),
);

let started = 0;

/**
 * Starts a server. Its stdout is a file, as with `> emulator.log`: a pipe would need a reader that is woken for every log
 * line and takes CPU time from the two that are measured.
 */
export function spawnServer(args, { cwd, stderr = 'inherit' } = {}) {
  started += 1;
  const log = join(tempDir, `stdout-${started}.log`);
  const begin = performance.now();
  // For appending: only so does the file start over when it is emptied under its writer.
  const stdout = openSync(log, 'a');
  const stdio = ['ignore', stdout, stderr === 'inherit' ? stderr : stdout];
  const child = adopt(spawn(process.execPath, args, { stdio, env, cwd }));
  closeSync(stdout);
  return {
    pid: child.pid,
    begin,
    output: () => readFileSync(log, 'utf8'),
    /** @throws Error when it has ended, which it was not to do */
    checkAlive() {
      if (child.exitCode === null && child.signalCode === null) return;
      throw new Error(`a server ended before it was ready; its output:\n${readFileSync(log, 'utf8')}`);
    },
    /** Keeps the log of a long run from filling the disk. */
    emptyLog: () => truncateSync(log),
    /** Without ceremony: nothing of it is needed any more. */
    async stop(signal = 'SIGKILL') {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    },
  };
}

/** Starts one that tells its URL in a line, and waits for that. */
export async function startServer(args) {
  const server = spawnServer(args);
  let url;
  while (!url) {
    server.checkAlive();
    if (performance.now() - server.begin > START_TIMEOUT_MS) throw new Error('a server did not get ready');
    await sleep(1);
    url = urlIn(server.output());
  }
  return { ...server, url, readyMs: performance.now() - server.begin };
}

function urlIn(output) {
  // What follows the last line break may be half a line.
  const lines = output.split('\n').slice(0, -1);
  for (const line of lines) {
    const { url } = JSON.parse(line);
    if (url) return url;
  }
}

/** Not `fetch`, whose first call loads a whole HTTP client and would count as part of a server's start. */
function ask(method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, agent: false, timeout: ANSWER_TIMEOUT_MS }, async (response) => {
      try {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode >= 200 && response.statusCode < 300) resolve(text);
        else reject(new Error(`${new URL(url).pathname} answered ${response.statusCode}: ${text}`));
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error(`${url} did not answer`)));
    call.on('error', reject);
    call.end(body);
  });
}

/** The text of an answer that tells of success. */
export const postForText = (url, headers, body) => ask('POST', url, headers, body);
export const post = async (url, headers, body) => JSON.parse(await ask('POST', url, headers, body));
export const get = async (url) => JSON.parse(await ask('GET', url, {}));

/** Answers what the child says next. @throws Error `name` failed */
async function next(child, name, ms) {
  const limit = AbortSignal.timeout(ms);
  const [{ result, error }] = await once(child, 'message', { signal: limit }).catch(() => [
    { error: 'it did not finish in time' },
  ]);
  if (error) throw new Error(`${name} failed: ${error}`);
  return result;
}

/** A script of the bench in a process of its own, which answers each message with one. */
export function startTool(script, args = []) {
  const child = adopt(fork(here(script), args, { env }));
  child.on('exit', () => child.emit('message', { error: 'it ended' }));
  return {
    pid: child.pid,
    send: (message) => child.send(message),
    next: (ms) => next(child, script, ms),
    ask(message, ms) {
      child.send(message);
      return next(child, script, ms);
    },
    end: () => child.disconnect(),
  };
}

export function startLoadTool() {
  const tool = startTool('load.mjs');
  /** Fires for `seconds` and answers what came of it. */
  return (window) => tool.ask(window, window.seconds * 1000 + WINDOW_GRACE_MS);
}

export function startPolls() {
  const tool = startTool('polls.mjs');
  /** Polls while `work` goes on; answers what came of both. */
  return async function polls(target, work) {
    tool.send(target);
    const result = await work();
    const figures = await tool.ask('stop', WINDOW_GRACE_MS);
    return { result, figures };
  };
}
