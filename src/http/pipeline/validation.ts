import type { FastifySchemaCompiler, FastifyTypeProvider } from 'fastify';
import type * as z from 'zod';
import { formatPath } from '../issue-messages.ts';
import { parseUntrusted } from '../parse-untrusted.ts';

/** Gives a route's handler the output type of the route's zod schema. */
export interface ZodTypeProvider extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
}

/**
 * A request body that does not match the schema of its route. Issues carry their error code in `params.code`; issues
 * without one, such as zod's own, mean INVALID_INPUT.
 */
export class InvalidBody extends Error {
  readonly issues: readonly z.core.$ZodIssue[];
  readonly data: unknown;

  constructor(issues: readonly z.core.$ZodIssue[], data: unknown) {
    super(issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; '));
    this.issues = issues;
    this.data = data;
  }

  /** The issue whose code comes first in `order`, the codes of the route's error table. */
  findPrimaryIssue(order: readonly string[]): { code: string; detail: string } {
    const rank = (code: string) => (order.includes(code) ? order.indexOf(code) : order.length);
    const [primary] = this.issues
      .map((issue) => ({ issue, code: getCode(issue) ?? 'INVALID_INPUT' }))
      .sort((one, other) => rank(one.code) - rank(other.code));
    if (!primary) return { code: 'INVALID_INPUT', detail: 'Missing required parameters' };
    return { code: primary.code, detail: this.#describe(primary.issue) };
  }

  #describe(issue: z.core.$ZodIssue): string {
    const { path, message } = issue;
    if (issue.code === 'unrecognized_keys') return message;
    if (path.length === 0) return 'The request body must be a JSON object';
    const name = formatPath(path);
    const received = path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown>)?.[part], this.data);
    if (received === undefined && !message.startsWith('expected either')) return `Missing required parameters: ${name}`;
    if (getCode(issue) !== undefined) return `Invalid parameter: ${name}`;
    return `Invalid parameter ${name}: ${message}`;
  }
}

const getCode = (issue: z.core.$ZodIssue): string | undefined =>
  issue.code === 'custom' ? issue.params?.code : undefined;

/** Makes Fastify validate request bodies with the zod schemas of the routes. */
export const zodValidator: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) => {
    const parsed = parseUntrusted(schema, data);
    return parsed.success ? { value: parsed.data } : { error: new InvalidBody(parsed.error.issues, data) };
  };

/** Maximum number of elements of a list without a documented maximum; assumed. */
export const MAX_LIST_ITEMS = 1000;

/**
 * Creates a validator like `zodValidator` that also limits what the schema leaves open: the length of every text and
 * the number of elements of every list, so that no family can forget a limit. Texts are counted in UTF-16 code units.
 */
export const createLimitingValidator =
  (maxTextLength: number): FastifySchemaCompiler<unknown> =>
  (route) => {
    const validate = zodValidator(route as Parameters<typeof zodValidator>[0]);
    return (data: unknown) => {
      const result = validate(data) as { value?: unknown; error?: Error };
      const issue = result.error ? undefined : findExcess(result.value, data, maxTextLength);
      return issue ? { error: new InvalidBody([issue], data) } : result;
    };
  };

/**
 * Finds a text or list over its limit, at any depth of the fields of `value`. `raw` is what the client sent for it,
 * which can be longer. Skips instances of classes, such as uploaded files.
 */
function findExcess(value: unknown, raw: unknown, maxTextLength: number): z.core.$ZodIssue | undefined {
  if (typeof value === 'string') {
    const length = typeof raw === 'string' ? raw.length : value.length;
    return length > maxTextLength ? createExcessIssue(`${maxTextLength} characters`) : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    if (value.length > MAX_LIST_ITEMS) return createExcessIssue(`${MAX_LIST_ITEMS} entries`);
  } else if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  for (const name in value) {
    const inner = (value as Record<string, unknown>)[name];
    const issue = findExcess(inner, (raw as Record<string, unknown> | undefined)?.[name], maxTextLength);
    if (issue) return { ...issue, path: [Array.isArray(value) ? Number(name) : name, ...issue.path] };
  }
  return undefined;
}

const createExcessIssue = (limit: string): z.core.$ZodIssue => ({
  code: 'custom',
  path: [],
  message: `expected at most ${limit}`,
  input: undefined,
});
