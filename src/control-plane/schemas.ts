import { z } from 'zod';
import type { Account } from '../core/accounts/accounts.ts';
import type { Core } from '../core/core.ts';
import { EmulatorError } from '../core/errors.ts';
import type { Task } from '../core/tasks/task.ts';
import { boundedText, integer, MAX_CREDITS, MAX_REQUESTS } from '../http/account-profile.ts';

export * from '../http/account-profile.ts';

/** A path of the API. */
export const apiPath = z
  .string()
  .startsWith('/', { error: 'expected a path such as /api/sora-2/generate' })
  .meta({ description: 'A path, such as /api/sora-2/generate.', format: undefined });
/** Names of snapshots. */
export const snapshotName = z.string().regex(/^(?!\.{1,2}$)[\w.-]{1,100}$/, {
  error: 'expected 1 to 100 letters, digits, dots, dashes or underscores',
});
export const remainingRequests = integer(0, MAX_REQUESTS).meta({
  description: 'What is left of the hour that runs; up to the limit.',
});
export const credits = integer(-MAX_CREDITS, MAX_CREDITS)
  .refine((amount) => amount !== 0, { error: 'expected a number of credits other than 0' })
  .meta({ description: 'Given, or taken where negative.', not: { const: 0 } });
export const reason = z
  .string()
  .trim()
  .pipe(boundedText(500))
  .meta({ minLength: 1, maxLength: 500, pattern: '\\S', default: 'by the control plane' });
/** For `meta` of a number in a query, where all is text: what the contract document tells of it. */
export const integerMeta = (minimum: number, maximum: number) =>
  ({ type: 'integer', minimum, maximum, pattern: undefined }) as const;

const LIMIT_ERROR = { error: 'expected a whole number from 1 to 1000' };

/** Of every list: how many, and after which of those seen. */
export const paginationParams = <Cursor extends z.ZodType>(after: Cursor) => ({
  limit: z
    .string()
    .regex(/^\d+$/, LIMIT_ERROR)
    .transform(Number)
    .pipe(z.number().min(1, LIMIT_ERROR).max(1000, LIMIT_ERROR))
    .default(100)
    .meta({ description: 'How many.', ...integerMeta(1, 1000), default: 100 }),
  after,
});
const CURSOR_META = { description: '`next` of the page before; from the beginning when absent.' };
export const textCursor = z.string().default('').meta(CURSOR_META);
export const sequenceCursor = z
  .string()
  .regex(/^\d{1,15}$/, { error: 'expected the id of the last entry seen' })
  .transform(Number)
  .prefault('0')
  .meta(CURSOR_META);

/** One more than asked for was read: is there a next page, and after which id does it begin? */
export function paginate<T>(rows: T[], limit: number, getId: (item: T) => string): { items: T[]; next: string | null } {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? getId(items.at(-1)!) : null };
}

export const toTimestamp = (atMs: number): string => new Date(atMs).toISOString();
export const toTimestampOrNull = (atMs: number | null): string | null => (atMs === null ? null : toTimestamp(atMs));

/** The account that a path names, after all that is due for it. @throws EmulatorError ACCOUNT_NOT_FOUND */
export function requireAccount(core: Core, key: string): Account {
  const account = core.accounts.find(key);
  if (!account) throw new EmulatorError('ACCOUNT_NOT_FOUND', `There is no account with the key ${key}.`);
  core.timeline.settleIfDue(account);
  return core.accounts.get(account.id);
}

/** The task that a path names, after all that is due for its account. @throws EmulatorError ACCOUNT_NOT_FOUND, TASK_NOT_FOUND */
export const requireTask = (core: Core, { key, id }: TaskParams): Task =>
  requireAccountTask(core, requireAccount(core, key).id, id);

/** @throws EmulatorError TASK_NOT_FOUND */
export function requireAccountTask(core: Core, accountId: number, id: string): Task {
  const task = core.tasks.find(accountId, id);
  if (!task) throw new EmulatorError('TASK_NOT_FOUND', `There is no task ${id} of this account.`);
  return task;
}

/** What a path names. */
export const AccountParams = z.strictObject({
  key: z.string().meta({ description: 'The API key, URL-encoded.' }),
});
export type AccountParams = z.output<typeof AccountParams>;
export const TaskParams = AccountParams.extend({
  id: z.string().meta({ description: 'The id of the task.' }),
});
export type TaskParams = z.output<typeof TaskParams>;
