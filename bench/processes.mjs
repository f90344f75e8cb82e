// The processes of a run: starting them, what /proc knows of them, and that none of them outlives the run.
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
/** Linux tells CPU time in these, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;
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
 * Starts a server and waits for the line that tells its URL. Its stdout is a file, as with `> emulator.log`: a pipe
 * would need a reader that is woken for every log line and takes CPU time from the two that are measured.
 */
export async function startServer(args) {
  started += 1;
  const log = join(tempDir, `stdout-${started}.log`);
  const begin = performance.now();
  // For appending: only so does the file start over when it is emptied under its writer.
  const stdout = openSync(log, 'a');
  const child = adopt(spawn(process.execPath, args, { stdio: ['ignore', stdout, 'inherit'], env }));
  closeSync(stdout);
  let url;
  while (!url) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`a server ended before it was ready; its output:\n${readFileSync(log, 'utf8')}`);
    }
    if (performance.now() - begin > START_TIMEOUT_MS) throw new Error('a server did not get ready');
    await sleep(1);
    url = urlIn(readFileSync(log, 'utf8'));
  }
  return {
    url,
    pid: child.pid,
    begin,
    readyMs: performance.now() - begin,
    /** Keeps the log of a long run from filling the disk. */
    emptyLog: () => truncateSync(log),
    /** Without ceremony: nothing of it is needed any more. */
    async stop() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
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
export function post(url, headers, body) {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: 'POST', headers, agent: false, timeout: 5000 }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      if (response.statusCode === 200) resolve(JSON.parse(text));
      else reject(new Error(`${new URL(url).pathname} answered ${response.statusCode}: ${text}`));
    });
    call.on('timeout', () => call.destroy(new Error(`${url} did not answer`)));
    call.on('error', reject);
    call.end(body);
  });
}

/** Answers what the child says next. @throws Error `name` failed */
async function next(child, name, ms) {
  const limit = AbortSignal.timeout(ms);
  const [{ result, error }] = await once(child, 'message', { signal: limit }).catch(() => [
    { error: 'it did not finish in time' },
  ]);
  if (error) throw new Error(`${name} failed: ${error}`);
  return result;
}

export function startLoadTool() {
  const child = adopt(fork(here('load.mjs')));
  /** Fires for `seconds` and answers what came of it. */
  return function fire(window) {
    child.send(window);
    return next(child, 'the load tool', window.seconds * 1000 + WINDOW_GRACE_MS);
  };
}

export function startPolls() {
  const child = adopt(fork(here('polls.mjs')));
  /** Polls while `work` goes on; answers what came of both. */
  return async function polls(target, work) {
    child.send(target);
    const result = await work();
    child.send('stop');
    const figures = await next(child, 'polling', WINDOW_GRACE_MS);
    return { result, figures };
  };
}

function proc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}

function mibOf(pid, field) {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(proc(pid, 'status') ?? '')?.[1];
  return kib && Number(kib) / 1024;
}

/** Resident memory in MiB; undefined where there is no /proc. */
export const residentMib = (pid) => mibOf(pid, 'VmRSS');

/** The most that it ever was, however short; undefined where there is no /proc. */
export const peakMib = (pid) => mibOf(pid, 'VmHWM');

/** CPU time in seconds since the process began; undefined where there is no /proc. */
export function cpuSeconds(pid) {
  // The second field is the command's name in parentheses; user and system time are the 14th and 15th.
  const fields = proc(pid, 'stat')?.split(') ').at(-1).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Looks at a process's memory now and then until `stop`, which answers the most there was. */
export function watchMemory(pid) {
  let most = residentMib(pid);
  const look = () => {
    most = Math.max(most, residentMib(pid) ?? 0);
  };
  const timer = most === undefined ? undefined : setInterval(look, 200);
  return () => {
    clearInterval(timer);
    return most;
  };
}

export function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** To a tenth, where it was measured at all. */
export function rounded(value) {
  return value === undefined ? undefined : round(value, 1);
}
