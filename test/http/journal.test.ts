import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, vi } from 'vitest';
import { MemoryBudget } from '../../src/core/memory-budget.ts';
import { BoundedLog, type LogEntry, LogGroup } from '../../src/http/journal/bounded-log.ts';
import { NO_NAMES } from '../../src/http/journal/bounded-names.ts';
import { OpenedEntry } from '../../src/http/journal/opened-entry.ts';
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

  it.each<[raw: unknown, known: unknown]>([
    [{ a: { b: 1 } }, { a: 'text' }],
    [{ a: { b: 1 } }, { a: null }],
    [{ a: null }, { a: { b: 1 } }],
    [{ a: { b: 1 } }, { a: new Date(0) }],
    [{ a: [{ b: 1 }] }, { a: { 0: {} } }],
    [{ a: { 0: { b: 1 } } }, { a: [{}] }],
    ['text', {}],
    [{ a: 1 }, 'text'],
  ])('are not looked for where validation has replaced the value: %j, %j', (raw, known) => {
    expect(findUnknownFields(raw, known)).toBe(NO_NAMES);
  });

  it('are counted when there are more than ten', () => {
    const fields = Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`f${index}`, 0]));
    const { names, omittedCount } = findUnknownFields({ a: fields, b: 0 }, { a: {} });
    expect(names).toEqual(Array.from({ length: 10 }, (_, index) => `a.f${index}`));
    expect(omittedCount).toBe(69_991);
  });
});

/** Adds an entry to a log. */
function addEntry(log: BoundedLog<LogEntry>, bytes = 1): LogEntry {
  const links = { bytes: 0, isRetained: true, olderInGroup: null, newerInGroup: null };
  const entry = { log, ...links, releasePrevious: () => {} };
  log.add(entry, bytes);
  return entry;
}

describe('bounded log', () => {
  it('lists only new entries, without examining all others', () => {
    const log = new BoundedLog<LogEntry>(new LogGroup(new MemoryBudget(1000), 1000), 10);
    const entries = Array.from({ length: 25 }, () => addEntry(log));
    const isKnown = vi.fn((entry) => entries.indexOf(entry) < 22);
    expect(log.list(isKnown)).toEqual(entries.slice(22));
    expect(isKnown).toHaveBeenCalledTimes(4);
    expect(log.list(({ bytes }) => bytes === 0)).toEqual(entries.slice(15));
    expect(log.list(() => true)).toEqual([]);
    expect(log.last).toBe(entries.at(-1));
    log.clear();
    expect(log.list(() => false)).toEqual([]);
    expect(log.last).toBeNull();
  });

  it('lists the newest entries of all logs of its group', () => {
    const group = new LogGroup(new MemoryBudget(1000), 1000);
    const logs = [new BoundedLog<LogEntry>(group, 10), new BoundedLog<LogEntry>(group, 10)];
    const entries = Array.from({ length: 6 }, (_, index) => addEntry(logs[index % 2]!));
    expect(group.listNewest(4)).toEqual(entries.slice(2).toReversed());
    expect(group.listNewest(10)).toEqual(entries.toReversed());
  });

  it('evicts as many entries as other uses of memory need, until none is left', () => {
    const memory = new MemoryBudget(100);
    const group = new LogGroup(memory, 1000);
    const log = new BoundedLog<LogEntry>(group, 100);
    const entries = Array.from({ length: 10 }, () => addEntry(log, 10));
    expect(memory.reserve('bodies', 45)).toBe(true);
    expect(log.list()).toEqual(entries.slice(5));
    expect(memory.reserve('storage', 50)).toBe(true);
    expect(log.list()).toEqual([]);
    group.addBytes(10);
    expect(memory.usedBytes.journal).toBe(10);
  });

  it('does not count what is added to an evicted entry', () => {
    const memory = new MemoryBudget(1000);
    const log = new BoundedLog<LogEntry>(new LogGroup(memory, 1000), 1);
    const [evicted] = [addEntry(log), addEntry(log)];
    log.grow(evicted!, 10);
    expect(memory.usedBytes.journal).toBe(1);
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
        return new WeakRef(index % 2 === 0 ? addEntry(log, 10) : addEntry(other, 0));
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

describe('an entry of an opened file', () => {
  it('has the fields by which requests are found', () => {
    const shared = { requestId: 'r', method: 'POST', path: '/p', status: 500, errorCode: 'E', durationMs: 1.5 };
    const lists = { taskIds: [], fault: null, warnings: [] };
    const entry = new OpenedEntry({
      ...{ ...shared, ...lists, id: '7', at: '1970-01-01T00:00:01.000Z' },
      request: { headers: {}, body: { prompt: 'a' } },
      response: { headers: {}, body: 'not JSON' },
    });
    expect(entry).toMatchObject({ ...shared, bytes: 0, seq: 7, atMs: 1000, wallMs: 1000 });
    expect([entry.body, entry.responseBody]).toEqual(['{"prompt":"a"}', 'not JSON']);
  });
});
