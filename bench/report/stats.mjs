// Statistics over raw figures, and their formatting.
const NOT_MEASURED = 'not measured';

export function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** Rounds to a tenth; undefined stays undefined. */
export function roundToTenth(value) {
  return value === undefined ? undefined : round(value, 1);
}

export function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Undefined when one of the values was not measured. */
export const maxOf = (values) =>
  values.includes(undefined)
    ? undefined
    : values.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);

/** Difference between the largest and the smallest value, relative to the median. */
export const spread = (values) => (Math.max(...values) - Math.min(...values)) / median(values);

/** The values of a server's figure in all rounds. */
export const valuesOf = (rounds, server, figure) => rounds.map((round) => round[server][figure]);

/** The median of a server's figure; undefined when it was not measured in some round. */
export function medianOf(rounds, server, figure) {
  const values = valuesOf(rounds, server, figure);
  return values.includes(undefined) ? undefined : median(values);
}

/** The rounds' own ratios of two servers. */
export const ratiosOf = (rounds, server, other, figure) =>
  rounds.map((round) => round[server][figure] / round[other][figure]);

/** The median of the rounds' own ratios of two servers. */
export function ratioOf(rounds, server, other, figure) {
  const ratios = ratiosOf(rounds, server, other, figure);
  return ratios.some(Number.isNaN) ? undefined : median(ratios);
}

/** The limits of the middle half of the values. */
export function middleHalf(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const quarter = sorted.length >> 2;
  return [sorted[quarter], sorted[sorted.length - 1 - quarter]];
}

/** A value that was computed from a missing one is NaN. */
export const isMeasured = (value) => value !== undefined && !Number.isNaN(value);

/** Formats a value, unless it was not measured. */
const format = (toText) => (value) => (isMeasured(value) ? toText(value) : NOT_MEASURED);
const fixed = (digits, unit = '') => format((value) => value.toFixed(digits) + unit);
export const ratio = fixed(2);
export const rate = format((value) => value.toLocaleString('en', { maximumFractionDigits: 0 }));
export const percent = format((share) => `${Math.round(share * 100)} %`);
export const exactPercent = format((share) => `${(share * 100).toFixed(1)} %`);
export const ms = fixed(0, ' ms');
export const exactMs = fixed(2, ' ms');
export const exactSeconds = fixed(1, ' s');
export const micros = fixed(1, ' µs');
export const mib = fixed(0, ' MiB');
export const bytes = format((value) => `${rate(value)} B`);

/** A Markdown table with aligned columns, also readable in a terminal. */
export function table(header, rows) {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => row[column].length)));
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
  const line = (row) => `| ${row.map(pad).join(' | ')} |\n`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return line(header) + line(rule) + rows.map(line).join('');
}
