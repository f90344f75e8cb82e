import { type ParseArgsConfig, parseArgs } from 'node:util';

interface Flag {
  /** Parses the value; undefined for an invalid one. A flag without `read` takes no value. */
  read?: (text: string) => unknown;
  expects?: string;
  describes: string;
}

type FlagValues<Flags> = {
  [Name in keyof Flags]: Flags[Name] extends { read: (text: string) => infer T } ? T | undefined : boolean;
};

/** Reads the flags of a tool of this project. Invalid flags exit with 2 and one sentence. */
export function readFlags<const Flags extends Record<string, Flag>>(command: string, flags: Flags): FlagValues<Flags> {
  const exitWithUsageError = (text: string): never => {
    process.stderr.write(`${command}: ${text}\n`);
    process.exit(2);
  };
  const entries: [string, Flag][] = Object.entries(flags);
  const options: NonNullable<ParseArgsConfig['options']> = { help: { type: 'boolean', short: 'h' } };
  for (const [name, { read }] of entries) options[name] = { type: read ? 'string' : 'boolean' };
  let values: Record<string, unknown> = {};
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const flagName = /'?(--?[\w-]+)/.exec(message)?.[1];
    const flag = flagName && flags[flagName.replace(/^-+/, '')];
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
      const [, argument] = /'([^']*)'/.exec(message) ?? [];
      return exitWithUsageError(`unexpected argument "${argument}"; flags begin with --, and --help lists them.`);
    }
    if (!flag) return exitWithUsageError(`unknown flag ${flagName ?? ''}; --help lists the flags.`);
    return exitWithUsageError(flag.read ? `${flagName} needs ${flag.expects}.` : `${flagName} takes no value.`);
  }
  if (values.help) {
    const lines = entries.map(([name, { describes }]) => `  --${name.padEnd(12)} ${describes}`);
    process.stdout.write(`npm run ${command} -- [flags]\n\n${lines.join('\n')}\n`);
    process.exit(0);
  }
  return Object.fromEntries(
    entries.map(([name, { read, expects }]) => {
      const rawValue = values[name];
      if (!read) return [name, rawValue === true];
      if (rawValue === undefined) return [name, undefined];
      const value = read(rawValue as string);
      return [name, value ?? exitWithUsageError(`--${name} needs ${expects}, not "${rawValue}".`)];
    }),
  ) as FlagValues<Flags>;
}

/** Creates a `read` for whole numbers within these bounds. */
export const integerBetween = (min: number, max: number) => (text: string) =>
  /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
