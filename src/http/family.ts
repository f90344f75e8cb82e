import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type * as z from 'zod';
import type { Task } from '../core/tasks/task.ts';
import type { App, HttpContext, RouteKind } from './context.ts';
import { collectDocumentedErrors, type ErrorTable } from './pipeline/error-table.ts';
import type { RouteDocs } from './pipeline/route-docs.ts';
import { createLimitingValidator } from './pipeline/validation.ts';
import { applyPriceOverrides, type PriceOverrides, type PriceTable } from './prices.ts';
import type { ResultFiles } from './results/result-file.ts';

/** One API of the vendor, as data: the routes, /openapi.json, the seed file and the control plane are made from it. */
export interface Family {
  name: string;
  /** Display name. */
  title: string;
  /** The vendor's prices. The seed file can override them. */
  prices: PriceTable;
  /** The files of a completed task. */
  files: ResultFiles;
  /** The ids by which clients know a task, besides its task id. */
  clientIds: (task: Task) => Readonly<Record<string, string>>;
  routes: readonly Route[];
}

/** A POST route of a family. */
export interface Route {
  path: string;
  kind: RouteKind;
  /** Validates the request body. */
  body: z.ZodType;
  errors: ErrorTable;
  docs: RouteDocs;
  /** Reads and parses the request body, if not as plain JSON. */
  parseBody?: BodyParser;
  /**
   * Returns the response body, or a promise of it. `prices` are the prices in effect: the vendor's with the overrides of
   * the seed file. After writing, it must return without a promise or wait for `transactions.committed()`: otherwise
   * another request can commit the writes before the response waits for them, and an error of that commit is lost.
   */
  handle(context: HttpContext, request: FastifyRequest, reply: FastifyReply, prices: PriceTable): unknown;
}

/** Reads and parses a request body. */
export type BodyParser = (request: FastifyRequest, payload: Readable) => Promise<unknown>;

type Handle<Body extends z.ZodType, Prices extends PriceTable> = (
  context: HttpContext,
  request: FastifyRequest & { body: z.output<Body> },
  reply: FastifyReply,
  prices: Prices,
) => unknown;

/** Defines a route whose handler gets the body as its schema returns it. */
export const defineRoute = <Body extends z.ZodType, Prices extends PriceTable>(
  route: Omit<Route, 'body' | 'handle'> & { body: Body; handle: Handle<Body, Prices> },
): Route => route as Omit<Route, 'handle'> as Route;

/** Defines a family. `files` and `clientIds` are optional. */
export const defineFamily = (
  family: Omit<Family, 'files' | 'clientIds'> & Partial<Pick<Family, 'files' | 'clientIds'>>,
): Family => ({ files: {}, clientIds: () => ({}), ...family });

/** The prices in effect: the vendor's with the overrides of the seed file. */
export const getPrices = ({ name, prices }: Family, overrides: Readonly<Record<string, PriceOverrides>>): PriceTable =>
  applyPriceOverrides(prices, overrides[name]);

/** All documented error codes of these families and the common ones. */
export const getDocumentedErrors = (families: readonly Family[]): ErrorTable =>
  collectDocumentedErrors(families.flatMap(({ routes }) => routes.map(({ errors }) => errors)));

/** Registers the routes of all families. */
export function registerFamilies(app: App, context: HttpContext, families: readonly Family[]): void {
  for (const family of families) {
    const prices = getPrices(family, context.settings.priceOverrides);
    for (const route of family.routes) registerRoute(app, context, family.name, route, prices);
  }
}

function registerRoute(app: App, context: HttpContext, family: string, route: Route, prices: PriceTable): void {
  const { path, kind, body, errors, parseBody } = route;
  const validatorCompiler = createLimitingValidator(context.settings.textLimitCharacters);
  const addTo = (scope: App) =>
    scope.post(path, { schema: { body }, validatorCompiler, config: { family, kind, errors } }, (request, reply) =>
      route.handle(context, request, reply, prices),
    );
  if (!parseBody) {
    addTo(app);
    return;
  }
  // Content type parsers belong to a context, so the route gets one of its own.
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('application/json', parseBody);
    addTo(scope as unknown as App);
  });
}
