import { type BoundedNames, MAX_NAMES, NO_NAMES } from './bounded-names.ts';

/**
 * Returns the paths of fields in `raw`, the body as it was sent, that are missing from `known`, the body after
 * validation: the first ones, and the number of the others.
 */
export function findUnknownFields(raw: unknown, known: unknown): BoundedNames {
  const names: string[] = [];
  const count = collectUnknownFields(raw, known, names);
  return count === 0 ? NO_NAMES : { names, omittedCount: count - names.length };
}

/**
 * Adds the first paths to `names` and returns the number of all unknown fields. Paths are assembled from the inside
 * out, so that nothing is allocated for known fields: most requests have no others.
 */
function collectUnknownFields(raw: unknown, known: unknown, names: string[]): number {
  const isList = Array.isArray(raw) && Array.isArray(known);
  if (!isList && !(isPlainObject(raw) && isPlainObject(known))) return 0;
  const fields = raw as Fields;
  const knownFields = known as Fields;
  let count = 0;
  // Enumerating the fields twice would double the time for a body with very many.
  for (const field in fields) {
    if (Object.hasOwn(knownFields, field)) {
      const value = fields[field];
      if (typeof value !== 'object') continue;
      const first = names.length;
      count += collectUnknownFields(value, knownFields[field], names);
      for (let index = first; index < names.length; index++) {
        names[index] = `${isList ? `[${field}]` : field}${Array.isArray(value) ? '' : '.'}${names[index]}`;
      }
    } else if (!isList) {
      count += 1;
      if (names.length < MAX_NAMES) names.push(field);
    }
  }
  return count;
}

type Fields = Record<string, unknown>;

const isPlainObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
