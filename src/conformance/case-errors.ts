import type { Json } from '../openapi/json-schema.ts';

/** Reports keep the errors of all cases, and the texts come from the server. */
const MAX_CHARACTERS = 4000;
export const truncate = (text: string) => (text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);

/** The server does not keep the promise. */
export class Mismatch extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string) {
    super(`expected ${truncate(expected)}, got ${truncate(actual)}`);
    this.expected = truncate(expected);
    this.actual = truncate(actual);
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
