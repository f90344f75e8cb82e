import { computeQuantile } from '../../../support/trend.ts';

const MIB = 1024 * 1024;
/** Resident memory of the server at any time, under any attack, with the default settings. */
export const MAX_RESIDENT_BYTES = 400 * MIB;
/** 99th percentile of another client's polls during an attack, on a quiet machine. */
const MAX_POLL_P99_MS = 100;
/** The limit grows with the 99th percentile of an idle server's response times, which shows the load of the machine. */
const IDLE_FACTOR = 4;
/** Fewer polls do not have a meaningful 99th percentile. */
const MIN_POLLS = 20;

export interface ProbeResult {
  /** `ms`: how long the poll took, or the processor time that the server used meanwhile if that is less. */
  polls: { status: number; ms: number }[];
  /** Response times of an idle server at the same time. */
  idlePolls: number[];
  /** Polls without a response. */
  unanswered: number;
}

export interface PollTimes {
  /** NaN: too few polls. */
  p99Ms: number;
  limitMs: number;
}

export function computePollTimes({ polls, idlePolls }: ProbeResult): PollTimes {
  const times = polls.map(({ ms }) => ms);
  const p99Ms = times.length < MIN_POLLS ? Number.NaN : computeQuantile(times, 0.99);
  return { p99Ms, limitMs: MAX_POLL_P99_MS + IDLE_FACTOR * (computeQuantile(idlePolls, 0.99) || 0) };
}

/** Problems of another client's polls during an attack, except for their times. */
export function findPollProblems({ polls, unanswered }: ProbeResult): string[] {
  const wrong = polls.filter(({ status }) => status !== 200 && status !== 503);
  return [
    ...(unanswered > 0 ? [`${unanswered} polls of another client got no response`] : []),
    ...(wrong.length > 0 ? [`${wrong.length} polls of another client failed, the first with ${wrong[0]!.status}`] : []),
  ];
}

export const isSlow = (result: ProbeResult): boolean => {
  const { p99Ms, limitMs } = computePollTimes(result);
  return p99Ms > limitMs;
};

export const findResidentProblem = (peakBytes: number | undefined): string | undefined =>
  peakBytes !== undefined && peakBytes > MAX_RESIDENT_BYTES
    ? `resident memory reached ${Math.round(peakBytes / MIB)} MiB, more than ${MAX_RESIDENT_BYTES / MIB}`
    : undefined;

export interface HeldMemory {
  /** After a garbage collection. */
  heapBytes: number;
  /** The sum of the server's memory account. */
  accountedBytes: number;
}

/** Objects take more memory than their bytes, and code and caches grow, too. */
const ACCOUNT_FACTOR = 2;
const ACCOUNT_SLACK_BYTES = 32 * MIB;

/** Memory that an attack leaves on the heap must be in the server's memory account, because only that is bounded. */
export function findUnaccountedProblem(before: HeldMemory, after: HeldMemory): string | undefined {
  const heap = after.heapBytes - before.heapBytes;
  const accounted = Math.max(0, after.accountedBytes - before.accountedBytes);
  return heap > accounted * ACCOUNT_FACTOR + ACCOUNT_SLACK_BYTES
    ? `the heap grew by ${Math.round(heap / MIB)} MiB, but the memory account only by ${Math.round(accounted / MIB)}`
    : undefined;
}
