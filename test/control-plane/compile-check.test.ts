import { describe, expect, it } from 'vitest';
import { compileCheck } from '../../src/control-plane/state/compile-check.ts';
import { getFamilySchemas } from '../../src/control-plane/state/family-schemas.ts';
import { FAMILIES } from '../../src/families/index.ts';
import { parseUntrusted } from '../../src/http/parse-untrusted.ts';
import { buildDocument } from '../support/account-document.ts';

const { LedgerEntry, Task } = getFamilySchemas(FAMILIES).document;
const { ledger, tasks } = buildDocument();
const [completed, running] = tasks;
const at = '2026-01-15T12:00:00.000Z';

const VALUES = [
  ...[undefined, null, true, false, -1, 0, 1, 1.5, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1e12, 1e12 + 1],
  ...[1000, 1001, Number.NaN, Number.POSITIVE_INFINITY, '', 'x', 'x'.repeat(501), '\ud800', '1', at],
  ...['2026-01-15', '9999-12-31T23:59:59.999Z', 'task_one', 'task_', 'sora-2', 'grant', 'completed', 'failed'],
  ...[
    'processing',
    'evicted',
    [],
    [null],
    {},
    { length: { valueOf: 1, toString: 1 } },
    { status: 'hangs' },
    { status: 'failed', errorCode: 'X' },
  ],
];

/** Yields the value with each of its parts replaced by others, removed, and with another field. */
function* vary(value: unknown): Generator<unknown> {
  yield* VALUES;
  if (Array.isArray(value)) {
    yield [...value, ...value];
    for (const [index, element] of value.entries()) {
      for (const variant of vary(element)) yield value.with(index, variant);
    }
  } else if (typeof value === 'object' && value !== null) {
    yield { ...value, other: 1 };
    yield JSON.parse(`{"__proto__":{},${JSON.stringify(value).slice(1)}`);
    for (const [name, field] of Object.entries(value)) {
      const { [name as never]: _, ...others } = value;
      yield others;
      yield { ...others, other: field };
      for (const variant of vary(field)) yield { ...value, [name]: variant };
    }
  }
}

describe('compiled checks', () => {
  it.each([
    ['ledger entries', LedgerEntry, ledger.map((entry) => ({ task: 1, hold: 1, reason: 'x', ...entry }))],
    [
      'tasks',
      Task,
      [
        completed,
        { ...running, clientRef: 'x', synchronous: true, predecessor: 1 },
        { ...completed, status: 'failed', errorCode: 'X' },
        { seq: 1, id: 'task_one', status: 'evicted' },
      ],
    ],
  ])('accept the same values as the schema: %s', (_name, schema, elements) => {
    const isValid = compileCheck(schema);
    const counts = { valid: 0, invalid: 0 };
    for (const element of elements) {
      expect(isValid(element)).toBe(true);
      for (const variant of vary(element)) {
        const { success } = parseUntrusted(schema, variant);
        expect(isValid(variant), JSON.stringify(variant)).toBe(success);
        counts[success ? 'valid' : 'invalid'] += 1;
      }
    }
    expect(counts.valid).toBeGreaterThan(50);
    expect(counts.invalid).toBeGreaterThan(500);
  });
});
