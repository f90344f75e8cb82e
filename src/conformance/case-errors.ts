import type { Json } from '../openapi/json-schema.ts';

/** The server does not keep the promise. */
export class Mismatch extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, got ${actual}`);
    this.expected = expected;
    this.actual = actual;
  }
}

/** The case cannot be checked on this server; the message is the reason. */
export class Skipped extends Error {}

/** Neither this case nor any later one can be checked; the message is the reason. */
export class Aborted extends Error {}

export const excerpt = (value: Json): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 600 ? `${text.slice(0, 600)}…` : text;
};
