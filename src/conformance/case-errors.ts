import type { Json } from '../openapi/json-schema.ts';

/** What came was not what the contract says. */
export class Mismatch extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, got ${actual}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** Why a promise could not be looked at. */
export class Skipped extends Error {}

/** No further case can be looked at either. */
export class Aborted extends Error {}

export const excerpt = (value: Json): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
};
