import * as z from 'zod';
import { Date } from '../core/globals.ts';
import { integer, MAX_CREDITS, MAX_REQUESTS, shortText } from '../http/account-profile.ts';

/** A path of the vendor API. */
export const apiPath = z
  .string()
  .startsWith('/', { error: 'expected a path such as /api/sora-2/generate' })
  .max(1000, { error: 'expected at most 1000 characters' })
  .meta({ description: 'A path, such as /api/sora-2/generate.', format: undefined });
export const snapshotName = z.string().regex(/^(?!\.{1,2}$)[\w.-]{1,100}$/, {
  error: 'expected 1 to 100 letters, digits, dots, dashes or underscores',
});
export const remainingRequests = integer(0, MAX_REQUESTS).meta({
  description: 'Requests left in the current hour; at most the limit.',
});
export const credits = integer(-MAX_CREDITS, MAX_CREDITS)
  .refine((amount) => amount !== 0, { error: 'expected a number of credits other than 0' })
  .meta({ description: 'Granted if positive, deducted if negative.', not: { const: 0 } });
export const reason = z.string().trim().pipe(shortText).meta({
  minLength: 1,
  maxLength: 500,
  pattern: '^[^\\uD800-\\uDFFF]*[^\\s\\uD800-\\uDFFF][^\\uD800-\\uDFFF]*$',
  default: 'by the control plane',
});
/**
 * JSON Schema keywords of an integer in a query: the OpenAPI document describes the number, not the string that zod
 * reads.
 */
export const integerMeta = (minimum: number, maximum: number) =>
  ({ type: 'integer', minimum, maximum, pattern: undefined }) as const;

export const toTimestamp = (atMs: number): string => new Date(atMs).toISOString();
export const toTimestampOrNull = (atMs: number | null): string | null => (atMs === null ? null : toTimestamp(atMs));

/** The parameters of the paths below an account. */
export const AccountParams = z.strictObject({
  key: z.string().meta({ description: 'The API key, URL-encoded.' }),
});
export type AccountParams = z.output<typeof AccountParams>;
export const TaskParams = AccountParams.extend({
  id: z.string().meta({ description: 'The id of the task.' }),
});
export type TaskParams = z.output<typeof TaskParams>;
