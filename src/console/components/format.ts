import type { JournalEntry } from '../../client/types.ts';

// Formatting of timestamps, durations, amounts and statuses.

const pad = (value: number, width = 2) => String(value).padStart(width, '0');

/** The time of day of a timestamp, in UTC, with milliseconds. */
export const formatTime = (timestamp: string): string => splitTimestamp(timestamp).time;

/** Date and time of a timestamp, in UTC, to the second. */
export function formatDateTime(timestamp: string): string {
  const { day, time } = splitTimestamp(timestamp);
  return `${day} ${time.slice(0, 8)}`;
}

/** Splits an ISO timestamp. A clock can run past the year 9999; later years have a sign and six digits. */
function splitTimestamp(timestamp: string): { day: string; time: string } {
  const [day = '', time = ''] = timestamp.split('T');
  return { day: day.replace(/^\+0*/, ''), time: time.replace('Z', '') };
}

/** The latest time that a `Date` can represent; the earliest one is as far from 1970. */
const MAX_DATE_MS = 8_640_000_000_000_000;
export const toIsoString = (ms: number): string =>
  new Date(Math.max(-MAX_DATE_MS, Math.min(ms, MAX_DATE_MS))).toISOString();

export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds)} s`;
  const wholeSeconds = Math.round(seconds);
  if (wholeSeconds < 3600) return `${Math.floor(wholeSeconds / 60)}:${pad(wholeSeconds % 60)} min`;
  return `${Math.floor(wholeSeconds / 3600)}:${pad(Math.floor(wholeSeconds / 60) % 60)} h`;
}

/** How long ago something happened, in its largest unit. */
export function formatAgo(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

/** Lengths of an id's start and end: the ids of an account share a prefix and differ in what follows. */
const [ID_START_LENGTH, ID_END_LENGTH] = [8, 6];

/** Shortens an id in the middle. */
export const shortenId = (id: string): string =>
  id.length <= ID_START_LENGTH + ID_END_LENGTH + 1 ? id : `${id.slice(0, ID_START_LENGTH)}…${id.slice(-ID_END_LENGTH)}`;

export const formatNumber = (value: number): string => value.toLocaleString('en').replaceAll(',', '\u202f');

export const formatSigned = (value: number): string =>
  value > 0 ? `+${formatNumber(value)}` : value < 0 ? `−${formatNumber(-value)}` : '0';

/** Truncates a text without splitting a surrogate pair. */
export function truncate(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const splitsPair = /[\ud800-\udbff]/.test(text.charAt(maxLength - 1));
  return text.slice(0, splitsPair ? maxLength - 1 : maxLength);
}

export const pluralize = (count: number, singular: string, plural = `${singular}s`): string =>
  `${formatNumber(count)} ${count === 1 ? singular : plural}`;

type ResponseState = Pick<JournalEntry, 'status' | 'durationMs'>;

/** Whether the client still waits for the response. */
export const isPending = ({ status, durationMs }: ResponseState): boolean => status === null && durationMs === null;

/** The response status of a request, or why it has none. */
export const formatStatus = (entry: ResponseState): string =>
  isPending(entry) ? 'no response yet' : String(entry.status ?? 'no response');

/** The CSS class of a response status. */
export function statusClass(entry: ResponseState): string {
  const { status } = entry;
  if (isPending(entry)) return 'quiet';
  return status === null ? 'none' : status >= 500 ? 'bad' : status >= 400 ? 'refused' : 'good';
}
