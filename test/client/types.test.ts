import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FAMILIES } from '../../src/families/index.ts';

it('the exported type Family names all families', () => {
  const types = readFileSync(join(import.meta.dirname, '../../src/client/types.ts'), 'utf8');
  const [, union] = /export type Family =([^;]*);/.exec(types)!;
  const names = [...union!.matchAll(/'([^']+)'/g)].map(([, name]) => name);
  expect(names.toSorted()).toEqual(FAMILIES.map(({ name }) => name).toSorted());
});
