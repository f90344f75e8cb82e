import { z } from 'zod';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
export type Json = any;

/** Schemas that several operations share, by their `id`. */
export type Components = Map<string, Json>;

/**
 * A zod schema in the words of OpenAPI 3.1. What has an `id` becomes a component. `input`: what a client may send, `output`: what
 * it is answered. What zod cannot tell (refinements, custom types) stands in the schemas' `meta`.
 */
export function toJsonSchema(schema: z.ZodType, io: 'input' | 'output', components: Components): Json {
  const {
    $schema: _,
    $defs = {},
    ...rootSchema
  }: Json = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    // What stands for an absent field is left out by zod where fields are transformed.
    override({ zodSchema, jsonSchema }) {
      const { default: defaultValue } = z.globalRegistry.get(zodSchema) ?? {};
      if (defaultValue !== undefined && io === 'input') Object.assign(jsonSchema, { default: defaultValue });
    },
  });
  for (const [id, component] of Object.entries($defs)) components.set(id, normalizeSchema(component));
  return normalizeSchema(rootSchema);
}

/** An error of the form `form`, whose `field` has one of these codes. */
export function createErrorSchema(
  schema: z.ZodType,
  field: string,
  codes: readonly string[],
  components: Components,
): Json {
  const { $ref } = toJsonSchema(schema, 'output', components);
  // Said in full, so that generators of types make of it what it is: one of these words, and always there.
  const code = { type: 'string', enum: codes };
  return { allOf: [{ $ref }, { type: 'object', properties: { [field]: code }, required: [field] }] };
}

/** As a document has them, in the order of their names. */
export const toSortedSchemas = (components: Components): Json =>
  Object.fromEntries([...components].sort(([one], [other]) => (one < other ? -1 : 1)));

const NUMBER_LIMITS = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

/** References as OpenAPI has them; without what is read but not documented, and what says nothing. */
function normalizeSchema(value: Json): Json {
  if (Array.isArray(value)) return value.map(normalizeSchema);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value as Record<string, Json>).flatMap(([name, inner]): [string, Json][] => {
    if (inner?.['x-undocumented']) return [];
    if ((name === 'minimum' || name === 'maximum') && NUMBER_LIMITS.includes(inner)) return [];
    if (name === '$ref') return [[name, inner.replace('#/$defs/', '#/components/schemas/')]];
    return [[name, name === 'default' || name === 'enum' ? inner : normalizeSchema(inner)]];
  });
  return Object.fromEntries(entries);
}
