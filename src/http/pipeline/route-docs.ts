import type * as z from 'zod';
import type { PriceTable } from '../prices.ts';

/** How a fact about the API is known: documented by the vendor, observed in public clients, or assumed by us. */
export type Provenance = 'documented' | 'observed' | 'assumed';

/**
 * Provenance of the parts of a route. Exceptions state their own: a field or schema in its `x-source`, an error code in
 * its `provenance`.
 */
export type RouteProvenance = Record<'endpoint' | 'request' | 'responses' | 'codes' | 'prices', Provenance>;

/** The same provenance for all parts of a route, except for `exceptions`. */
export const routeProvenance = (all: Provenance, exceptions: Partial<RouteProvenance> = {}): RouteProvenance => ({
  ...{ endpoint: all, request: all, responses: all, codes: all, prices: all },
  ...exceptions,
});

/** The documentation of a route in /openapi.json, besides its body schema and its error table. */
export interface RouteDocs {
  summary: string;
  provenance: RouteProvenance;
  /** The possible bodies of a 200 response, or `text` for a streamed text. */
  responses: readonly z.ZodType[] | 'text';
  /** The response to a poll of a failed task; its status is set by --failed-task-status. */
  failed?: z.ZodType;
  /** Absent on routes that cost nothing. */
  prices?: {
    per: 'request' | 'shot';
    /** The request fields that the levels of the price table stand for, outermost first. */
    by: readonly PricedBy[];
  };
}

/** A request field that decides on the price; `values` maps the options of the price table to values of the field. */
export type PricedBy = string | { field: string; values: Readonly<Record<string, string | boolean>> };

/** The price of a request whose fields have these values. */
export interface Price {
  when: Readonly<Record<string, string | boolean>>;
  credits: number;
}

/** Flattens a price table to a list. `fields` are the request fields that its levels stand for. */
export function toPriceList(table: PriceTable, fields: readonly PricedBy[]): Price[] {
  if (typeof table === 'number') return [{ when: {}, credits: table }];
  const [pricedBy, ...rest] = fields;
  if (pricedBy === undefined) throw new Error('the price table has more levels than there are fields');
  const { field, values } = typeof pricedBy === 'string' ? { field: pricedBy, values: undefined } : pricedBy;
  return Object.entries(table).flatMap(([option, inner]) =>
    toPriceList(inner, rest).map(({ when, credits }) => ({
      when: { [field]: values?.[option] ?? option, ...when },
      credits,
    })),
  );
}

/**
 * JSON Schema keywords for `meta` of an object schema: `then` applies if `field` has one of `values`, `otherwise` if
 * not.
 */
export const ifSchema = (field: string, values: readonly string[], then: object, otherwise?: object) => ({
  // Validators that reject additional properties would otherwise apply that to each part alone.
  if: { properties: { [field]: { enum: values } }, required: [field], additionalProperties: true },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { ...then, additionalProperties: true },
  ...(otherwise && { else: { ...otherwise, additionalProperties: true } }),
});
