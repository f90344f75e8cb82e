// What is made of raw figures, and how it is told.
export const NOT_MEASURED = 'not measured';

export function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** To a tenth, where it was measured at all. */
export function rounded(value) {
  return value === undefined ? undefined : round(value, 1);
}

export function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Undefined when one was not measured. */
export const mostOf = (values) =>
  values.includes(undefined)
    ? undefined
    : values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);

/** How far the same thing measured several times lies apart, as a share of its median. */
export const spread = (values) => (Math.max(...values) - Math.min(...values)) / median(values);

/** `server` beside `other` (bare where nothing is said): medians, and the median of the rounds' own ratios. */
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

/** Markdown that can be read on a terminal too. */
export function table(header, rows) {
  const widths = header.map((_, column) => Math.max(3, ...[header, ...rows].map((row) => row[column].length)));
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
  const line = (row) => `| ${row.map(pad).join(' | ')} |\n`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return line(header) + line(rule) + rows.map(line).join('');
}
