import { z } from 'zod';
import { integerMeta } from './schemas.ts';

const LIMIT_ERROR = { error: 'expected a whole number from 1 to 1000' };

/** The query parameters of every list. */
export const paginationParams = <Cursor extends z.ZodType>(after: Cursor) => ({
  limit: z
    .string()
    .regex(/^\d+$/, LIMIT_ERROR)
    .transform(Number)
    .pipe(z.number().min(1, LIMIT_ERROR).max(1000, LIMIT_ERROR))
    .default(100)
    .meta({ description: 'Maximum number of items.', ...integerMeta(1, 1000), default: 100 }),
  after,
});
const CURSOR_META = { description: '`next` of the previous page; the first page when absent.' };
export const textCursor = z.string().default('').meta(CURSOR_META);
export const sequenceCursor = z
  .string()
  .regex(/^\d{1,15}$/, { error: 'expected the id of the last entry seen' })
  .transform(Number)
  .prefault('0')
  .meta(CURSOR_META);

/** Splits off a page. `rows` holds up to `limit` + 1 items: the extra one shows that another page follows. */
export function paginate<T>(rows: T[], limit: number, getId: (item: T) => string): { items: T[]; next: string | null } {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? getId(items.at(-1)!) : null };
}
