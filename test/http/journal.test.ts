import { describe, expect, it } from 'vitest';
import { findUnknownFields } from '../../src/http/journal/unknown-fields.ts';

describe('unknown fields', () => {
  it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])('include %s', (field) => {
    const raw = JSON.parse(`{"prompt":"a","nested":{"${field}":1},"${field}":1}`);
    expect(findUnknownFields(raw, { prompt: 'a', nested: {} }).names.toSorted()).toEqual(
      [field, `nested.${field}`].toSorted(),
    );
  });
});
