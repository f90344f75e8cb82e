import type * as z from 'zod';

/** Maximum length of a name from the input that is repeated in a message. */
const MAX_NAME_LENGTH = 100;

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

type Issue = z.core.$ZodRawIssue;

/**
 * Describes an issue for which the schema has no message of its own. All schemas that parse untrusted input use it: the
 * messages of zod are in its own words, and do not say which fields are allowed.
 */
export function describeIssue(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'it is missing' : `expected ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return issue.input === undefined ? 'it is missing' : formatValues(issue.values);
    case 'invalid_union':
      return describeUnion(issue);
    case 'unrecognized_keys':
      return formatUnknownField(issue.keys[0]!, getFieldNames(issue.inst));
    case 'too_small':
      return describeRange(issue, issue.inclusive === false ? 'above' : 'of at least', issue.minimum);
    case 'too_big':
      return describeRange(issue, issue.inclusive === false ? 'below' : 'of at most', issue.maximum);
    case 'not_multiple_of':
      return `expected a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.format === 'starts_with'
        ? `expected a string that starts with ${issue.prefix}`
        : `expected a string in the format ${issue.pattern ?? issue.format}`;
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues[0]?.message ?? 'not allowed';
    case 'custom':
      return 'not allowed';
  }
}

function describeUnion(issue: Issue & { code: 'invalid_union' }): string {
  const { discriminator, options, input, errors } = issue as {
    discriminator?: string;
    options?: z.core.util.Primitive[];
    input: unknown;
    errors: z.core.$ZodIssue[][];
  };
  const value = discriminator === undefined ? input : (input as Record<string, unknown>)[discriminator];
  if (value === undefined) return 'it is missing';
  if (options) return formatValues(options);
  const reasons = errors.flatMap(([first]) => (first ? [formatIssue(first)] : []));
  const [reason = 'not allowed', ...others] = new Set(reasons);
  return [reason, ...others.map((other) => other.replace(/^expected /, ''))].join(' or ');
}

function describeRange({ origin }: { origin: string }, bound: string, limit: number | bigint | string): string {
  const unit = origin === 'string' ? ' characters' : origin === 'array' ? ' entries' : '';
  return `expected ${TYPES[origin] ?? origin} ${bound} ${limit}${unit}`;
}

const formatValues = (values: readonly unknown[]): string =>
  `expected ${values.length > 1 ? 'one of ' : ''}${values.map((value) => JSON.stringify(value)).join('|')}`;

function getFieldNames(schema: Issue['inst']): string[] {
  const def = schema?._zod.def as { shape?: object } | undefined;
  return Object.keys(def?.shape ?? {});
}

/** Names the first unknown field of an object, and the fields that it can have. */
export function formatUnknownField(name: string, fields: readonly string[]): string {
  const allowed = fields.length > 0 ? `the fields are ${fields.join(', ')}` : 'no field is allowed';
  return `unknown field ${JSON.stringify(shorten(name))}; ${allowed}`;
}

/** Formats an issue with its path, such as `tasks[17].status: it is missing`. */
export const formatIssue = ({ path, message }: Pick<z.core.$ZodIssue, 'path' | 'message'>): string =>
  path.length === 0 ? message : `${formatPath(path)}: ${message}`;

/** Formats the path of an issue, such as `tasks[17].status`; empty for the whole value. */
export function formatPath(path: readonly PropertyKey[]): string {
  const parts = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${shorten(String(part))}`));
  return parts.join('').replace(/^\./, '');
}

/** Cuts a name that the client chose, so that an error does not repeat all of a large document. */
const shorten = (name: string): string => (name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name);
