import type { Random } from '../core/random.ts';

/**
 * Cuts `total` into `count` parts of uneven length. Answers the `count + 1` borders, from 0 to exactly `total`;
 * those in between are multiples of the coarsest of `units` that leaves every part at least one unit.
 */
export function cutsOf(total: number, count: number, units: readonly number[], random: Random): number[] {
  const mean = total / count;
  // Parts weigh 0.8 to 1.25, so the least is 0.64 of the mean: 1.6 units of mean keep it above one.
  const unit = units.find((candidate) => mean >= candidate * 1.6) ?? units.at(-1)!;
  const weights = Array.from({ length: count }, () => 0.8 + random.next() * 0.45);
  const sum = weights.reduce((one, other) => one + other, 0);
  const borders = [0];
  let before = 0;
  for (const weight of weights.slice(0, -1)) {
    before += weight;
    borders.push(Math.round((before / sum) * (total / unit)) * unit);
  }
  return [...borders, total];
}

/** At most three decimals, no trailing zeros. */
export const shortNumber = (value: number) => String(Math.round(value * 1000) / 1000);
