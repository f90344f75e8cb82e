import * as z from 'zod';
import type { AccountProfile } from '../core/accounts/accounts.ts';
import { Date } from '../core/globals.ts';
import { EARLIEST_MS, LATEST_MS } from '../core/time/clock.ts';
import { MAX_WINDOW_COUNT } from '../core/time/rate-limiter.ts';

const MODES = ['real', 'frozen', 'auto'] as const;
export const MAX_CREDITS = 1_000_000_000_000;
export const MAX_REQUESTS = MAX_WINDOW_COUNT - 1;

/** A non-empty string of at most `max` characters. */
export const boundedText = (max: number) => {
  const error = `expected a string of 1 to ${max} characters`;
  return z.string({ error }).min(1, { error }).max(max, { error });
};

/**
 * Rejects lone surrogates in a text that is stored in a column of its own: UTF-8 cannot represent them, so that a
 * different text would be read.
 */
export const wellFormed = (schema: z.ZodString) =>
  schema
    .refine((text) => !/\p{Surrogate}/u.test(text), { error: 'expected a text without lone surrogates' })
    .meta({ pattern: '^[^\\uD800-\\uDFFF]*$' });

/** A text of the size of a reason or an error code. */
export const shortText = wellFormed(boundedText(500));

export const integer = (min: number, max: number) => {
  const error = `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

export const apiKey = z
  .string()
  .regex(/^(?!\.{1,2}$)[\x21-\x7e]{1,200}$/, {
    // Clients resolve these two as path segments.
    error: 'expected 1 to 200 visible ASCII characters, not "." or ".."',
  })
  .meta({ description: '1 to 200 visible ASCII characters, not "." or "..".' });
export const Timestamp = z.iso
  .datetime({ error: 'expected a timestamp in UTC, such as 2026-01-31T12:00:00.000Z' })
  .meta({ id: 'Timestamp', description: "In UTC, on the account's clock.", pattern: 'Z$' });
/** A timestamp in a request. Its offset is often +00:00, as in Python's `isoformat()`. */
export const timestampMs = z.iso
  .datetime({ offset: true, error: 'expected a timestamp with an offset, such as 2026-01-31T12:00:00.000Z' })
  .meta({ description: "On the account's clock, with Z or an offset.", pattern: '(Z|[+-]\\d\\d:\\d\\d)$' })
  .transform((text) => Date.parse(text));
export const mode = z.enum(MODES).meta({ id: 'ClockMode' });
export const requestLimit = integer(1, MAX_REQUESTS)
  .nullable()
  .meta({ description: 'Requests per hour; null for no limit.' });
const SPEED_ERROR = 'expected a number from 0.000001 to 1000000';
export const speed = z
  .number({ error: SPEED_ERROR })
  .min(0.000_001, { error: SPEED_ERROR })
  .max(1_000_000, { error: SPEED_ERROR })
  .meta({ description: 'How many times faster than real time tasks run.' });
const RATE_ERROR = 'expected a number from 0 to 1';
export const failureRate = z
  .number({ error: RATE_ERROR })
  .min(0, { error: RATE_ERROR })
  .max(1, { error: RATE_ERROR })
  .meta({ description: 'Share of tasks that fail without a fault; the seed decides which.' });
export const seed = z
  .union([wellFormed(z.string().min(1).max(200)), z.int().transform(String)], {
    error: 'expected a string of 1 to 200 characters or a whole number',
  })
  .meta({ description: 'The same seed and the same calls give the same ids, durations and texts.' });

/** Fields of a new account, in the seed file and in `POST /__admin/accounts`. */
export const PROFILE = {
  credits: integer(0, MAX_CREDITS).optional(),
  rateLimit: requestLimit.optional(),
  clock: z
    .union(
      [
        mode.transform((word) => ({ mode: word, nowMs: undefined })),
        z
          .strictObject({ mode, now: timestampMs.refine((ms) => ms >= EARLIEST_MS && ms <= LATEST_MS).optional() })
          .transform(({ now, ...rest }) => ({
            ...rest,
            nowMs: now,
          })),
      ],
      {
        error: `expected ${MODES.join(', ')}, or {mode, now} with a timestamp such as 2026-01-31T12:00:00.000Z`,
      },
    )
    .optional(),
  speed: speed.optional(),
  failureRate: failureRate.optional(),
  seed: seed.optional(),
};
const Profile = z.strictObject(PROFILE);

/** Completes a profile with `defaults`. */
export function resolveProfile(profile: z.output<typeof Profile>, defaults: AccountProfile): AccountProfile {
  const { credits, rateLimit, clock, speed, failureRate, seed } = profile;
  return {
    credits: credits ?? defaults.credits,
    rateLimit: rateLimit === undefined ? defaults.rateLimit : rateLimit,
    clock: clock ?? defaults.clock,
    speed: speed ?? defaults.speed,
    failureRate: failureRate ?? defaults.failureRate,
    seed: seed ?? defaults.seed,
  };
}
