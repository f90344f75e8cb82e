import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** npm's own record of what it installed. */
const INSTALLED = new URL('../../node_modules/.package-lock.json', import.meta.url);

describe('dependencies', () => {
  it('are fewer than 400 packages for contributors', () => {
    const { packages } = JSON.parse(readFileSync(INSTALLED, 'utf8'));
    expect(Object.keys(packages).length).toBeGreaterThan(0);
    expect(Object.keys(packages).length).toBeLessThan(400);
  });
});
