/** What a family's units cost, in whole credits: one number, or a table by the options that decide it. */
export type PriceTable = number | { readonly [option: string]: PriceTable };

/** A table of the same shape, whatever the numbers in it. */
export type SameShape<Table extends PriceTable> = Table extends number
  ? number
  : {
      readonly [Option in keyof Table]: Table[Option] extends PriceTable ? SameShape<Table[Option]> : never;
    };

/** A part of a table: what is not named keeps its price. */
export type PriceOverrides = number | { readonly [option: string]: PriceOverrides | undefined };

/** `table` with `changes` put over it. Options that the table does not have are for the caller to refuse. */
export function applyPriceOverrides(table: PriceTable, overrides: PriceOverrides | undefined): PriceTable {
  if (overrides === undefined) return table;
  if (typeof table === 'number' || typeof overrides === 'number') return overrides as number;
  return Object.fromEntries(
    Object.entries(table).map(([option, price]) => [option, applyPriceOverrides(price, overrides[option])]),
  );
}
