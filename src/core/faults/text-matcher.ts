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
  /** Zero until computed, or for the root; no pattern needs most of them. */
  readonly #fallbacks: Int32Array;
  readonly #hasFallback: Uint8Array;
  /** Hash table of the nodes by parent and code unit, with linear probing. */
  readonly #slots: Int32Array;
  readonly #patternNodes = new Map<string, number>();
  /** The code units with which patterns start. Most of a usual text is skipped by them. */
  readonly #firstUnits = new Uint8Array(2 ** 16);

  constructor(patterns: Iterable<string>) {
    const distinct = new Set(patterns);
    let maxNodes = 1;
    for (const pattern of distinct) maxNodes += pattern.length;
    this.#parents = new Int32Array(maxNodes);
    this.#units = new Uint16Array(maxNodes);
    this.#fallbacks = new Int32Array(maxNodes);
    this.#hasFallback = new Uint8Array(maxNodes);
    // At most half of the slots are in use.
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * maxNodes)));
    let nodes = 1;
    for (const pattern of distinct) {
      this.#firstUnits[pattern.charCodeAt(0)] = 1;
      let node = ROOT;
      for (let index = 0; index < pattern.length; index++) {
        const unit = pattern.charCodeAt(index);
        const slot = this.#findSlot(node, unit);
        if (this.#slots[slot] === 0) {
          this.#parents[nodes] = node;
          this.#units[nodes] = unit;
          this.#slots[slot] = nodes++;
        }
        node = this.#slots[slot]!;
      }
      this.#patternNodes.set(pattern, node);
    }
  }

  /** Returns a predicate for the patterns of this matcher: whether the text contains the pattern. */
  search(text: string): (pattern: string) => boolean {
    const found = new Uint8Array(this.#parents.length);
    found[ROOT] = 1;
    let node = ROOT;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (node === ROOT && this.#firstUnits[unit] === 0) continue;
      let next = this.#findChild(node, unit);
      while (next === 0 && node !== ROOT) {
        node = this.#fallbackOf(node);
        next = this.#findChild(node, unit);
      }
      node = next;
      // The text contains all suffixes of what it contains.
      for (let suffix = node; found[suffix] === 0; suffix = this.#fallbackOf(suffix)) found[suffix] = 1;
    }
    return (pattern) => found[this.#patternNodes.get(pattern)!] === 1;
  }

  #fallbackOf(node: number): number {
    if (this.#hasFallback[node] === 1) return this.#fallbacks[node]!;
    const parent = this.#parents[node]!;
    let fallback = ROOT;
    if (parent !== ROOT) {
      let suffix = this.#fallbackOf(parent);
      fallback = this.#findChild(suffix, this.#units[node]!);
      while (fallback === 0 && suffix !== ROOT) {
        suffix = this.#fallbackOf(suffix);
        fallback = this.#findChild(suffix, this.#units[node]!);
      }
    }
    this.#hasFallback[node] = 1;
    this.#fallbacks[node] = fallback;
    return fallback;
  }

  /** Returns 0 when the node has no such child. */
  #findChild(node: number, unit: number): number {
    return this.#slots[this.#findSlot(node, unit)]!;
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
