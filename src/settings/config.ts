import { parseArgs } from 'node:util';
import { SetupError } from '../core/errors.ts';
import { SETTINGS, type Setting } from './settings.ts';

type SettingName = keyof typeof SETTINGS;
type Camel<S extends string> = S extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;
export type Config = {
  [Name in SettingName as Camel<Name>]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

/** What `exec` is told beside the settings. */
export interface ExecOptions {
  /** The program and its arguments. */
  command: readonly [program: string, ...args: string[]];
  /** What the program's own is made of. */
  env: NodeJS.ProcessEnv;
  /** Tells at the end what was spent, and how the client behaved. */
  report: boolean;
  failOnVerdict: boolean;
}

export interface Command {
  name: (typeof COMMANDS)[number] | (typeof SUBCOMMANDS)[number] | 'help' | 'version';
  config: Config;
  exec?: ExecOptions;
  /** What commands with flags of their own are given. */
  rest?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Things worth a warning that are no reason to refuse the start. */
  warnings: string[];
}

/** No emulator is what these start: their flags are their own. */
const SUBCOMMANDS = ['verify', 'drift', 'import'] as const;
const COMMANDS = ['start', 'exec', 'ca', 'healthcheck', 'config'] as const;
/** What `exec` has otherwise: nothing is left behind, nothing is in the way, and nobody waits. */
const EXEC_FLAGS = ['report', 'fail-on-verdict'] as const;
const EXEC_DEFAULTS: Flags = { port: '0', 'log-level': 'warn', clock: 'auto', 'journal-entries': '100000' };
/** Settings that others in the environment of the command may be meant for. */
const IGNORED_BY_EXEC: readonly SettingName[] = ['port', 'data-dir', 'https-port', 'host'];
const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];
const ENV_PREFIX = 'NANOPHOTO_EMULATOR_';
const toEnvVariable = (name: SettingName) => ENV_PREFIX + name.replaceAll('-', '_').toUpperCase();
/** How a flag is called among the options of a program. */
export const toCamelCase = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** @throws SetupError with one sentence that says what was wrong and what to write instead. */
export function readCommand(
  argv: readonly string[] = process.argv.slice(2),
  env: NodeJS.ProcessEnv = process.env,
): Command {
  const subcommand = SUBCOMMANDS.find((name) => name === argv[0]);
  if (subcommand) return { name: subcommand, rest: argv.slice(1), env, config: readConfig({}, {}), warnings: [] };
  const end = argv.indexOf('--');
  const [ownArgs, command] = end === -1 ? [argv, []] : [argv.slice(0, end), argv.slice(end + 1)];
  const { flags, positionals } = readFlags(ownArgs);
  const name = positionals[0] ?? 'start';
  if (name === 'exec' && !flags.help && (positionals.length > 1 || command.length === 0)) {
    const exampleCommand = positionals.length > 1 ? positionals.slice(1).join(' ') : 'python script.py';
    throw new SetupError(`exec needs a command after "--", for example: nanophoto-emulator exec -- ${exampleCommand}.`);
  }
  if (name !== 'exec' && end !== -1) {
    throw new SetupError(`"--" belongs to exec; write nanophoto-emulator exec -- ${command.join(' ')}.`);
  }
  if (positionals.length > 1) {
    throw new SetupError(`Unexpected "${positionals[1]}" after "${name}"; try nanophoto-emulator --help.`);
  }
  if (!COMMANDS.includes(name as never)) {
    throw new SetupError(
      `Unknown command "${name}"; write ${[...COMMANDS, ...SUBCOMMANDS].join(', ')}, or try --help.`,
    );
  }
  if (flags.help) return { name: 'help', config: readConfig({}, {}), warnings: [] };
  if (flags.version) return { name: 'version', config: readConfig({}, {}), warnings: [] };

  // What follows --seed is a seed, but people also reach for it to name the file of accounts.
  if (typeof flags.seed === 'string' && flags.seed.endsWith('.json')) {
    flags['seed-file'] ??= flags.seed;
    delete flags.seed;
  }
  for (const flag of EXEC_FLAGS) {
    if (flags[flag] && name !== 'exec') throw new SetupError(`--${flag} belongs to exec; leave it out.`);
  }
  if (name === 'exec') return readExec(flags, env, command as never);
  const config = readConfig(flags, env);
  const warnings = Object.keys(env)
    .filter(
      (variable) =>
        variable.startsWith(ENV_PREFIX) && !SETTING_NAMES.some((known) => toEnvVariable(known) === variable),
    )
    .map((variable) => `${variable} is no setting and has no effect; --help lists them.`);
  return { name: name as Command['name'], config, warnings };
}

/** `exec` keeps what it does to itself: it listens where it likes and leaves nothing behind. */
function readExec(flags: Flags, env: NodeJS.ProcessEnv, command: ExecOptions['command']): Command {
  if (flags['data-dir'] !== undefined) {
    throw new SetupError('exec keeps everything in memory; leave out --data-dir, or use start.');
  }
  const excluded = new Set(['PORT', ...IGNORED_BY_EXEC.map(toEnvVariable)]);
  const remainingEnv = Object.fromEntries(Object.entries(env).filter(([variable]) => !excluded.has(variable)));
  // Undefined where the environment says it: a flag that is missing gives way to it, a fallback would not.
  const explicitFlags = SETTING_NAMES.filter((name) => rawValue(name, flags, remainingEnv)).map((name) => [
    name,
    flags[name],
  ]);
  const config = readConfig({ ...EXEC_DEFAULTS, ...Object.fromEntries(explicitFlags) }, remainingEnv);
  const { report, 'fail-on-verdict': failOnVerdict } = flags;
  if (config.journalEntries === 0 && (report || failOnVerdict)) {
    throw new SetupError('--report and --fail-on-verdict need the journal; leave out --journal-entries 0.');
  }
  // A copy: what we change in our own environment is not meant for the command.
  const exec = { command, env: { ...env }, report: report === true, failOnVerdict: failOnVerdict === true };
  return { name: 'exec', config, exec, warnings: [] };
}

/** What a program that starts an emulator says, its own environment left alone. @throws SetupError */
export function readProgrammaticOptions(options: object): Config {
  if (typeof options !== 'object' || options === null) throw new SetupError('The options must be an object.');
  const flags: Flags = { port: '0', 'log-level': 'silent' };
  const names = new Map(SETTING_NAMES.map((name) => [toCamelCase(name), name]));
  for (const [option, value] of Object.entries(options)) {
    const name = names.get(option);
    if (!name) throw new SetupError(`There is no option ${option}; there are ${[...names.keys()].join(', ')}.`);
    if (value === undefined) continue;
    const { schema, expects } = SETTINGS[name] as Setting<unknown>;
    // Where something can be off, null says so; "off" may be a host.
    if (value === null && schema.safeParse('off').data !== null) {
      throw new SetupError(`${option} must be ${expects}, not null.`);
    }
    flags[name] = typeof value === 'boolean' ? (value ? 'on' : 'off') : value === null ? 'off' : String(value);
  }
  return readConfig(flags, {}, toCamelCase);
}

type Flags = Record<string, string | boolean | undefined>;

function readFlags(argv: readonly string[]): { flags: Flags; positionals: string[] } {
  const options = Object.fromEntries(SETTING_NAMES.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: {
        ...options,
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
        ...Object.fromEntries(EXEC_FLAGS.map((flag) => [flag, { type: 'boolean' as const }])),
      },
      allowPositionals: true,
    });
    return { flags: values as Flags, positionals };
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

/** `called`: how a setting that was given directly is called. */
function readConfig(
  flags: Flags,
  env: NodeJS.ProcessEnv,
  label: (name: SettingName) => string = (name) => `--${name}`,
): Config {
  const entries = SETTING_NAMES.map((name) => {
    const { schema, fallback, expects } = SETTINGS[name] as Setting<unknown>;
    const raw = rawValue(name, flags, env, label);
    if (!raw) return [toCamelCase(name), fallback];
    const parsed = schema.safeParse(raw.value);
    if (!parsed.success) {
      const actual = SECRET_SETTINGS.has(name) ? '' : `, not "${raw.value}"`;
      throw new SetupError(`${raw.source} must be ${expects}${actual}.`);
    }
    return [toCamelCase(name), parsed.data];
  });
  return Object.fromEntries(entries) as Config;
}

function rawValue(
  name: SettingName,
  flags: Flags,
  env: NodeJS.ProcessEnv,
  label: (name: SettingName) => string = String,
): { source: string; value: string } | undefined {
  const flag = flags[name];
  if (typeof flag === 'string') return { source: label(name), value: flag };
  const variable = toEnvVariable(name);
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
export function setFontconfig(file: string, env: NodeJS.ProcessEnv = process.env): void {
  if (!env.FONTCONFIG_FILE && !env.FONTCONFIG_PATH) env.FONTCONFIG_FILE = file;
}

const SECRET_SETTINGS: ReadonlySet<SettingName> = new Set(['admin-token']);

/** The settings in force, as `config` prints them, and the prices that differ from the vendor's. */
export function printConfig(config: Config, priceOverrides: Readonly<Record<string, unknown>> = {}): string {
  const prices = Object.entries(priceOverrides).map(
    ([family, overrides]) => `price of ${family.padEnd(15)} ${JSON.stringify(overrides)}`,
  );
  const settings = SETTING_NAMES.map((name) => {
    const value = (config as Record<string, unknown>)[toCamelCase(name)];
    const text = value === undefined ? '(none)' : formatValue(value);
    return `${name.padEnd(24)} ${SECRET_SETTINGS.has(name) && value !== undefined ? '(set)' : text}`;
  });
  return [...settings, ...prices].join('\n');
}

const formatValue = (value: unknown) =>
  value === true ? 'on' : value === false || value === null ? 'off' : String(value);

export function printHelp(): string {
  const lines = SETTING_NAMES.map((name) => {
    const { fallback, description } = SETTINGS[name] as Setting<unknown>;
    const defaultText = fallback === undefined ? '' : ` (default ${formatValue(fallback)})`;
    return `  --${name.padEnd(24)} ${description}${defaultText}`;
  });
  return `nanophoto-emulator: a self-hosted emulator of the NanoPhoto.AI API

Usage: nanophoto-emulator [start] [flags]               start the emulator
       nanophoto-emulator exec [flags] -- <command> …   run a command with an emulator of its own
       nanophoto-emulator ca [flags]                    print the certificate that clients have to trust
       nanophoto-emulator healthcheck [flags]           ends with 0 when an emulator is ready at --host and --port, else with 1
       nanophoto-emulator config [flags]                print the settings in force
       nanophoto-emulator verify [flags]                hold any server to the contract; has --help of its own
       nanophoto-emulator drift [flags] <dir>           hold recorded answers against the contract and this emulator; the same
       nanophoto-emulator import [flags] <dir> …        make recorded answers happen again; the same

Each flag has an environment variable, for example ${toEnvVariable('data-dir')} for --data-dir; a flag wins.
PORT is honoured too.

${lines.join('\n')}
exec keeps everything in memory, on a free port, with --clock auto and --log-level warn where nothing else is said, and takes
  --${'report'.padEnd(24)} tells at the end what was spent and how the client behaved
  --${'fail-on-verdict'.padEnd(24)} ends with 1 when the client had no manners

  --${'help'.padEnd(24)} this text
  --${'version'.padEnd(24)} the version`;
}
