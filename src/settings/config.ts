import { SetupError } from '../core/errors.ts';
import { SETTINGS, type Setting } from './settings.ts';

export type SettingName = keyof typeof SETTINGS;
type Camel<S extends string> = S extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;
export type Config = {
  [Name in SettingName as Camel<Name>]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

/** Values of flags by flag name, as the command line has them. */
export type Flags = Record<string, string | boolean | undefined>;

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];
const SECRET_SETTINGS: ReadonlySet<SettingName> = new Set(['admin-token']);
export const ENV_PREFIX = 'NANOPHOTO_EMULATOR_';

export const toEnvVariable = (name: SettingName) => ENV_PREFIX + name.replaceAll('-', '_').toUpperCase();
/** Converts the name of a flag to the name of the option of `startEmulator`. */
export const toCamelCase = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
const toFlag = (name: SettingName) => `--${name}`;

/**
 * Reads every setting: from `flags`, else from `env`, else its default.
 *
 * @param toLabel Names a setting from `flags` in error messages.
 * @throws SetupError when a value is invalid
 */
export function readConfig(flags: Flags, env: NodeJS.ProcessEnv, toLabel = toFlag): Config {
  const entries = SETTING_NAMES.map((name) => {
    const { schema, fallback, expects } = SETTINGS[name] as Setting<unknown>;
    const raw = findRawValue(name, flags, env, toLabel);
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

/** Finds the unparsed value of a setting and the flag or variable that sets it. Undefined: the setting is not set. */
export function findRawValue(
  name: SettingName,
  flags: Flags,
  env: NodeJS.ProcessEnv,
  toLabel = toFlag,
): { source: string; value: string } | undefined {
  const flag = flags[name];
  if (typeof flag === 'string') return { source: toLabel(name), value: flag };
  const variable = toEnvVariable(name);
  const value = env[variable];
  // Kubernetes sets …_PORT=tcp://… for a service with our name, and compose files unset a variable by emptying it.
  if (value && !(name.endsWith('port') && value.startsWith('tcp://'))) return { source: variable, value };
  if (name === 'port' && env.PORT) return { source: 'PORT', value: env.PORT };
  return undefined;
}

/** Options of `startEmulator` that are not settings. */
const OTHER_OPTIONS: readonly string[] = ['state', 'artifacts'];

/**
 * Reads the options of `startEmulator` that are settings. The environment of its process is ignored.
 *
 * @throws SetupError when an option is unknown or has an invalid value
 */
export function readProgrammaticOptions(options: object): Config {
  if (typeof options !== 'object' || options === null) throw new SetupError('The options must be an object.');
  const flags: Flags = { port: '0', 'log-level': 'silent' };
  const names = new Map(SETTING_NAMES.map((name) => [toCamelCase(name), name]));
  for (const [option, value] of Object.entries(options)) {
    const name = names.get(option);
    if (OTHER_OPTIONS.includes(option)) continue;
    if (!name) {
      const known = [...names.keys(), ...OTHER_OPTIONS].join(', ');
      throw new SetupError(`Unknown option ${option}; the options are ${known}.`);
    }
    if (value === undefined) continue;
    const { schema, expects } = SETTINGS[name] as Setting<unknown>;
    // Null stands for "off" only in settings that can be off: "off" is also a valid host name.
    if (value === null && schema.safeParse('off').data !== null) {
      throw new SetupError(`${option} must be ${expects}, not null.`);
    }
    flags[name] = typeof value === 'boolean' ? (value ? 'on' : 'off') : value === null ? 'off' : String(value);
  }
  return readConfig(flags, {}, toCamelCase);
}

/** Formats a value of a setting as a flag has it; a secret as `(set)`. */
export function formatSetting(name: SettingName, value: unknown): string {
  if (value === undefined) return '(none)';
  if (SECRET_SETTINGS.has(name)) return '(set)';
  return value === true ? 'on' : value === false || value === null ? 'off' : String(value);
}

/** The URL at which programs on this machine reach an emulator with these settings. */
export function toLocalUrl({ host, port }: Pick<Config, 'host' | 'port'>): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
