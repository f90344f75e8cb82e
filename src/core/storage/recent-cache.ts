import { LRUCache } from 'lru-cache';

/**
 * Creates a cache of the `max` most recently used entries. lru-cache's own `max` would allocate memory for all of them
 * at once.
 */
export const createRecentCache = <Key extends string | number, Value extends string | number | boolean | object>(
  max: number,
) => new LRUCache<Key, Value>({ maxSize: max, sizeCalculation: () => 1 });
