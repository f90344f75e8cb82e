import { describe, expect, it } from 'vitest';
import type { Account, Task } from '../../src/client/types.ts';
import { describeState } from '../../src/console/task-progress.ts';

const ACCOUNT = { speed: 1, clock: { mode: 'frozen' } } as Account;

function describeTask(family: Task['family'], outcome: Task['plan']['outcome'], previousShot?: Task): string {
  const steps = [{ name: 'generating', atMs: 0 }];
  const task = { family, status: 'processing', step: 'generating', dueAt: null, plan: { steps, endMs: 1000, outcome } };
  return describeState(task as Task, ACCOUNT, 0, previousShot);
}

describe('state of a running task without a due time', () => {
  it('hangs if its plan never ends', () => {
    expect(describeTask('sora-2', { status: 'hangs' })).toBe('generating, hangs');
  });

  it('waits if it is a shot after another one', () => {
    expect(describeTask('veo-3', { status: 'completed' })).toBe('waits for an earlier shot');
    const previousShot = { input: { id: 'opening' } } as unknown as Task;
    expect(describeTask('veo-3', { status: 'completed' }, previousShot)).toBe('waits for shot opening');
  });

  it('is its step if it ends with its request', () => {
    expect(describeTask('sora-watermark', { status: 'completed' })).toBe('generating');
  });
});

describe('state of a failed task', () => {
  it.each([
    [4, 'failed, refunded: INTERNAL_ERROR'],
    [0, 'failed: INTERNAL_ERROR'],
  ])('says whether its price was refunded: %d credits', (price, expected) => {
    const task = { status: 'failed', price, result: { errorCode: 'INTERNAL_ERROR' } };
    expect(describeState(task as unknown as Task, ACCOUNT, 0)).toBe(expected);
  });
});
