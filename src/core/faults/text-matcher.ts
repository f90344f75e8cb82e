const ROOT = 0;

/**
 * Finds which of many patterns a text contains, with the algorithm of Aho and Corasick: the time depends on the lengths
 * of the text and of the patterns only. `String.includes` for each pattern takes seconds on the worst texts.
 *
 * The patterns form a trie. A node stands for a prefix of a pattern, and its fallback for the longest proper suffix of
 * that prefix that is itself a prefix of a pattern. Nodes are numbers, and their fields are in typed arrays.
 */
export class TextMatcher {
  readonly #parents: Int32Array;
  /** UTF-16 code unit that leads from the parent to the node. */
  readonly #units: Uint16Array;
  readonly #fallbacks: Int32Array;
  /** Hash table of the nodes by parent and code unit, with linear probing. */
  readonly #slots: Int32Array;
  readonly #patternNodes = new Map<string, number>();

  constructor(patterns: Iterable<string>) {
    for (const pattern of patterns) this.#patternNodes.set(pattern, ROOT);
    let maxNodes = 1;
    for (const pattern of this.#patternNodes.keys()) maxNodes += pattern.length;
    this.#parents = new Int32Array(maxNodes);
    this.#units = new Uint16Array(maxNodes);
    this.#fallbacks = new Int32Array(maxNodes);
    // At most half of the slots are in use.
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * maxNodes)));
    let nodes = 1;
    let unfinished = [...this.#patternNodes.keys()];
    // Level by level, because a fallback is on a higher level than its node.
    for (let depth = 0; unfinished.length > 0; depth++) {
      unfinished = unfinished.filter(({ length }) => length > depth);
      for (const pattern of unfinished) {
        const parent = this.#patternNodes.get(pattern)!;
        const unit = pattern.charCodeAt(depth);
        const slot = this.#findSlot(parent, unit);
        if (this.#slots[slot] === 0) {
          this.#parents[nodes] = parent;
          this.#units[nodes] = unit;
          this.#fallbacks[nodes] = parent === ROOT ? ROOT : this.#step(this.#fallbacks[parent]!, unit);
          this.#slots[slot] = nodes++;
        }
        this.#patternNodes.set(pattern, this.#slots[slot]!);
      }
    }
  }

  /** Returns a predicate for the patterns of this matcher: whether the text contains the pattern. */
  search(text: string): (pattern: string) => boolean {
    const found = new Uint8Array(this.#parents.length);
    found[ROOT] = 1;
    let node = ROOT;
    for (let index = 0; index < text.length; index++) {
      node = this.#step(node, text.charCodeAt(index));
      // The text contains all suffixes of what it contains.
      for (let suffix = node; found[suffix] === 0; suffix = this.#fallbacks[suffix]!) found[suffix] = 1;
    }
    return (pattern) => found[this.#patternNodes.get(pattern)!] === 1;
  }

  /** Returns the node of the longest pattern prefix with which the text of `node`, followed by `unit`, ends. */
  #step(node: number, unit: number): number {
    for (let suffix = node; ; suffix = this.#fallbacks[suffix]!) {
      const child = this.#slots[this.#findSlot(suffix, unit)]!;
      if (child !== 0 || suffix === ROOT) return child;
    }
  }

  /** Returns the slot of a child, or the free slot for it. */
  #findSlot(node: number, unit: number): number {
    const mask = this.#slots.length - 1;
    let slot = Math.imul(Math.imul(node, 0x9e3779b1) ^ unit, 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & mask;
    for (;;) {
      const child = this.#slots[slot]!;
      if (child === 0 || (this.#parents[child] === node && this.#units[child] === unit)) return slot;
      slot = (slot + 1) & mask;
    }
  }
}
