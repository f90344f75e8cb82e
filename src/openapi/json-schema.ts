import * as z from 'zod';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
export type Json = any;

/** Schemas that several operations share, by their `id`. */
export type Components = Map<string, Json>;

interface Converted {
  root: Json;
  components: Components;
}

/** Converting takes most of the time of building a document, and operations share schemas, such as those of errors. */
const CONVERTED = { input: new WeakMap<z.ZodType, Converted>(), output: new WeakMap<z.ZodType, Converted>() };

/**
 * Converts a zod schema to JSON Schema for OpenAPI 3.1. Schemas with an `id` become components. `input` describes
 * requests, `output` responses. Refinements and custom types, which zod cannot convert, are described in `meta`. All
 * calls for a schema return the same object, which must not be changed.
 */
export function toJsonSchema(schema: z.ZodType, io: 'input' | 'output', components: Components): Json {
  const converted = CONVERTED[io].get(schema) ?? convertForDocument(schema, io);
  CONVERTED[io].set(schema, converted);
  for (const [id, component] of converted.components) components.set(id, component);
  return converted.root;
}

function convertForDocument(schema: z.ZodType, io: 'input' | 'output'): Converted {
  const { $schema: _, $defs = {}, ...rootSchema } = convert(schema, io);
  const components = Object.entries<Json>($defs).map(([id, one]): [string, Json] => [id, normalizeSchema(one)]);
  return { root: normalizeSchema(rootSchema), components: new Map(components) };
}

/** Converts the zod schema of a file to JSON Schema, for editors. */
export const toFileSchema = (schema: z.ZodType): Json => normalizeSchema(convert(schema, 'input'), '#/$defs/');

const convert = (schema: z.ZodType, io: 'input' | 'output'): Json =>
  z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    // zod omits the default of fields that are transformed.
    override({ zodSchema, jsonSchema }) {
      const { default: defaultValue } = z.globalRegistry.get(zodSchema) ?? {};
      if (defaultValue !== undefined && io === 'input') Object.assign(jsonSchema, { default: defaultValue });
    },
  });

/** Creates the schema of an error body whose `field` is one of `codes`. */
export function createErrorSchema(
  schema: z.ZodType,
  field: string,
  codes: readonly string[],
  components: Components,
): Json {
  const { $ref } = toJsonSchema(schema, 'output', components);
  // Type and `required` are repeated here, so that type generators produce a required enum.
  const code = { type: 'string', enum: codes };
  return { allOf: [{ $ref }, { type: 'object', properties: { [field]: code }, required: [field] }] };
}

/** The `components.schemas` of a document, sorted by name. */
export const toSortedSchemas = (components: Components): Json =>
  Object.fromEntries([...components].sort(([one], [other]) => (one < other ? -1 : 1)));

const NUMBER_LIMITS = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

/** Rewrites references to `definitions`, and removes undocumented fields and meaningless number limits. */
function normalizeSchema(value: Json, definitions = '#/components/schemas/'): Json {
  const normalize = (inner: Json) => normalizeSchema(inner, definitions);
  if (Array.isArray(value)) return value.map(normalize);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value as Record<string, Json>).flatMap(([name, inner]): [string, Json][] => {
    if (inner?.['x-undocumented']) return [];
    if ((name === 'minimum' || name === 'maximum') && NUMBER_LIMITS.includes(inner)) return [];
    if (name === '$ref') return [[name, inner.replace('#/$defs/', definitions)]];
    return [[name, name === 'default' || name === 'enum' ? inner : normalize(inner)]];
  });
  return Object.fromEntries(entries);
}
