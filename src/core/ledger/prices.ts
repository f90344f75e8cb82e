/** What a family's units cost, in whole credits: one number, or a table by the options that decide it. */
export type PriceTable = number | { readonly [option: string]: PriceTable };

/** A table of the same shape, whatever the numbers in it. */
export type PricesLike<Table extends PriceTable> = Table extends number
  ? number
  : {
      readonly [Option in keyof Table]: Table[Option] extends PriceTable ? PricesLike<Table[Option]> : never;
    };

/** A part of a table: what is not named keeps its price. */
export type PriceChanges = number | { readonly [option: string]: PriceChanges | undefined };

/** `table` with `changes` put over it. Options that the table does not have are for the caller to refuse. */
export function reprice(table: PriceTable, changes: PriceChanges | undefined): PriceTable {
  if (changes === undefined) return table;
  if (typeof table === 'number' || typeof changes === 'number') return changes as number;
  return Object.fromEntries(
    Object.entries(table).map(([option, price]) => [option, reprice(price, changes[option])]),
  );
}
