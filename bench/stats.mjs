// Statistics over raw figures, and their formatting.
export const NOT_MEASURED = 'not measured';

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

/** Compares `server` with `other` (by default bare): medians, and the median of the rounds' own ratios. */
export function compare(rounds, server, figure, other = 'bare') {
  return {
    emulator: median(rounds.map((round) => round[server][figure])),
    bare: median(rounds.map((round) => round[other][figure])),
    ratio: median(rounds.map((round) => round[server][figure] / round[other][figure])),
  };
}

export const verdict = (met) => (met ? 'met' : 'missed');
export const percent = (share) => `${Math.round(share * 100)} %`;
export const ms = (value, digits = 0) => `${value.toFixed(digits)} ms`;
export const mib = (value) => (value === undefined ? NOT_MEASURED : `${value.toFixed(0)} MiB`);

/** A Markdown table with aligned columns, also readable in a terminal. */
export function table(header, rows) {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => row[column].length)));
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
  const line = (row) => `| ${row.map(pad).join(' | ')} |\n`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return line(header) + line(rule) + rows.map(line).join('');
}
