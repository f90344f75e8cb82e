/**
 * Returns the paths of fields in `raw`, the body as it was sent, that are missing from `known`, the body after
 * validation.
 */
export const findUnknownFields = (raw: unknown, known: unknown): readonly string[] =>
  hasUnknownFields(raw, known) ? listUnknownFields(raw, known) : NONE;

const NONE: readonly string[] = [];

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

function listUnknownFields(raw: unknown, known: unknown, path = ''): string[] {
  if (Array.isArray(raw) && Array.isArray(known)) {
    return raw.flatMap((item, index) => listUnknownFields(item, known[index], `${path}[${index}]`));
  }
  if (!isObject(raw) || !isObject(known)) return [];
  return Object.entries(raw).flatMap(([field, value]) => {
    const fieldPath = path ? `${path}.${field}` : field;
    return Object.hasOwn(known, field) ? listUnknownFields(value, known[field], fieldPath) : [fieldPath];
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
