// What /proc knows of a process; undefined where there is none.
import { readFileSync } from 'node:fs';

/** Linux tells CPU time in these, whatever the kernel's own tick is. */
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

/** The most that it ever was, however short. */
export const peakMib = (pid) => mibOf(pid, 'VmHWM');

/** CPU time in seconds since the process began. */
export function cpuSeconds(pid) {
  // The second field is the command's name in parentheses; user and system time are the 14th and 15th.
  const fields = proc(pid, 'stat')?.split(') ').at(-1).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** How many files and connections it may have open. */
export function mostOpenFiles(pid) {
  const most = /^Max open files\s+(\S+)/m.exec(proc(pid, 'limits') ?? '')?.[1];
  return most && (most === 'unlimited' ? Number.POSITIVE_INFINITY : Number(most));
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
