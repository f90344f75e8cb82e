// Reproducible randomness: the seed decides what is sent and when the process is killed.

/** mulberry32: small, and good enough for test data. */
export function seededRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (min, max) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    /** Both bounds are inclusive. */
    int,
    chance: (probability) => next() < probability,
    pick: (list) => list[int(0, list.length - 1)],
    /** One of the keys, with a probability proportional to its value. */
    weighted(weights) {
      const sum = Object.values(weights).reduce((total, weight) => total + weight, 0);
      let left = next() * sum;
      for (const [name, weight] of Object.entries(weights)) {
        left -= weight;
        if (left < 0) return name;
      }
      return Object.keys(weights)[0];
    },
    /** An independent generator, so that draws in one part do not change those in another. */
    fork: () => seededRandom(int(0, 2 ** 32 - 1)),
  };
}
