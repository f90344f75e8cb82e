import { expect, it } from 'vitest';
import { createRecentCache } from '../../../src/core/storage/recent-cache.ts';

it('a recent cache evicts the least recently used entry', () => {
  const cache = createRecentCache<string, number>(2);
  cache.set('a', 1);
  cache.set('b', 2);
  cache.get('a');
  cache.set('c', 3);
  expect([...cache.keys()].sort()).toEqual(['a', 'c']);
});

it('a recent cache allocates nothing for entries that it does not have', () => {
  const cache = createRecentCache<string, number>(Number.MAX_SAFE_INTEGER);
  cache.set('a', 1);
  expect(cache.get('a')).toBe(1);
});
