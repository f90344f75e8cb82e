import { z } from 'zod';

/**
 * One setting: its flag is `--name`, its environment variable NANOPHOTO_EMULATOR_NAME. `expects` ends the sentence that
 * a wrong value is answered with.
 */
export interface Setting<T> {
  schema: z.ZodType<T, string>;
  fallback: T;
  expects: string;
  description: string;
}

const setting = <T>(
  schema: z.ZodType<T, string>,
  fallback: NoInfer<T>,
  expects: string,
  description: string,
): Setting<T> => ({ schema, fallback, expects, description });

const integer = (min: number, max: number) =>
  z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(min).max(max));
const onOff = z.enum(['on', 'off']).transform((word) => word === 'on');
const nonEmpty = z.string().min(1);

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export const SETTINGS = {
  port: setting(integer(0, 65535), 6266, 'a port from 0 to 65535', 'port to listen on; 0 picks a free one'),
  host: setting(nonEmpty, '127.0.0.1', 'an address to listen on', 'address to listen on; 0.0.0.0 for all interfaces'),
  'https-port': setting<number | undefined>(
    integer(0, 65535),
    undefined,
    'a port from 0 to 65535',
    "port for HTTPS as well, as the vendor's hosts; 0 picks a free one",
  ),
  'data-dir': setting<string | undefined>(
    nonEmpty,
    undefined,
    'a directory',
    'directory that keeps accounts and tasks; without it everything is in memory',
  ),
  'log-level': setting(z.enum(LOG_LEVELS), 'info', `one of ${LOG_LEVELS.join(', ')}`, 'how much is logged'),
  clock: setting(
    z.enum(['real', 'frozen', 'auto']),
    'real',
    'real, frozen or auto',
    'clock of accounts without one of their own; auto: polling moves the time',
  ),
  speed: setting(
    z
      .string()
      .regex(/^\d+(\.\d+)?$/)
      .transform(Number)
      .pipe(z.number().min(0.000_001).max(1_000_000)),
    60,
    'a number from 0.000001 to 1000000',
    'how much faster than life generation runs; 1 is true to life',
  ),
  seed: setting(
    nonEmpty,
    'nanophoto',
    'any text',
    'decides ids, durations and texts of accounts without a seed of their own',
  ),
  'seed-file': setting<string | undefined>(
    nonEmpty,
    undefined,
    'a file',
    'JSON file of the accounts to start with; a --seed that ends in .json is taken as this',
  ),
  'auto-accounts': setting(onOff, true, 'on or off', 'whether an unknown key np_test_… makes its own account'),
  'rate-limit': setting<number | null>(
    z.union([z.literal('off').transform(() => null), integer(1, 1_000_000_000)]),
    100,
    'a whole number above 0, or off',
    'requests an hour of accounts without a limit of their own',
  ),
  'failed-task-status': setting<200 | 500>(
    z.enum(['200', '500']).transform((status) => Number(status) as 200 | 500),
    200,
    '200 or 500',
    'HTTP status of a poll that tells of a failed task',
  ),
  'public-url': setting<string | undefined>(
    z
      .string()
      .refine((url) => url === 'vendor' || (/^https?:\/\/[^?#@]+$/.test(url) && URL.canParse(url)))
      .transform((url) => url.replace(/\/+$/, '')),
    undefined,
    'an http or https URL without user, query and fragment, or vendor',
    "base of returned URLs; without it they follow the caller's Host; vendor: the vendor's own hosts",
  ),
  'result-ttl-seconds': setting<number | null>(
    z.union([z.literal('off').transform(() => null), integer(1, 1_000_000_000)]),
    null,
    'a whole number from 1 to 1000000000, or off',
    "how long a result's files are there, on the account's clock; off: for good",
  ),
  'admin-token': setting<string | undefined>(
    z.string().regex(/^[\x21-\x7e]{8,}$/),
    undefined,
    'at least 8 visible ASCII characters',
    'token that calls of the control plane must send',
  ),
  'admin-remote': setting(
    onOff,
    false,
    'on or off',
    'whether callers from other machines reach the control plane without a token',
  ),
  'admin-hosts': setting<readonly string[] | undefined>(
    z
      .string()
      .transform((names) => names.toLowerCase().split(','))
      .pipe(z.array(z.string().regex(/^(?:[a-z0-9_-]+\.)*[a-z0-9_-]+$/)).min(1)),
    undefined,
    'names of hosts without ports, with commas between them',
    'names beside the local ones by which the control plane may be called without a token',
  ),
  'journal-entries': setting(
    integer(0, 100_000),
    1000,
    'a whole number from 0 to 100000',
    "requests that an account's journal keeps; 0 switches it off",
  ),
  'body-limit-bytes': setting(
    integer(1024, 1_073_741_824),
    1_048_576,
    'a whole number from 1024 to 1073741824',
    'largest JSON body, video uploads aside',
  ),
  'header-limit-bytes': setting(
    integer(4096, 1_048_576),
    16_384,
    'a whole number from 4096 to 1048576',
    'largest head of a request: its line and its headers',
  ),
  'request-timeout-seconds': setting(
    integer(1, 3600),
    120,
    'a whole number from 1 to 3600',
    'how long a request may take to arrive',
  ),
  'connection-limit': setting(
    integer(1, 1_000_000),
    5000,
    'a whole number from 1 to 1000000',
    'connections at once; one more is answered 503',
  ),
  'stream-limit': setting(
    integer(1, 1_000_000),
    5000,
    'a whole number from 1 to 1000000',
    'streams and other answers under way at once; one more is answered 503',
  ),
  'listener-limit': setting(
    integer(1, 1_000_000),
    1000,
    'a whole number from 1 to 1000000',
    'listeners and waits of the control plane at once; one more is answered 503',
  ),
  'auto-account-limit': setting(
    integer(1, 10_000_000),
    10_000,
    'a whole number from 1 to 10000000',
    'accounts that made themselves; for one more the least recently used one goes',
  ),
  'snapshot-limit': setting(integer(0, 100_000), 100, 'a whole number from 0 to 100000', 'snapshots of an account'),
  'fault-limit': setting(
    integer(0, 100_000),
    1000,
    'a whole number from 0 to 100000',
    'rules of an account, and rules for everybody',
  ),
} as const;
