import type { FastifySchemaCompiler, FastifyTypeProvider } from 'fastify';
import type { z } from 'zod';

/** Gives a route's handler the type its zod schema puts out. */
export interface ZodTypeProvider extends FastifyTypeProvider {
  validator: this['schema'] extends z.ZodType ? z.output<this['schema']> : unknown;
}

const CODE = /^[A-Z]+(?:_[A-Z]+)+$/;

/**
 * A body that its schema refused. In our schemas an issue's message is the error code that guards the field; a message
 * that is none (zod's own sentences) means INVALID_INPUT. A code that the route's table lacks ends as INTERNAL_ERROR: it was
 * forgotten there.
 */
export class InvalidBody extends Error {
  readonly issues: readonly z.core.$ZodIssue[];
  readonly data: unknown;

  constructor(issues: readonly z.core.$ZodIssue[], data: unknown) {
    super(issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; '));
    this.issues = issues;
    this.data = data;
  }

  /** The code that comes first in `order`, the route's codes as its page lists them. */
  findPrimaryIssue(order: readonly string[]): { code: string; detail: string } {
    const rank = (code: string) => (order.includes(code) ? order.indexOf(code) : order.length);
    const [primary] = this.issues
      .map((issue) => ({ issue, code: CODE.test(issue.message) ? issue.message : 'INVALID_INPUT' }))
      .sort((one, other) => rank(one.code) - rank(other.code));
    if (!primary) return { code: 'INVALID_INPUT', detail: 'Missing required parameters' };
    return { code: primary.code, detail: this.#detail(primary.issue) };
  }

  #detail({ code, path, message }: z.core.$ZodIssue): string {
    if (code === 'unrecognized_keys') return message;
    if (path.length === 0) return 'The request body must be a JSON object';
    const field = path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i ? '.' : ''}${String(part)}`));
    const name = field.join('');
    const received = path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown>)?.[part], this.data);
    if (received === undefined && !message.startsWith('expected either')) return `Missing required parameters: ${name}`;
    const reason = message.replace(/^Invalid (input|option): /, '').replace(/, received .*$/, '');
    return CODE.test(reason) ? `Invalid parameter: ${name}` : `Invalid parameter ${name}: ${reason}`;
  }
}

/** Lets Fastify validate with the zod schema that stands on the route. */
export const zodValidator: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data: unknown) => {
    const parsed = safeParse(schema, data);
    return parsed.success ? { value: parsed.data } : { error: new InvalidBody(parsed.error.issues, data) };
  };

/**
 * zod compares the `length` of whatever is no text and no list before it says so, and throws where that is an object that cannot
 * be compared. Without it the value is as wrong as before.
 */
function safeParse(schema: z.ZodType, data: unknown) {
  try {
    return schema.safeParse(data);
  } catch (error) {
    const parsed = error instanceof TypeError ? schema.safeParse(withoutLengths(data)) : undefined;
    // Not what was sent, so no reason to take it.
    if (!parsed || parsed.success) throw error;
    return parsed;
  }
}

/** A copy in which no object has an object for its `length`. */
function withoutLengths(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutLengths);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const fields = Object.entries(value).filter(([name, inner]) => name !== 'length' || typeof inner !== 'object');
  return Object.fromEntries(fields.map(([name, inner]) => [name, withoutLengths(inner)]));
}
