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
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const PROBE = fileURLToPath(new URL('./probe.cjs', import.meta.url));
const START_TIMEOUT_MS = 20_000;
const PROBE_TIMEOUT_MS = 30_000;

export interface Measurement {
  memory: NodeJS.MemoryUsage;
  /** The kinds of resources that keep the event loop alive, with repetitions. */
  resources: string[];
  /** Number of open descriptors; undefined without /proc. */
  descriptors: number | undefined;
}

/** The start of a process's output. Lines of the bundled code are long, and its stack comes after one of them. */
const summarizeOutput = (output: string): string =>
  output
    .split('\n')
    .map((line) => line.slice(0, 300))
    .join('\n')
    .slice(0, 4000);

export type ServerProcess = Awaited<ReturnType<typeof startServerProcess>>;

/** Starts the built emulator in its own process, on a free port, with a memory probe. Its output goes to files. */
export async function startServerProcess(args: string[]) {
  const dir = mkdtempSync(join(tmpdir(), 'nanophoto-emulator-load-'));
  const [log, errors] = [join(dir, 'stdout.log'), join(dir, 'stderr.log')];
  // Append mode: only then does a file restart at offset 0 after it is truncated under its writer.
  const [stdout, stderr] = [openSync(log, 'a'), openSync(errors, 'a')];
  const child = spawn(process.execPath, ['--expose-gc', '--require', PROBE, MAIN, '--port', '0', ...args], {
    stdio: ['ignore', stdout, stderr, 'ipc'],
    // Settings that the user made for another emulator must not apply to this one.
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
    /** Undefined while the process runs; then a description of how it ended. */
    ended: () =>
      child.exitCode === null && child.signalCode === null
        ? undefined
        : `ended with ${child.exitCode ?? child.signalCode}: ${summarizeOutput(readFileSync(errors, 'utf8'))}`,
    /** Memory after a garbage collection, active resources and open descriptors. */
    async measure(): Promise<Measurement> {
      const reply = once(child, 'message', { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      child.send('measure');
      const [measurement] = await reply;
      return { ...measurement, descriptors: countDescriptors(pid) };
    },
    residentBytes: () => readMemoryField(pid, 'VmRSS'),
    /** The highest resident memory since the start or `resetPeak`; undefined without /proc. */
    peakResidentBytes: () => readMemoryField(pid, 'VmHWM'),
    resetPeak: () => resetPeak(pid),
    /** CPU time since the process started; undefined without /proc. */
    cpuMs: () => readCpuMs(pid),
    descriptors: () => countDescriptors(pid),
    /** Returns the lines logged since the last call and clears the log. */
    takeLog(): string[] {
      const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean);
      truncateSync(log);
      return lines;
    },
    /** Output on stderr; expected to be empty. */
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
    // The last line may be incomplete.
    for (const line of readFileSync(log, 'utf8').split('\n').slice(0, -1)) {
      const { url } = JSON.parse(line);
      if (url) return url;
    }
    await sleep(10);
  }
  throw new Error('the server did not become ready');
}

const hasProc = existsSync('/proc/self/fd');

function countDescriptors(pid: number): number | undefined {
  return hasProc ? readdirSync(`/proc/${pid}/fd`).length : undefined;
}

/** The unit of CPU times in /proc, independent of the kernel's own tick. */
const TICK_MS = 10;

function readCpuMs(pid: number): number | undefined {
  if (!hasProc) return undefined;
  // The second field is the command's name in parentheses; user and system time are the 14th and 15th.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function readMemoryField(pid: number, field: 'VmRSS' | 'VmHWM'): number | undefined {
  if (!hasProc) return undefined;
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

/** Makes the peak of resident memory start again from its present value, if the system allows it. */
function resetPeak(pid: number): void {
  try {
    // See proc(5): 5 resets the peak of the resident set size.
    if (hasProc) writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // The peak since the start of the process is too high, but never too low.
  }
}
