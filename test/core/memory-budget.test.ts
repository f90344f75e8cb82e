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

  it('refuses a reservation that exceeds it when nothing can be evicted, and counts nothing', () => {
    const memory = new MemoryBudget(100);
    expect(memory.reserve('bodies', 100)).toBe(true);
    expect(memory.reserve('bodies', 1)).toBe(false);
    expect(memory.usedBytes.bodies).toBe(100);
    memory.add('bodies', -1);
    expect(memory.reserve('listeners', 1)).toBe(true);
  });

  it('evicts only as much as a reservation needs', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'journal', [30, 30, 30]);
    expect(memory.reserve('bodies', 60)).toBe(true);
    expect(memory.usedBytes).toMatchObject({ journal: 30, bodies: 60 });
  });

  it('evicts from the largest use first, then from the next', () => {
    const memory = new MemoryBudget(100);
    createEvictable(memory, 'journal', [10, 10]);
    createEvictable(memory, 'storage', [15, 15, 15]);
    memory.add('responses', 70);
    expect(memory.usedBytes).toMatchObject({ journal: 10, storage: 15 });
    memory.add('responses', 10);
    expect(memory.usedBytes).toMatchObject({ journal: 10, storage: 0 });
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
    memory.add('storage', 10);
    memory.onPressure('storage', () => {
      calls += 1;
      if (calls > 1) return false;
      memory.add('journal', 5);
      memory.add('storage', -10);
      return true;
    });
    expect(memory.reserve('bodies', 5)).toBe(true);
    expect(calls).toBe(1);
  });
});
