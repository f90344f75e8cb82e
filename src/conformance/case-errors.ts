import type { Json } from '../openapi/json-schema.ts';

/** What came was not what the contract says. */
export class Differs extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, got ${actual}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** Why a promise could not be looked at. */
export class NotChecked extends Error {}

/** No further case can be looked at either. */
export class CannotGoOn extends Error {}

export const shown = (value: Json): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
};
