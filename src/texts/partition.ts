import type { Random } from '../core/random.ts';

/**
 * Divides `total` into `count` parts of uneven length. Returns the `count + 1` boundaries, from 0 to exactly `total`.
 * Those in between are multiples of the coarsest of `units` that gives every part at least one unit.
 */
export function partition(total: number, count: number, units: readonly number[], random: Random): number[] {
  const mean = total / count;
  // Weights range from 0.8 to 1.25, so the smallest part is 0.64 of the mean: a mean of 1.6 units keeps it above one
  // unit.
  const unit = units.find((candidate) => mean >= candidate * 1.6) ?? units.at(-1)!;
  const weights = Array.from({ length: count }, () => 0.8 + random.next() * 0.45);
  const sum = weights.reduce((one, other) => one + other, 0);
  const boundaries = [0];
  let cumulative = 0;
  for (const weight of weights.slice(0, -1)) {
    cumulative += weight;
    boundaries.push(Math.round((cumulative / sum) * (total / unit)) * unit);
  }
  return [...boundaries, total];
}

/** Formats a number with at most three decimals and no trailing zeros. */
export const formatNumber = (value: number) => String(Math.round(value * 1000) / 1000);
