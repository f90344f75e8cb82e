import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';

import { formatIssue } from '../../src/http/issue-messages.ts';
import { parseUntrusted } from '../../src/http/parse-untrusted.ts';
import { FILE_SCHEMAS } from '../../src/server/seed-file.ts';

function readIssues(schema: z.ZodType, value: unknown): string[] {
  const { issues = [] } = parseUntrusted(schema, value).error ?? {};
  return issues.map(formatIssue);
}

const OUTCOME = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('completed') }),
  z.strictObject({ status: z.literal('failed'), code: z.string() }),
]);

const CASES: readonly (readonly [schema: z.ZodType, value: unknown, message: string])[] = [
  [z.string(), undefined, 'it is missing'],
  [z.literal('a'), undefined, 'it is missing'],
  [z.union([z.string(), z.number()]), undefined, 'it is missing'],
  [z.string(), 5, 'expected a string'],
  [z.number(), '5', 'expected a number'],
  [z.int(), 1.5, 'expected a whole number'],
  [z.boolean(), 'x', 'expected true or false'],
  [z.object({}), [], 'expected an object'],
  [z.record(z.string(), z.string()), 1, 'expected an object'],
  [z.array(z.string()), {}, 'expected a list'],
  [z.null(), 1, 'expected null'],
  [z.date(), 1, 'expected date'],
  [z.literal('a'), 'b', 'expected "a"'],
  [z.enum(['a', 'b']), 'c', 'expected one of "a"|"b"'],
  [z.int().min(0), -1, 'expected a number of at least 0'],
  [z.int(), 1e30, `expected a whole number of at most ${Number.MAX_SAFE_INTEGER}`],
  [z.number().gt(0), 0, 'expected a number above 0'],
  [z.number().lt(1), 1, 'expected a number below 1'],
  [z.number().multipleOf(5), 7, 'expected a multiple of 5'],
  [z.string().min(2), '', 'expected a string of at least 2 characters'],
  [z.array(z.string()).max(1), ['a', 'b'], 'expected a list of at most 1 entries'],
  [z.string().regex(/^a$/), 'b', 'expected a string in the format /^a$/'],
  [z.string().startsWith('/'), 'b', 'expected a string that starts with /'],
  [z.iso.date(), 'b', expect.stringContaining('expected a string in the format ')],
  [z.record(z.string().regex(/^a$/, { error: 'expected a' }), z.string()), { b: '' }, 'b: expected a'],
  [z.map(z.string(), z.string()), new Map([['a', 1]]), 'a: expected a string'],
  [z.set(z.string()), new Set([1]), 'expected a string'],
  [z.string().refine(() => false), 'a', 'not allowed'],
  [z.union([z.string(), z.array(z.number())]), null, 'expected a string or a list'],
  [z.union([z.string(), z.object({ a: z.number() })]), { a: '' }, 'expected a string or a: expected a number'],
  [OUTCOME, { status: 'x' }, 'status: expected one of "completed"|"failed"'],
  [OUTCOME, {}, 'status: it is missing'],
  [OUTCOME, 5, 'expected an object'],
  [OUTCOME, { status: 'completed', code: 'x' }, 'unknown field "code"; the fields are status'],
  [z.strictObject({}), { a: 1 }, 'unknown field "a"; no field is allowed'],
  [
    z.strictObject({ a: z.string().optional() }),
    { ['x'.repeat(70_000)]: 1 },
    `unknown field "${'x'.repeat(100)}…"; the fields are a`,
  ],
  [z.record(z.string(), z.string()), { ['x'.repeat(70_000)]: 1 }, `${'x'.repeat(100)}…: expected a string`],
];

/** The schema and those that it consists of. */
function collectSchemas(schema: z.ZodType, found = new Set<z.ZodType>()): Set<z.ZodType> {
  if (found.has(schema)) return found;
  found.add(schema);
  const { shape = {}, options = [], ...parts } = schema.def as { shape?: object; options?: unknown[] };
  for (const part of [...Object.values(shape), ...options, ...Object.values(parts)]) {
    // A transformation alone would get values that its schema rejects.
    if (part instanceof z.ZodType && part.def.type !== 'transform') collectSchemas(part, found);
  }
  return found;
}

const WRONG_VALUES = [
  undefined,
  null,
  true,
  -1,
  1.5,
  1e30,
  Number.NaN,
  '',
  'x',
  ' ',
  '\ud800',
  [],
  [[]],
  {},
  { foo: 1 },
];
const OWN_MESSAGE = /^(?:[\w$.[\]-]+: )?(?:expected |unknown field "|it is missing|not allowed)/;

describe('messages of issues', () => {
  it.each(CASES)('are our own (%#)', (schema, value, message) => {
    expect(readIssues(schema, value)).toEqual([message]);
  });

  it('are our own for all schemas of documents and seed files, whatever the value is', () => {
    const schemas = [...collectSchemas(FILE_SCHEMAS.seedFile)];
    expect(schemas.length).toBeGreaterThan(200);
    for (const schema of schemas) {
      for (const value of WRONG_VALUES) {
        for (const { message } of parseUntrusted(schema, value).error?.issues ?? [])
          expect(message).toMatch(OWN_MESSAGE);
      }
    }
  });

  it('cannot be those of zod, because its messages are read only from parseUntrusted', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .map((file) => file.replaceAll('\\', '/'))
      .filter((file) => /\.tsx?$/.test(file) && file !== 'http/parse-untrusted.ts');
    expect(files.length).toBeGreaterThan(300);
    const calls = files.flatMap((file) =>
      readFileSync(`src/${file}`, 'utf8')
        .split('\n')
        .filter((line) => /\.(?:safeParse|parseAsync|safeParseAsync)\(/.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
    // Settings have sentences of their own; the others ask whether a value is valid.
    expect(calls.filter((call) => !call.startsWith('settings/config.ts') && !/\)\.success\b/.test(call))).toEqual([]);
  });
});
