import fc from 'fast-check';
import type { Fixture, Json } from './fixture.ts';

const URLS = [
  'https://static.nanophoto.ai/demo/nano-banana-pro.webp',
  'http://example.com/a.png',
  'https://www.youtube.com/watch?v=W-15-UmGP5s',
  'https://static.nanophoto.ai/demo/sk2-ad.mp4',
];
const TEXTS = ['A dog on a beach', '夜の灯台', '🐕‍🦺 in the rain', 'x'.repeat(300), 'line\nbreak "quoted" \\ done'];
const MAX_ITEMS = 4;
const MAX_CHARACTERS = 80;

/**
 * Values that a schema nearly always allows. Fields that refer to something use names of existing tasks, keys and so
 * on.
 */
export function createValues(document: Json, fixture: Fixture, uploads: readonly string[]) {
  const pools: Record<string, readonly Json[]> = {
    taskId: fixture.tasks.map(({ taskId }) => taskId),
    task: fixture.tasks.map(({ taskId }) => taskId),
    id: fixture.tasks.map(({ taskId }) => taskId),
    generationId: fixture.tasks.flatMap(({ poll }) => poll.generationId ?? []),
    shotId: ['shot-1', 'shot-2'],
    name: [...fixture.snapshots, 'another', 'a-third'],
    to: ['stable-real', 'forked-1', 'forked-2', 'forked-3'],
    // An import may replace any of these.
    key: ['churned-real', 'np_test_default', 'made-1', 'made-2', 'made-3'],
    videoUrl: URLS,
    videoFile: uploads,
    errorCode: ['INTERNAL_ERROR', 'GENERATION_FAILED', 'INSUFFICIENT_CREDITS', 'LOGIN_REQUIRED', 'NONE_SUCH'],
    error: ['GENERATION_FAILED', 'CONTENT_POLICY'],
    endpoint: Object.keys(document.paths).filter((path) => !path.includes('{')),
    timeoutMs: [0, 1, 20],
    limit: [1, 2, 5, 20, 100, 1000],
    delayMs: [0, 1, 5],
  };

  const resolve = (schema: Json): Json => {
    if (!schema?.$ref) return schema ?? {};
    const { $ref, ...rest } = schema;
    const target = $ref
      .split('/')
      .slice(1)
      .reduce((value: Json, part: string) => value[part], document);
    return { ...resolve(target), ...rest };
  };

  function createArbitrary(schemaOrRef: Json, name = ''): fc.Arbitrary<Json> {
    const schema = resolve(schemaOrRef);
    const base = withDefault(schema, createByType(schema));
    const pool = pools[name];
    const isScalar = !['object', 'array'].includes(schema.type);
    if (!pool?.length || !isScalar || schema.enum) return base;
    return fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...pool) }, { weight: 1, arbitrary: base });
  }

  function createByType(schema: Json): fc.Arbitrary<Json> {
    if ('const' in schema) return fc.constant(schema.const);
    if (schema.enum) return fc.constantFrom(...schema.enum);
    const choices = schema.anyOf ?? (schema.type === 'object' ? undefined : schema.oneOf);
    if (choices) return fc.oneof(...choices.map((one: Json) => createArbitrary(one)));
    switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
      case 'string':
        return createText(schema);
      case 'integer':
        return fc.integer(getBounds(schema));
      case 'number':
        return fc.oneof(
          fc.constantFrom(...[schema.minimum ?? 0, schema.maximum ?? 1]),
          fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1e6, noNaN: true }),
        );
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'array': {
        const { minItems = 0, maxItems = MAX_ITEMS } = schema;
        const maxLength = Math.max(minItems, Math.min(maxItems, MAX_ITEMS));
        return fc.array(createArbitrary(schema.items ?? {}), { minLength: minItems, maxLength });
      }
      case 'object':
        return createObject(schema);
      default:
        return fc.jsonValue({ maxDepth: 2 });
    }
  }

  function createObject(schema: Json): fc.Arbitrary<Json> {
    const { properties = {}, required = [], additionalProperties, oneOf } = schema;
    // `oneOf` here lists alternative required fields: choose one and leave out the others.
    if (oneOf) {
      const { oneOf: _, ...rest } = schema;
      const createAlternative = (names: string[]) => {
        const others = oneOf.flatMap((other: Json) => other.required).filter((name: string) => !names.includes(name));
        const remaining = Object.entries(properties).filter(([name]) => !others.includes(name));
        return createObject({
          ...rest,
          properties: Object.fromEntries(remaining),
          required: [...required, ...names],
        });
      };
      return fc.oneof(...oneOf.map((alternative: Json) => createAlternative(alternative.required)));
    }
    const fields = Object.entries<Json>(properties).map(([name, field]) => [name, createArbitrary(field, name)]);
    const record = fc.record(Object.fromEntries(fields), { requiredKeys: required });
    const rest = additionalProperties;
    const filled: fc.Arbitrary<Json> =
      fields.length === 0 && rest && typeof rest === 'object'
        ? fc.dictionary(fc.stringMatching(/^x-[a-z]{1,8}$/), createArbitrary(rest), { maxKeys: 3 })
        : record;
    return filled.map((value) => applyConditions(schema, value));
  }

  return { createArbitrary, resolve };
}

const withDefault = (schema: Json, base: fc.Arbitrary<Json>) =>
  schema.default === undefined
    ? base
    : fc.oneof({ weight: 1, arbitrary: fc.constant(schema.default) }, { weight: 3, arbitrary: base });

const getBounds = ({ minimum = -1000, maximum = 1_000_000_000 }: Json) => ({
  min: Math.max(Math.ceil(minimum), -0x7fffffff),
  max: Math.min(Math.floor(maximum), 0x7fffffff),
});

function createText({ format, pattern, minLength = 0, maxLength = MAX_CHARACTERS }: Json): fc.Arbitrary<string> {
  if (pattern?.includes('://')) return fc.constantFrom(...URLS);
  if (format === 'date-time') {
    return fc
      .date({ min: new Date('2026-01-01'), max: new Date('2027-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
  }
  const unit = 'grapheme';
  const free = fc.string({
    unit,
    minLength,
    maxLength: Math.max(minLength, Math.min(maxLength, MAX_CHARACTERS)),
  });
  const texts = fc.constantFrom(...TEXTS.filter(({ length }) => length >= minLength && length <= maxLength));
  if (pattern === undefined || pattern === '\\S') return fc.oneof(texts, free);
  // fast-check cannot generate lookaheads; the values they exclude are rare.
  const regExp = new RegExp(pattern.replaceAll(/\(\?[!=](?:[^()]|\([^()]*\))*\)/g, ''));
  return fc.stringMatching(regExp).map((text) => text.slice(0, 200));
}

/** Adjusts the value to the schema's conditions: list lengths, required and forbidden fields. */
function applyConditions(schema: Json, original: Json): Json {
  const value = { ...original };
  for (const { if: condition, then, else: other } of [schema, ...(schema.allOf ?? [])]) {
    if (!condition) continue;
    const branch = matchesCondition(condition, value) ? then : other;
    if (!branch) continue;
    for (const [field, { minItems = 0, maxItems, propertyNames }] of Object.entries<Json>(branch.properties ?? {})) {
      const old = value[field];
      if (propertyNames && old) value[field] = pickFields(old, propertyNames.enum);
      if (!Array.isArray(old) && !(minItems > 0)) continue;
      const items = Array.isArray(old) ? old.slice(0, maxItems ?? old.length) : [];
      while (items.length < minItems) items.push(URLS[0]);
      value[field] = items;
    }
  }
  return value;
}

const pickFields = (value: Json, names: string[]) => {
  const remaining = Object.fromEntries(Object.entries(value).filter(([name]) => names.includes(name)));
  return Object.keys(remaining).some((name) => name !== 'status')
    ? remaining
    : { [names.includes('hang') ? 'fail' : 'empty']: true };
};

const matchesCondition = ({ properties = {} }: Json, value: Json): boolean =>
  Object.entries<Json>(properties).every(([field, { enum: values }]) => values?.includes(value?.[field]));
