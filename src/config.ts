import { parseArgs } from 'node:util';
import { z } from 'zod';
import { SetupError } from './core/errors.ts';

/**
 * One setting: its flag is `--name`, its environment variable NANOPHOTO_EMULATOR_NAME. `expects` ends the sentence that
 * a wrong value is answered with.
 */
interface Setting<T> {
  schema: z.ZodType<T, string>;
  fallback: T;
  expects: string;
  describes: string;
}

const setting = <T>(
  schema: z.ZodType<T, string>,
  fallback: NoInfer<T>,
  expects: string,
  describes: string,
): Setting<T> => ({ schema, fallback, expects, describes });

const whole = (min: number, max: number) =>
  z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(min).max(max));
const onOff = z.enum(['on', 'off']).transform((word) => word === 'on');
const text = z.string().min(1);

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const SETTINGS = {
  port: setting(whole(0, 65535), 6266, 'a port from 0 to 65535', 'port to listen on; 0 picks a free one'),
  host: setting(
    text,
    '127.0.0.1',
    'an address to listen on',
    'address to listen on; 0.0.0.0 for all interfaces',
  ),
  'https-port': setting<number | undefined>(
    whole(0, 65535),
    undefined,
    'a port from 0 to 65535',
    "port for HTTPS as well, as the vendor's hosts; 0 picks a free one",
  ),
  'data-dir': setting<string | undefined>(
    text,
    undefined,
    'a directory',
    'directory that keeps accounts and tasks; without it everything is in memory',
  ),
  'log-level': setting(z.enum(LOG_LEVELS), 'info', `one of ${LOG_LEVELS.join(', ')}`, 'how much is logged'),
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
    text,
    'nanophoto',
    'any text',
    'decides ids, durations and texts of accounts without a seed of their own',
  ),
  'seed-file': setting<string | undefined>(
    text,
    undefined,
    'a file',
    'JSON file of the accounts to start with; a --seed that ends in .json is taken as this',
  ),
  'auto-accounts': setting(
    onOff,
    true,
    'on or off',
    'whether an unknown key np_test_… makes its own account',
  ),
  'rate-limit': setting<number | null>(
    z.union([z.literal('off').transform(() => null), whole(1, 1_000_000_000)]),
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
    z.union([z.literal('off').transform(() => null), whole(1, 1_000_000_000)]),
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
  'journal-entries': setting(
    whole(0, 100_000),
    1000,
    'a whole number from 0 to 100000',
    "requests that an account's journal keeps; 0 switches it off",
  ),
  'body-limit-bytes': setting(
    whole(1024, 1_073_741_824),
    1_048_576,
    'a whole number from 1024 to 1073741824',
    'largest JSON body, video uploads aside',
  ),
} as const;

type SettingName = keyof typeof SETTINGS;
type Camel<S extends string> = S extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S;
export type Config = {
  [Name in SettingName as Camel<Name>]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

export interface Command {
  name: 'start' | 'config' | 'help' | 'version';
  config: Config;
  /** Things worth a warning that are no reason to refuse the start. */
  warnings: string[];
}

const COMMANDS = ['start', 'config'] as const;
const NAMES = Object.keys(SETTINGS) as SettingName[];
const PREFIX = 'NANOPHOTO_EMULATOR_';
const variableOf = (name: SettingName) => PREFIX + name.replaceAll('-', '_').toUpperCase();
const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** @throws SetupError with one sentence that says what was wrong and what to write instead. */
export function readCommand(
  argv: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
): Command {
  const { flags, words } = readFlags(argv);
  const name = words[0] ?? 'start';
  if (words.length > 1) {
    throw new SetupError(`Unexpected "${words[1]}" after "${name}"; try nanophoto-emulator --help.`);
  }
  if (!COMMANDS.includes(name as never)) {
    throw new SetupError(`Unknown command "${name}"; write ${COMMANDS.join(' or ')}, or try --help.`);
  }
  if (flags.help) return { name: 'help', config: readConfig({}, {}), warnings: [] };
  if (flags.version) return { name: 'version', config: readConfig({}, {}), warnings: [] };

  // What follows --seed is a seed, but people also reach for it to name the file of accounts.
  if (typeof flags.seed === 'string' && flags.seed.endsWith('.json')) {
    flags['seed-file'] ??= flags.seed;
    delete flags.seed;
  }
  const config = readConfig(flags, env);
  const warnings = Object.keys(env)
    .filter(
      (variable) => variable.startsWith(PREFIX) && !NAMES.some((known) => variableOf(known) === variable),
    )
    .map((variable) => `${variable} is no setting and has no effect; --help lists them.`);
  return { name: name as Command['name'], config, warnings };
}

type Flags = Record<string, string | boolean | undefined>;

function readFlags(argv: readonly string[]): { flags: Flags; words: string[] } {
  const options = Object.fromEntries(NAMES.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: {
        ...options,
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
      allowPositionals: true,
    });
    return { flags: values as Flags, words: positionals };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const flag = (/(--[\w-]+)/.exec(message) ?? /'(-\w)/.exec(message))?.[1] ?? 'A flag';
    if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
      throw new SetupError(`Unknown flag ${flag}; nanophoto-emulator --help lists the flags.`);
    }
    const name = flag.replace(/^-+/, '') as SettingName;
    const expects = SETTINGS[name]?.expects;
    throw new SetupError(expects ? `${flag} needs a value: ${expects}.` : `${flag} takes no value.`);
  }
}

function readConfig(flags: Flags, env: NodeJS.ProcessEnv): Config {
  const entries = NAMES.map((name) => {
    const { schema, fallback, expects } = SETTINGS[name] as Setting<unknown>;
    const given = givenValue(name, flags, env);
    if (!given) return [camel(name), fallback];
    const parsed = schema.safeParse(given.value);
    if (!parsed.success) {
      const instead = SECRETS.has(name) ? '' : `, not "${given.value}"`;
      throw new SetupError(`${given.source} must be ${expects}${instead}.`);
    }
    return [camel(name), parsed.data];
  });
  return Object.fromEntries(entries) as Config;
}

function givenValue(
  name: SettingName,
  flags: Flags,
  env: NodeJS.ProcessEnv,
): { source: string; value: string } | undefined {
  const flag = flags[name];
  if (typeof flag === 'string') return { source: `--${name}`, value: flag };
  const variable = variableOf(name);
  const value = env[variable];
  // Kubernetes sets …_PORT=tcp://… for a service of our name; an empty variable is how compose files unset one.
  if (value && !(name === 'port' && value.startsWith('tcp://'))) return { source: variable, value };
  if (name === 'port' && env.PORT) return { source: 'PORT', value: env.PORT };
  return undefined;
}

/**
 * Fontconfig, which looks up fonts for images, is told by the environment alone where it finds its own settings. With these it
 * finds none but ours: the same images on every machine, and no complaint on those that have no fonts at all.
 */
export function useFontSettings(file: string, env: NodeJS.ProcessEnv = process.env): void {
  if (!env.FONTCONFIG_FILE && !env.FONTCONFIG_PATH) env.FONTCONFIG_FILE = file;
}

const SECRETS: ReadonlySet<SettingName> = new Set(['admin-token']);

/** The settings in force, as `config` prints them, and the prices that differ from the vendor's. */
export function printConfig(config: Config, priceChanges: Readonly<Record<string, unknown>> = {}): string {
  const prices = Object.entries(priceChanges).map(
    ([family, changes]) => `price of ${family.padEnd(11)} ${JSON.stringify(changes)}`,
  );
  const settings = NAMES.map((name) => {
    const value = (config as Record<string, unknown>)[camel(name)];
    const shown = value === undefined ? '(none)' : onOrValue(value);
    return `${name.padEnd(20)} ${SECRETS.has(name) && value !== undefined ? '(set)' : shown}`;
  });
  return [...settings, ...prices].join('\n');
}

const onOrValue = (value: unknown) =>
  value === true ? 'on' : value === false || value === null ? 'off' : String(value);

export function printHelp(): string {
  const lines = NAMES.map((name) => {
    const { fallback, describes } = SETTINGS[name] as Setting<unknown>;
    const shown = fallback === undefined ? '' : ` (default ${onOrValue(fallback)})`;
    return `  --${name.padEnd(20)} ${describes}${shown}`;
  });
  return `nanophoto-emulator: a self-hosted emulator of the NanoPhoto.AI API

Usage: nanophoto-emulator [start] [flags]   start the emulator
       nanophoto-emulator config [flags]    print the settings in force

Each flag has an environment variable, for example ${variableOf('data-dir')} for --data-dir; a flag wins.
PORT is honoured too.

${lines.join('\n')}
  --${'help'.padEnd(20)} this text
  --${'version'.padEnd(20)} the version`;
}
