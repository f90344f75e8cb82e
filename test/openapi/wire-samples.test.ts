import { describe, expect, it } from 'vitest';
import { parseWireSample } from '../../src/openapi/wire-samples.ts';

describe('wire samples', () => {
  it.each([
    [{ mark: 'D' }, 'documented'],
    [{ mark: 'C' }, 'observed'],
    [{ mark: 'X' }, 'assumed'],
    [{ provenance: 'observed' }, 'observed'],
  ])('with %j have the provenance %s, also if an earlier version recorded them', (fields, provenance) => {
    const sample = parseWireSample('sora-2\\generate', JSON.stringify({ name: 'a', ...fields }));
    expect(sample).toEqual({ id: 'sora-2/generate', name: 'a', provenance });
  });
});
