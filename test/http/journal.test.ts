import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { MemoryBudget } from '../../src/core/memory-budget.ts';
import { BoundedLog, type LogEntry, LogGroup } from '../../src/http/journal/bounded-log.ts';
import { findUnknownFields } from '../../src/http/journal/unknown-fields.ts';

describe('unknown fields', () => {
  it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])('include %s', (field) => {
    const raw = JSON.parse(`{"prompt":"a","nested":{"${field}":1},"${field}":1}`);
    expect(findUnknownFields(raw, { prompt: 'a', nested: {} }).names.toSorted()).toEqual(
      [field, `nested.${field}`].toSorted(),
    );
  });

  it('have paths through objects and lists', () => {
    const raw = { a: { b: [[{ c: 1, d: 2 }], { e: 3 }], f: 4 }, g: 5, h: [6, { i: 7 }] };
    const known = { a: { b: [[{ c: 1 }], {}] }, h: [6] };
    expect(findUnknownFields(raw, known)).toEqual({ names: ['a.b[0][0].d', 'a.b[1].e', 'a.f', 'g'], omittedCount: 0 });
  });

  it('are counted when there are more than ten', () => {
    const fields = Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`f${index}`, 0]));
    const { names, omittedCount } = findUnknownFields({ a: fields, b: 0 }, { a: {} });
    expect(names).toEqual(Array.from({ length: 10 }, (_, index) => `a.f${index}`));
    expect(omittedCount).toBe(69_991);
  });
});

describe('bounded log', () => {
  it('lists only new entries, without examining all others', () => {
    const log = new BoundedLog<LogEntry>(new LogGroup(new MemoryBudget(1000), 1000), 10);
    const entries = Array.from({ length: 25 }, (): LogEntry => {
      const links = { bytes: 0, isRetained: true, olderInGroup: null, newerInGroup: null };
      const entry = { log, ...links, releasePrevious: () => {} };
      log.add(entry, 1);
      return entry;
    });
    const isKnown = vi.fn((entry) => entries.indexOf(entry) < 22);
    expect(log.list(isKnown)).toEqual(entries.slice(22));
    expect(isKnown).toHaveBeenCalledTimes(4);
    expect(log.list(() => false)).toEqual(entries.slice(15));
    expect(log.list(() => true)).toEqual([]);
    log.clear();
    expect(log.list(() => false)).toEqual([]);
  });

  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;

  // id: journal-releases-evicted-entries
  it.each(['limit of entries', 'limit of bytes', 'memory budget'])(
    'releases the entries that it evicts over the %s',
    async (limit) => {
      const memory = new MemoryBudget(limit === 'memory budget' ? 100 : 1000);
      const group = new LogGroup(memory, limit === 'limit of bytes' ? 100 : 1000);
      const log = new BoundedLog<LogEntry>(group, limit === 'limit of entries' ? 10 : 1000);
      const other = new BoundedLog<LogEntry>(group, 1000);
      const references = Array.from({ length: 60 }, (_, index) => {
        const entry: LogEntry = {
          log: index % 2 === 0 ? log : other,
          ...{ bytes: 0, isRetained: true, olderInGroup: null, newerInGroup: null },
          releasePrevious: () => {},
        };
        (index % 2 === 0 ? log : other).add(entry, index % 2 === 0 ? 10 : 0);
        return new WeakRef(entry);
      });
      await new Promise(setImmediate);
      collectGarbage();
      const isRetained = references.map((reference) => reference.deref() !== undefined);
      expect(isRetained.filter((_, index) => index % 2 === 0)).toEqual([
        ...Array(20).fill(false),
        ...Array(10).fill(true),
      ]);
      expect(log.list()).toHaveLength(10);
      expect(memory.usedBytes.journal).toBe(100);
    },
  );
});
