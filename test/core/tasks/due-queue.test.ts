import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueQueue, type DueTask, READ_AHEAD } from '../../../src/core/tasks/due-queue.ts';

const buildTask = (seq: number, dueAtMs: number) => ({ seq, dueAtMs }) as DueTask;

describe('due queue', () => {
  it('always knows the next task of the table, or that it has to be read again', () => {
    const change = fc.record({
      do: fc.constantFrom('add' as const, 'add' as const, 'finish' as const, 'finish next' as const),
      dueAtMs: fc.integer({ min: 0, max: 1000 }),
      nth: fc.nat(),
    });
    const changes = fc.array(change, { minLength: 1, maxLength: 400, size: 'max' });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3 * READ_AHEAD }), changes, (count, list) => {
        let table: DueTask[] = [];
        const readInOrder = () => [...table].sort((one, other) => one.dueAtMs - other.dueAtMs || one.seq - other.seq);
        for (let seq = 1; seq <= count; seq++) table.push(buildTask(seq, (seq * 7919) % 1000));
        const read = () => new DueQueue(readInOrder().slice(0, READ_AHEAD));
        let queue = read();
        let seq = count;
        for (const { do: action, dueAtMs, nth } of list) {
          if (action === 'add') {
            const task = buildTask(++seq, dueAtMs);
            table.push(task);
            queue.add(task);
          } else {
            const task = action === 'finish' ? table[nth % Math.max(1, table.length)] : queue.next;
            table = table.filter((other) => other !== task);
            if (task) queue.remove(task.seq);
          }
          if (queue.isExhausted) queue = read();
          expect(queue.next).toEqual(readInOrder()[0]);
        }
      }),
      { numRuns: 100 },
    );
  });
});
