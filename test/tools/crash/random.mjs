// Chance that can be had again: the seed decides what is sent, and when the process is killed.

/** mulberry32: small, and good enough to choose with. */
export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (least, most) => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    /** Both ends are possible. */
    int,
    chance: (probability) => next() < probability,
    pick: (list) => list[int(0, list.length - 1)],
    /** One of the names, each as often as its number says. */
    weighted(weights) {
      const sum = Object.values(weights).reduce((total, weight) => total + weight, 0);
      let left = next() * sum;
      for (const [name, weight] of Object.entries(weights)) {
        left -= weight;
        if (left < 0) return name;
      }
      return Object.keys(weights)[0];
    },
    /** Another generator, so that what one part draws does not change what another does. */
    fork: () => randomOf(int(0, 2 ** 32 - 1)),
  };
}
