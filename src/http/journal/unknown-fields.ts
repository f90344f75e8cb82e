import { type BoundedNames, MAX_NAMES, NO_NAMES } from './bounded-names.ts';

/**
 * Returns the paths of fields in `raw`, the body as it was sent, that are missing from `known`, the body after
 * validation: the first ones, and the number of the others.
 */
export function findUnknownFields(raw: unknown, known: unknown): BoundedNames {
  if (!hasUnknownFields(raw, known)) return NO_NAMES;
  const paths: string[] = [];
  const count = collectUnknownFields(raw, known, '', paths);
  return { names: paths, omittedCount: count - paths.length };
}

/** Fast check that allocates nothing: most requests have no unknown fields. */
function hasUnknownFields(raw: unknown, known: unknown): boolean {
  if (typeof raw !== 'object' || raw === null || typeof known !== 'object' || known === null) return false;
  for (const field in raw) {
    if (!Object.hasOwn(known, field)) return true;
    const value = (raw as Record<string, unknown>)[field];
    if (typeof value === 'object' && hasUnknownFields(value, (known as Record<string, unknown>)[field])) return true;
  }
  return false;
}

/** Adds the first paths to `paths` and returns the number of all unknown fields. */
function collectUnknownFields(raw: unknown, known: unknown, path: string, paths: string[]): number {
  let count = 0;
  if (Array.isArray(raw) && Array.isArray(known)) {
    for (const [index, item] of raw.entries()) {
      count += collectUnknownFields(item, known[index], `${path}[${index}]`, paths);
    }
    return count;
  }
  if (!isObject(raw) || !isObject(known)) return 0;
  for (const field of Object.keys(raw)) {
    const isKnown = Object.hasOwn(known, field);
    if (!isKnown && paths.length === MAX_NAMES) {
      count += 1;
      continue;
    }
    const fieldPath = path ? `${path}.${field}` : field;
    if (isKnown) count += collectUnknownFields(raw[field], known[field], fieldPath, paths);
    else {
      count += 1;
      paths.push(fieldPath);
    }
  }
  return count;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
