// Statistics of a process from /proc; undefined where it does not exist.
import { readFileSync } from 'node:fs';

/** The unit of CPU times in /proc, independent of the kernel's own tick. */
const TICKS_PER_SECOND = 100;

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

/** Resident memory in MiB. */
export const residentMib = (pid) => mibOf(pid, 'VmRSS');

/** Peak resident memory in MiB since the process started. */
export const peakMib = (pid) => mibOf(pid, 'VmHWM');

/** CPU time in seconds since the process started. */
export function cpuSeconds(pid) {
  // The second field is the command's name in parentheses; user and system time are the 14th and 15th.
  const fields = proc(pid, 'stat')?.split(') ').at(-1).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Maximum number of open files and connections. */
export function maxOpenFiles(pid) {
  const max = /^Max open files\s+(\S+)/m.exec(proc(pid, 'limits') ?? '')?.[1];
  return max && (max === 'unlimited' ? Number.POSITIVE_INFINITY : Number(max));
}

/** Samples resident memory until the returned function is called, which returns the maximum. */
export function watchMemory(pid) {
  let max = residentMib(pid);
  const sample = () => {
    max = Math.max(max, residentMib(pid) ?? 0);
  };
  const timer = max === undefined ? undefined : setInterval(sample, 200);
  return () => {
    clearInterval(timer);
    return max;
  };
}
