/** A family's prices in whole credits: one number, or a table keyed by the request options that decide the price. */
export type PriceTable = number | { readonly [option: string]: PriceTable };

/** A price table with the same keys as `Table` and any prices. */
export type SameShape<Table extends PriceTable> = Table extends number
  ? number
  : {
      readonly [Option in keyof Table]: Table[Option] extends PriceTable ? SameShape<Table[Option]> : never;
    };

/** A part of a price table; options that are not named keep their price. */
export type PriceOverrides = number | { readonly [option: string]: PriceOverrides | undefined };

/** Returns `table` with `overrides` applied. The caller must reject options that the table does not have. */
export function applyPriceOverrides(table: PriceTable, overrides: PriceOverrides | undefined): PriceTable {
  if (overrides === undefined) return table;
  if (typeof table === 'number' || typeof overrides === 'number') return overrides as number;
  return Object.fromEntries(
    Object.entries(table).map(([option, price]) => [option, applyPriceOverrides(price, overrides[option])]),
  );
}
