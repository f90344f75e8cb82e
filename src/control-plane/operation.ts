import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import * as z from 'zod';

import type { AdminErrorCode } from './error-codes.ts';

/** The groups of operations, as in docs/reference/control-plane.md. */
export const TAGS = {
  emulator: 'The emulator as a whole',
  accounts: 'API keys with their credits, rate limits and ledgers',
  time: 'How time passes for an account',
  tasks: 'Submitted tasks and how they end',
  faults: 'Rules that inject faults',
  requests: 'What the client sent and received',
  states: 'Saved account states: snapshots, forks, resets',
};

/** A response that is not JSON. */
export interface NonJsonResponse {
  description: string;
  /** Content types; empty for a response without a body. */
  types: readonly string[];
}

/** One operation of the control plane: the route that Fastify serves and its entry in the OpenAPI document. */
export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/__admin`, in Fastify's notation; the whole path if `isOpen`. */
  path: string;
  /** The `operationId`. */
  name: string;
  tag: keyof typeof TAGS;
  summary: string;
  /** Adds to the summary and the schemas. */
  description: string;
  params?: z.ZodObject | undefined;
  query?: z.ZodObject | undefined;
  body?: z.ZodType | undefined;
  /** Whether the handler gets the body as a stream, and validates it. */
  isStreamedBody?: true;
  /** Schemas of the successful responses by status; null for a response without a body. */
  responses: Readonly<Record<number, z.ZodType | NonJsonResponse | null>>;
  /** Error codes besides those that all operations with the same parameters share. */
  codes?: readonly AdminErrorCode[];
  /** Served to every caller, outside of the guard. */
  isOpen?: true;
  /** HEAD requests are not found. Otherwise, they are handled like GET requests. */
  hasNoHead?: true;
  handler(request: FastifyRequest, reply: FastifyReply): unknown;
}

type Input<Schema extends z.ZodType | undefined> = Schema extends z.ZodType ? z.output<Schema> : unknown;

type Definition<
  Params extends z.ZodObject | undefined,
  Query extends z.ZodObject | undefined,
  Body extends z.ZodType | undefined,
> = Omit<Operation, 'params' | 'query' | 'body' | 'handler'> & {
  params?: Params;
  query?: Query;
  body?: Body;
  handler(
    request: FastifyRequest<{ Params: Input<Params>; Querystring: Input<Query>; Body: Input<Body> }>,
    reply: FastifyReply,
  ): unknown;
};

/** An object that must be empty. */
export const NO_FIELDS = z.strictObject({});

/**
 * Types an operation's handler by its schemas and fills in the defaults. Behind the guard, operations without a `query`
 * or `body` reject every field there, because a caller that sends one expects an effect: `DELETE …/faults?id=3` would
 * remove all rules.
 */
export function defineOperation<
  Params extends z.ZodObject | undefined = undefined,
  Query extends z.ZodObject | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
>(definition: Definition<Params, Query, Body>): Operation {
  const { query, body, isOpen, method } = definition;
  return {
    ...definition,
    query: query ?? (isOpen ? undefined : NO_FIELDS),
    body: body ?? (method === 'GET' ? undefined : NO_FIELDS),
  };
}

/** The Fastify route of an operation. */
export function toRoute(operation: Operation): RouteOptions {
  const { method, path, params, query, body, isStreamedBody, hasNoHead, handler } = operation;
  return {
    method: method === 'GET' && !hasNoHead ? ['GET', 'HEAD'] : method,
    url: path,
    schema: {
      ...(params && { params }),
      ...(query && { querystring: query }),
      ...(body && !isStreamedBody && { body }),
    },
    handler,
  };
}
