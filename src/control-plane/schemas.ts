import { z } from 'zod';
import type { Account, AccountProfile } from '../core/accounts/accounts.ts';
import type { Core } from '../core/core.ts';
import { EmulatorError } from '../core/errors.ts';
import type { Task } from '../core/tasks/task.ts';

/** An object that says which fields there are when it is given another. */
export const strict = <T extends z.core.$ZodLooseShape>(shape: T) =>
  z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no ${JSON.stringify(issue.keys[0])}${formatAllowedFields(Object.keys(shape))}`
        : undefined,
  });

const formatAllowedFields = (fields: string[]) => (fields.length > 0 ? `, only ${fields.join(', ')}` : ' here');

const MODES = ['real', 'frozen', 'auto'] as const;
const MAX_CREDITS = 1_000_000_000_000;
const MAX_REQUESTS = 1_000_000_000;

/** A text of `most` characters at most, and not an empty one. */
export const boundedText = (max: number) => {
  const error = `expected a text of 1 to ${max} characters`;
  return z.string({ error }).min(1, { error }).max(max, { error });
};

export const integer = (min: number, max: number) => {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

export const apiKey = z
  .string()
  .regex(/^(?!\.{1,2}$)[\x21-\x7e]{1,200}$/, {
    // A path cannot name them: clients take these for steps in it.
    error: 'expected 1 to 200 visible ASCII characters, not "." or ".."',
  })
  .meta({ description: '1 to 200 visible ASCII characters, not "." or "..".' });
/** A path of the API. */
export const apiPath = z
  .string()
  .startsWith('/', { error: 'expected a path such as /api/sora-2/generate' })
  .meta({ description: 'A path, such as /api/sora-2/generate.', format: undefined });
/** Names of snapshots. */
export const snapshotName = z.string().regex(/^(?!\.{1,2}$)[\w.-]{1,100}$/, {
  error: 'expected 1 to 100 letters, digits, dots, dashes or underscores',
});
export const Timestamp = z.iso
  .datetime({ error: 'expected a moment such as 2026-01-31T12:00:00.000Z' })
  .meta({ id: 'Moment', description: "In UTC, on the account's clock.", pattern: 'Z$' });
export const timestampMs = Timestamp.transform((text) => Date.parse(text));
export const mode = z.enum(MODES).meta({ id: 'ClockMode' });
export const requestLimit = integer(1, MAX_REQUESTS)
  .nullable()
  .meta({ description: 'Requests an hour; null: no limit.' });
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
const SPEED_ERROR = 'expected a number from 0.000001 to 1000000';
export const speed = z
  .number()
  .min(0.000_001, { error: SPEED_ERROR })
  .max(1_000_000, { error: SPEED_ERROR })
  .meta({ description: 'How much faster than life generation runs.' });
export const seed = z
  .union([z.string().min(1).max(200), z.int().transform(String)], {
    error: 'expected a text or a whole number',
  })
  .meta({ description: 'The same seed and the same calls give the same ids, durations and texts.' });

/** What can be said of a new account, in the seed file and in a control call alike. */
export const PROFILE = {
  credits: integer(0, MAX_CREDITS).optional(),
  rateLimit: requestLimit.optional(),
  clock: z
    .union(
      [
        mode.transform((word) => ({ mode: word, nowMs: undefined })),
        strict({ mode, now: timestampMs.optional() }).transform(({ now, ...rest }) => ({
          ...rest,
          nowMs: now,
        })),
      ],
      {
        error: `expected ${MODES.join(', ')}, or {mode, now} with a moment such as 2026-01-31T12:00:00.000Z`,
      },
    )
    .optional(),
  speed: speed.optional(),
  seed: seed.optional(),
};
const Profile = strict(PROFILE);

/** What is said, and for the rest what `common` has. */
export function resolveProfile(profile: z.output<typeof Profile>, defaults: AccountProfile): AccountProfile {
  const { credits, rateLimit, clock, speed, seed } = profile;
  return {
    credits: credits ?? defaults.credits,
    rateLimit: rateLimit === undefined ? defaults.rateLimit : rateLimit,
    clock: clock ?? defaults.clock,
    speed: speed ?? defaults.speed,
    seed: seed ?? defaults.seed,
  };
}

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
  core.timeline.applyIfDue(account);
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
