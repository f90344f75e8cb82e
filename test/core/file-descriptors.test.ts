import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { describe, expect, it } from 'vitest';
import { countFreeDescriptors, isOutOfDescriptors, lazy } from '../../src/core/file-descriptors.ts';

const tooManyFiles = () => Object.assign(new Error('too many open files'), { code: 'EMFILE' });

describe('lazy loading', () => {
  it('loads once, also for concurrent callers', async () => {
    let loads = 0;
    const load = lazy(async () => ++loads);
    expect(await Promise.all([load(), load()])).toEqual([1, 1]);
    expect(await load()).toBe(1);
  });

  it('tries again after a failure', async () => {
    const failures = [tooManyFiles()];
    const load = lazy(async () => {
      const failure = failures.pop();
      if (failure) throw failure;
      return 'loaded';
    });
    await expect(load()).rejects.toThrow('too many open files');
    expect(await load()).toBe('loaded');
  });
});

describe('file descriptors', () => {
  it('are counted down by open files', () => {
    const before = countFreeDescriptors();
    const descriptor = openSync(devNull, 'r');
    const during = countFreeDescriptors();
    closeSync(descriptor);
    expect(during).toBe(before - 1);
  });

  it('are known to have run out from an error or its cause', () => {
    expect(isOutOfDescriptors(tooManyFiles())).toBe(true);
    expect(isOutOfDescriptors(new Error('cannot be read', { cause: tooManyFiles() }))).toBe(true);
    expect(isOutOfDescriptors(new Error('cannot be read', { cause: 'EMFILE' }))).toBe(false);
    expect(isOutOfDescriptors(Object.assign(new Error(), { code: 'ENOENT' }))).toBe(false);
  });
});
