import { describe, expect, it } from 'vitest';
import { MemoryBudget, type MemoryUse } from '../../src/core/memory-budget.ts';

/** Registers an evictor that frees the given sizes one after the other. */
function createEvictable(memory: MemoryBudget, use: MemoryUse, sizes: number[]): void {
  for (const bytes of sizes) memory.add(use, bytes);
  memory.onPressure(use, () => {
    const bytes = sizes.shift();
    if (bytes === undefined) return false;
    memory.add(use, -bytes);
    return true;
  });
}

describe('the memory budget', () => {
  it('counts the bytes of each use', () => {
    const memory = new MemoryBudget(100);
    memory.add('journal', 10);
    expect(memory.reserve('bodies', 20)).toBe(true);
    memory.add('bodies', -5);
    expect(memory.usedBytes).toEqual({ journal: 10, storage: 0, bodies: 15, responses: 0, listeners: 0 });
  });

  it('refuses a reservation that exceeds its share when nothing can be evicted, and counts nothing', () => {
    const memory = new MemoryBudget(100);
    expect(memory.reserve('bodies', 40)).toBe(true);
    expect(memory.reserve('responses', 11)).toBe(false);
    expect(memory.usedBytes).toMatchObject({ bodies: 40, responses: 0 });
    memory.add('bodies', -1);
    expect(memory.reserve('listeners', 11)).toBe(true);
    expect(memory.reserve('storage', 50)).toBe(true);
  });

  it('evicts only as much as a reservation needs', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'journal', [30, 30, 30]);
    expect(memory.reserve('bodies', 40)).toBe(true);
    expect(memory.usedBytes).toMatchObject({ journal: 60, bodies: 40 });
  });

  it('evicts nothing for a reservation that can never fit', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'storage', [20, 20]);
    expect(memory.reserve('storage', 51)).toBe(false);
    expect(memory.usedBytes.storage).toBe(40);
  });

  it('keeps the journal when a reservation exceeds its share', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'journal', [10, 10]);
    expect(memory.reserve('bodies', 40)).toBe(true);
    expect(memory.reserve('responses', 11)).toBe(false);
    memory.add('bodies', 15);
    expect(memory.usedBytes).toMatchObject({ journal: 20, bodies: 55 });
  });

  // id: memory-in-flight-evicts-no-tasks
  it('evicts the journal, but not stored data, for data in flight', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'storage', [25, 25]);
    createEvictable(memory, 'journal', [25, 25]);
    expect(memory.reserve('bodies', 50)).toBe(true);
    expect(memory.reserve('bodies', 1)).toBe(false);
    expect(memory.usedBytes).toMatchObject({ journal: 0, storage: 50, bodies: 50 });
  });

  it('evicts stored data for stored data, and unread events for responses', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'storage', [25, 25]);
    createEvictable(memory, 'listeners', [25, 25]);
    expect(memory.reserve('storage', 10)).toBe(true);
    expect(memory.reserve('responses', 10)).toBe(true);
    expect(memory.usedBytes).toMatchObject({ storage: 35, listeners: 25, responses: 10 });
  });

  it('counts bytes that are already held even if nothing can be evicted', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'journal', [10]);
    memory.add('storage', 200);
    expect(memory.usedBytes).toMatchObject({ journal: 0, storage: 200 });
  });

  it('does not evict recursively when an evictor counts bytes', () => {
    const memory = new MemoryBudget(10);
    let calls = 0;
    memory.add('storage', 5);
    memory.onPressure('storage', () => {
      calls += 1;
      if (calls > 1) return false;
      memory.add('storage', 1);
      memory.add('storage', -6);
      return true;
    });
    expect(memory.reserve('storage', 5)).toBe(true);
    expect(calls).toBe(1);
  });
});
