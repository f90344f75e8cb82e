import { parseArgs } from 'node:util';

interface Flag {
  /** Undefined: it takes no value. */
  read?: (text: string) => unknown;
  expects?: string;
  describes: string;
}

/** Reads the flags of a command of this project; what makes no sense is told in one sentence, and ends it with 2. */
export function readFlags<const Flags extends Record<string, Flag>>(
  command: string,
  flags: Flags,
): {
  [Name in keyof Flags]: Flags[Name] extends { read: (text: string) => infer T } ? T | undefined : boolean;
} {
  const refuse = (sentence: string): never => {
    process.stderr.write(`${command}: ${sentence}\n`);
    process.exit(2);
  };
  const entries: [string, Flag][] = Object.entries(flags);
  const options = entries.map(([name, { read }]) => [name, { type: read ? 'string' : 'boolean' }]);
  let values: Record<string, unknown> = {};
  try {
    ({ values } = parseArgs({
      options: { ...Object.fromEntries(options), help: { type: 'boolean', short: 'h' } } as never,
    }));
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const told = /'?(--?[\w-]+)/.exec(message)?.[1];
    const flag = told && flags[told.replace(/^-+/, '')];
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
      const [, word] = /'([^']*)'/.exec(message) ?? [];
      return refuse(`there is nothing to do with "${word}"; flags begin with --, and --help lists them.`);
    }
    if (!flag) return refuse(`unknown flag ${told ?? ''}; --help lists the flags.`);
    return refuse(flag.read ? `${told} needs ${flag.expects}.` : `${told} takes no value.`);
  }
  if (values.help) {
    const lines = entries.map(([name, { describes }]) => `  --${name.padEnd(12)} ${describes}`);
    process.stdout.write(`npm run ${command} -- [flags]\n\n${lines.join('\n')}\n`);
    process.exit(0);
  }
  return Object.fromEntries(
    entries.map(([name, { read, expects }]) => {
      const given = values[name];
      if (!read) return [name, given === true];
      if (given === undefined) return [name, undefined];
      const value = read(given as string);
      return [name, value ?? refuse(`--${name} needs ${expects}, not "${given}".`)];
    }),
  ) as never;
}

/** For `read`: a whole number within these bounds. */
export const wholeNumber = (least: number, most: number) => (text: string) =>
  /^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined;
