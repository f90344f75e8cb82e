import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const PROBE = new URL('./probe.mjs', import.meta.url).href;
const START_TIMEOUT_MS = 20_000;
const PROBE_TIMEOUT_MS = 30_000;

export interface Measurement {
  memory: NodeJS.MemoryUsage;
  /** Kinds of what keeps its event loop alive, each as often as there are. */
  resources: string[];
  /** Open descriptors; undefined where there is no /proc. */
  descriptors: number | undefined;
}

export type ServerProcess = Awaited<ReturnType<typeof startServerProcess>>;

/** The built emulator in a process of its own, on a free port, that can be looked into. Its output goes to files. */
export async function startServerProcess(args: string[]) {
  const dir = mkdtempSync(join(tmpdir(), 'nanophoto-emulator-load-'));
  const [log, errors] = [join(dir, 'stdout.log'), join(dir, 'stderr.log')];
  // For appending: only so does a file start over when it is emptied under its writer.
  const [stdout, stderr] = [openSync(log, 'a'), openSync(errors, 'a')];
  const child = spawn(process.execPath, ['--expose-gc', '--import', PROBE, MAIN, '--port', '0', ...args], {
    stdio: ['ignore', stdout, stderr, 'ipc'],
    // What the shell has set for an emulator of its own must not change this one.
    env: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => name !== 'PORT' && !name.startsWith('NANOPHOTO_')),
    ),
  });
  closeSync(stdout);
  closeSync(stderr);
  const cleanUp = () => {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  const url = await waitForUrl(child, log, errors);
  const pid = child.pid!;

  return {
    url,
    port: Number(new URL(url).port),
    pid,
    /** Undefined while it runs; then how it ended. */
    ended: () =>
      child.exitCode === null && child.signalCode === null
        ? undefined
        : `ended with ${child.exitCode ?? child.signalCode}: ${readFileSync(errors, 'utf8').slice(-4000)}`,
    /** What it holds after all that nobody needs has been collected. */
    async measure(): Promise<Measurement> {
      const reply = once(child, 'message', { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      child.send('measure');
      const [measurement] = await reply;
      return { ...measurement, descriptors: countDescriptors(pid) };
    },
    residentBytes: () => readResidentBytes(pid),
    /** Since it began; undefined where there is no /proc. */
    cpuMs: () => readCpuMs(pid),
    descriptors: () => countDescriptors(pid),
    /** The lines logged since the last call, which are then forgotten. */
    takeLog(): string[] {
      const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean);
      truncateSync(log);
      return lines;
    },
    /** Nothing may ever stand there. */
    errorOutput: () => (statSync(errors).size > 0 ? readFileSync(errors, 'utf8') : ''),
    async stop(): Promise<void> {
      process.removeListener('exit', cleanUp);
      const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
      cleanUp();
      await exit;
    },
  };
}

async function waitForUrl(child: ChildProcess, log: string, errors: string): Promise<string> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    if (child.exitCode !== null) {
      throw new Error(`the server ended before it was ready: ${readFileSync(errors, 'utf8')}`);
    }
    // What follows the last line break may be half a line.
    for (const line of readFileSync(log, 'utf8').split('\n').slice(0, -1)) {
      const { url } = JSON.parse(line);
      if (url) return url;
    }
    await sleep(10);
  }
  throw new Error('the server did not get ready');
}

const hasProc = existsSync('/proc/self/fd');

function countDescriptors(pid: number): number | undefined {
  return hasProc ? readdirSync(`/proc/${pid}/fd`).length : undefined;
}

/** Linux tells CPU time in hundredths of a second, whatever the kernel's own tick is. */
const TICK_MS = 10;

function readCpuMs(pid: number): number | undefined {
  if (!hasProc) return undefined;
  // The second field is the command's name in parentheses; user and system time are the 14th and 15th.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function readResidentBytes(pid: number): number | undefined {
  if (!hasProc) return undefined;
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}
