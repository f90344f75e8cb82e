import * as z from 'zod';
import type { Clock } from '../core/time/clock.ts';

import { integerMeta } from './schemas.ts';

/** A page ends with the item that exceeds this size. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** Items of this size are formatted before other requests have their turn. */
const MAX_TURN_BYTES = 128 * 1024;

export const DEFAULT_LIMIT = 100;
const LIMIT_ERROR = { error: 'expected a whole number from 1 to 1000' };
/** A maximum number of items, without a default. */
export const limitParam = z
  .string()
  .regex(/^\d+$/, LIMIT_ERROR)
  .transform(Number)
  .pipe(z.number().min(1, LIMIT_ERROR).max(1000, LIMIT_ERROR));

const limit = limitParam.default(DEFAULT_LIMIT).meta({
  description: 'Maximum number of items. A page of more than 4 MB has fewer.',
  ...integerMeta(1, 1000),
  default: DEFAULT_LIMIT,
});
const CURSOR_META = { description: '`next` of the previous page; the first page when absent.' };
const textCursor = z.string().default('').meta(CURSOR_META);
const sequenceCursor = z
  .string()
  .regex(/^\d{1,15}$/, { error: 'expected the id of the last entry seen' })
  .transform(Number)
  .prefault('0')
  .meta(CURSOR_META);

/** The query parameters of a list whose items are sorted by a text, such as a name. */
export const PAGE_BY_TEXT = { limit, after: textCursor };
/** The query parameters of a list whose items are numbered. */
export const PAGE_BY_NUMBER = { limit, after: sequenceCursor };
/** The query of a list without filters. */
export const PageByText = z.strictObject(PAGE_BY_TEXT);
export const PageByNumber = z.strictObject(PAGE_BY_NUMBER);

/**
 * Formats the first page of `rows`. It has fewer than `limit` items when they are large, so that a response has a
 * bounded size.
 *
 * @param rows More than `limit` rows, or those up to the end of the list
 * @param options.clock When given, other requests have their turn in between; `toJson` must not depend on state that
 *   they may change.
 */
export async function paginate<Row, Item>(
  rows: readonly Row[],
  limit: number,
  getId: (row: Row) => string,
  toJson: (row: Row) => Item,
  { clock }: { clock?: Clock } = {},
): Promise<{ items: Item[]; next: string | null }> {
  const items: Item[] = [];
  let pageBytes = 0;
  let turnBytes = 0;
  for (const row of rows.slice(0, limit)) {
    const item = toJson(row);
    const bytes = Buffer.byteLength(JSON.stringify(item));
    items.push(item);
    pageBytes += bytes;
    turnBytes += bytes;
    if (pageBytes > MAX_PAGE_BYTES) break;
    if (clock && turnBytes > MAX_TURN_BYTES) {
      turnBytes = 0;
      await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
    }
  }
  return { items, next: items.length < rows.length ? getId(rows[items.length - 1]!) : null };
}
