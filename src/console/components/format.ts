import type { JournalEntry } from '../../client/types.ts';

// How moments, durations and amounts are written.

const pad = (value: number, width = 2) => String(value).padStart(width, '0');

/** The time of day in UTC, as the emulator tells it. */
export const timeOfDay = (moment: string): string => partsOf(moment).time;

/** In UTC: the API's own moments are. */
export function dayAndTime(moment: string): string {
  const { day, time } = partsOf(moment);
  return `${day} ${time.slice(0, 8)}`;
}

/** A clock can be set to the end of the year 9999 and go on: later years have a sign and six digits. */
function partsOf(moment: string): { day: string; time: string } {
  const [day = '', time = ''] = moment.split('T');
  return { day: day.replace(/^\+0*/, ''), time: time.replace('Z', '') };
}

/** The last that a date can be. */
const LAST_MS = 8_640_000_000_000_000;
export const isoOf = (ms: number): string => new Date(Math.min(ms, LAST_MS)).toISOString();

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}:${pad(whole % 60)} min`;
  return `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)} h`;
}

export const grouped = (value: number): string => value.toLocaleString('en').replaceAll(',', '\u202f');

export const signed = (value: number): string =>
  value > 0 ? `+${grouped(value)}` : value < 0 ? `−${grouped(-value)}` : '0';

/** The beginning of a text that may be very long. */
export function beginning(text: string, most: number): string {
  if (text.length <= most) return text;
  const isHalf = /[\ud800-\udbff]/.test(text.charAt(most - 1));
  return text.slice(0, isHalf ? most - 1 : most);
}

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`;

type Answered = Pick<JournalEntry, 'status' | 'durationMs'>;

/** Nobody has been answered, and somebody still waits. */
export const isUnderWay = ({ status, durationMs }: Answered): boolean =>
  status === null && durationMs === null;

/** What came of a request. */
export const answerOf = (entry: Answered): string =>
  isUnderWay(entry) ? 'no answer yet' : String(entry.status ?? 'no answer');

/** How that is coloured. */
export function answerClass(entry: Answered): string {
  const { status } = entry;
  if (isUnderWay(entry)) return 'quiet';
  return status === null ? 'none' : status >= 500 ? 'bad' : status >= 400 ? 'refused' : 'good';
}
