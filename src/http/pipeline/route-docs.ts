import type { z } from 'zod';
import type { PriceTable } from '../../core/ledger/prices.ts';

/** How well something is known: documented by the vendor, seen in public clients, or decided here (docs/fidelity.md). */
export type Provenance = 'documented' | 'observed' | 'assumed';

/** Of a family's parts. What differs from its part says so itself: a field in its `x-source`, a code in its `source`. */
export interface RouteProvenance {
  endpoint: Provenance;
  request: Provenance;
  responses: Provenance;
  codes: Provenance;
  prices: Provenance;
}

/** What a request with these values costs. */
export interface Price {
  when: Readonly<Record<string, string | boolean>>;
  credits: number;
}

/** What the contract document says of a route, beside what its schema and its table of codes say already. */
export interface RouteDoc {
  summary: string;
  provenance: RouteProvenance;
  /** The bodies of a 200, one of them each time; `text`: a text that arrives piece by piece. */
  responses: readonly z.ZodType[] | 'text';
  /** What is told of a task that failed: with 200, or with 500 where that is set. */
  failed?: z.ZodType;
  prices?: { per: 'request' | 'shot'; list: readonly Price[] };
}

/** An option that decides the price; where the table has other words for it than the request, they are named. */
type PricedBy = string | { field: string; values: Readonly<Record<string, string | boolean>> };

/** A table of prices as a list, level by level: which fields its levels stand for. */
export function priceList(table: PriceTable, ...fields: PricedBy[]): Price[] {
  if (typeof table === 'number') return [{ when: {}, credits: table }];
  const [pricedBy, ...rest] = fields;
  if (pricedBy === undefined) throw new Error('the table of prices has a level that no field was named for');
  const { field, values } = typeof pricedBy === 'string' ? { field: pricedBy, values: undefined } : pricedBy;
  return Object.entries(table).flatMap(([option, inner]) =>
    priceList(inner, ...rest).map(({ when, credits }) => ({
      when: { [field]: values?.[option] ?? option, ...when },
      credits,
    })),
  );
}

/** For `meta` of an object: what holds where `field` has one of these values, and what elsewhere. In words of JSON Schema. */
export const ifSchema = (field: string, values: readonly string[], then: object, otherwise?: object) => ({
  // The last word keeps readers that allow no other properties from asking it of each part.
  if: { properties: { [field]: { enum: values } }, required: [field], additionalProperties: true },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { ...then, additionalProperties: true },
  ...(otherwise && { else: { ...otherwise, additionalProperties: true } }),
});
