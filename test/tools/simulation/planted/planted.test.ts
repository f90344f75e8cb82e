import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PLANTED_BUGS } from './bugs.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');

describe('planted bugs', () => {
  it('are at least 20 with different names', () => {
    expect(new Set(PLANTED_BUGS.map(({ name }) => name)).size).toBe(PLANTED_BUGS.length);
    expect(PLANTED_BUGS.length).toBeGreaterThanOrEqual(20);
  });

  it.each(PLANTED_BUGS)('replace a text that occurs once in the sources: $name', ({ file, find, replace }) => {
    expect(replace).not.toBe(find);
    expect(readFileSync(join(ROOT, file), 'utf8').split(find)).toHaveLength(2);
  });
});
