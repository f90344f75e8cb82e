import { describe, expect, it } from 'vitest';
import type { Account, Task } from '../../src/client/types.ts';
import { describeState } from '../../src/console/task-progress.ts';

const ACCOUNT = { speed: 1, clock: { mode: 'frozen' } } as Account;

function describeTask(family: Task['family'], outcome: Task['plan']['outcome']): string {
  const steps = [{ name: 'generating', atMs: 0 }];
  const task = { family, status: 'processing', step: 'generating', dueAt: null, plan: { steps, endMs: 1000, outcome } };
  return describeState(task as Task, ACCOUNT, 0);
}

describe('state of a running task without a due time', () => {
  it('hangs if its plan never ends', () => {
    expect(describeTask('sora-2', { status: 'hangs' })).toBe('generating, hangs');
  });

  it('waits if it is a shot after another one', () => {
    expect(describeTask('veo-3', { status: 'completed' })).toBe('waits for an earlier shot');
  });

  it('is its step if it ends with its request', () => {
    expect(describeTask('sora-watermark', { status: 'completed' })).toBe('generating');
  });
});
