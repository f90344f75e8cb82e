import type * as z from 'zod';
import { describeIssue } from './issue-messages.ts';

// zod copies the options and sets `async`; adding that property to the copy would double the time of a parse.
const OPTIONS = { error: describeIssue, async: false };

/**
 * Parses a value from an untrusted source; the messages of issues are those of `describeIssue`. Works around zod, whose
 * `safeParse` can throw: for a value that is neither a string nor an array, zod compares the value's `length` before it
 * reports the wrong type, and throws a TypeError if `length` is an object that cannot be compared. The value stays invalid
 * without its `length`, so it is parsed again without it.
 */
export function parseUntrusted<Schema extends z.ZodType>(schema: Schema, data: unknown) {
  try {
    return schema.safeParse(data, OPTIONS);
  } catch (error) {
    const parsed = error instanceof TypeError ? schema.safeParse(withoutLengths(data), OPTIONS) : undefined;
    // A valid result would describe a body that the client did not send.
    if (!parsed || parsed.success) throw error;
    return parsed;
  }
}

/** A copy in which no object has an object as its `length`. */
function withoutLengths(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutLengths);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const fields = Object.entries(value).filter(([name, inner]) => name !== 'length' || typeof inner !== 'object');
  return Object.fromEntries(fields.map(([name, inner]) => [name, withoutLengths(inner)]));
}
