import { homedir } from 'node:os';
import * as z from 'zod';
import { URL } from '../core/globals.ts';

/** A setting. Its flag is `--name`, its environment variable NANOPHOTO_EMULATOR_NAME. */
export interface Setting<T> {
  /** Parses the text of a flag or a variable. */
  schema: z.ZodType<T, string>;
  fallback: T;
  /** Describes valid values: the error for an invalid one is "--name must be …". */
  expects: string;
  /** For `--help`. */
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
const integerSetting = (min: number, max: number, fallback: number, description: string) =>
  setting(integer(min, max), fallback, `a whole number from ${min} to ${max}`, description);
/** The exponent is for `startEmulator`, whose numbers are converted to text: 0.0000001 becomes 1e-7. */
const decimal = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?(e-\d+)?$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max));
const onOff = z.enum(['on', 'off']).transform((word) => word === 'on');
const nonEmpty = z.string().min(1);
/** Shells expand `~` only at the start of a word, so not in `--data-dir=~/data`. */
const path = nonEmpty.transform((name) => name.replace(/^~(?=\/|$)/, () => homedir()));

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export const SETTINGS = {
  port: setting(integer(0, 65535), 6266, 'a port from 0 to 65535', 'port to listen on; 0 picks a free one'),
  host: setting(
    nonEmpty,
    '127.0.0.1',
    'an address to listen on, such as 127.0.0.1',
    'address to listen on; 0.0.0.0 for all interfaces',
  ),
  'https-port': setting<number | undefined>(
    integer(0, 65535),
    undefined,
    'a port from 0 to 65535',
    "also listen for HTTPS on this port, with certificates for the vendor's hosts; 0 picks a free one",
  ),
  'data-dir': setting<string | undefined>(
    path,
    undefined,
    'the path of a directory',
    'directory for accounts and tasks; without it everything is kept in memory',
  ),
  'log-level': setting(z.enum(LOG_LEVELS), 'info', `one of ${LOG_LEVELS.join(', ')}`, 'minimum level of log lines'),
  clock: setting(
    z.enum(['real', 'frozen', 'auto']),
    'real',
    'real, frozen or auto',
    'default clock of accounts; auto: each poll advances the time',
  ),
  speed: setting(
    decimal(0.000_001, 1_000_000),
    60,
    'a number from 0.000001 to 1000000',
    'default speed of generation, as a multiple of real time',
  ),
  seed: setting(
    // The control plane has the same limits, so that exports can be imported.
    nonEmpty.max(200).refine((text) => !/\p{Surrogate}/u.test(text)),
    'nanophoto',
    'a text of 1 to 200 characters',
    'default random seed of accounts; determines ids, durations and texts',
  ),
  'seed-file': setting<string | undefined>(
    path,
    undefined,
    'the path of a file',
    'JSON file with the initial accounts; --seed with a value that ends in .json also sets this',
  ),
  'auto-accounts': setting(onOff, true, 'on or off', 'create an account for each unknown key np_test_…'),
  'rate-limit': setting<number | null>(
    z.union([z.literal('off').transform(() => null), integer(1, 1_000_000_000)]),
    100,
    'a whole number from 1 to 1000000000, or off',
    'default limit of accounts, in requests per hour',
  ),
  'failure-rate': setting(
    decimal(0, 1),
    0,
    'a number from 0 to 1',
    'default share of tasks that fail without a fault; the seed decides which',
  ),
  'failed-task-status': setting<200 | 500>(
    z.enum(['200', '500']).transform((status) => Number(status) as 200 | 500),
    200,
    '200 or 500',
    'HTTP status of the response to a poll of a failed task',
  ),
  cors: setting(onOff, false, 'on or off', 'allow web pages of any origin to use the API (CORS)'),
  'split-characters': setting(
    onOff,
    false,
    'on or off',
    'end the chunks of streamed texts in the middle of multi-byte characters',
  ),
  'public-url': setting<string | undefined>(
    z
      .string()
      .refine((url) => url === 'vendor' || (/^https?:\/\/[^?#@]+$/.test(url) && URL.canParse(url)))
      .transform((url) => url.replace(/\/+$/, '')),
    undefined,
    'vendor, or an http or https URL without user, query and fragment',
    "base of result URLs, or vendor for the vendor's hosts; without it, the request's Host header is used",
  ),
  'result-ttl-seconds': setting<number | null>(
    z.union([z.literal('off').transform(() => null), integer(1, 1_000_000_000)]),
    null,
    'a whole number from 1 to 1000000000, or off',
    "lifetime of result files, on the account's clock; off: unlimited",
  ),
  'admin-token': setting<string | undefined>(
    z.string().regex(/^[\x21-\x7e]{8,}$/),
    undefined,
    'at least 8 visible ASCII characters',
    'token that control plane requests must send',
  ),
  'admin-remote': setting(
    onOff,
    false,
    'on or off',
    'allow control plane requests from other machines without a token',
  ),
  'admin-hosts': setting<readonly string[] | undefined>(
    z
      .string()
      .transform((names) => names.toLowerCase().split(','))
      .pipe(z.array(z.string().regex(/^(?:[a-z0-9_-]+\.)*[a-z0-9_-]+$/)).min(1)),
    undefined,
    'a comma-separated list of host names without ports',
    'additional host names under which the control plane accepts requests without a token',
  ),
  'journal-entries': integerSetting(0, 100_000, 1000, "requests kept in each account's journal; 0 turns it off"),
  'body-limit-bytes': integerSetting(
    1024,
    1_073_741_824,
    1_048_576,
    'maximum size of a JSON body, except for video uploads',
  ),
  'text-limit-characters': integerSetting(
    1000,
    1_073_741_824,
    100_000,
    'maximum length of request texts that have no documented maximum',
  ),
  'header-limit-bytes': integerSetting(4096, 1_048_576, 16_384, 'maximum size of the request line and the headers'),
  'request-timeout-seconds': integerSetting(1, 3600, 120, 'time limit for receiving a request'),
  'memory-budget-mb': integerSetting(
    16,
    1_048_576,
    64,
    'memory for all data of clients, in MiB; when it is full, the oldest data is evicted, or new requests get 503',
  ),
  'connection-limit': integerSetting(1, 1_000_000, 5000, 'maximum connections; further ones get 503'),
  'stream-limit': integerSetting(1, 1_000_000, 5000, 'maximum streams and delayed responses; further ones get 503'),
  'listener-limit': integerSetting(1, 1_000_000, 1000, 'maximum control plane streams and waits; further ones get 503'),
  'auto-account-limit': integerSetting(
    1,
    10_000_000,
    10_000,
    'maximum auto-created accounts; the least recently used is evicted',
  ),
  'snapshot-limit': integerSetting(0, 100_000, 100, 'maximum snapshots per account'),
  'fault-limit': integerSetting(0, 100_000, 1000, 'maximum fault rules per account, and maximum global fault rules'),
} as const;
