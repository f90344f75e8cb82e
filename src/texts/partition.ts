import type { Random } from '../core/random.ts';

/**
 * Cuts `total` into `count` parts of uneven length. Answers the `count + 1` borders, from 0 to exactly `total`;
 * those in between are multiples of the coarsest of `units` that leaves every part at least one unit.
 */
export function partition(total: number, count: number, units: readonly number[], random: Random): number[] {
  const mean = total / count;
  // Parts weigh 0.8 to 1.25, so the least is 0.64 of the mean: 1.6 units of mean keep it above one.
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

/** At most three decimals, no trailing zeros. */
export const formatNumber = (value: number) => String(Math.round(value * 1000) / 1000);
