import { type ParseArgsConfig, parseArgs } from 'node:util';
import { SetupError } from '../core/errors.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** Parses the arguments of a subcommand with flags of its own. @throws SetupError when a flag or argument is invalid */
export function parseFlags<const T extends Options>(
  command: string,
  argv: readonly string[],
  options: T,
  allowPositionals = false,
) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const [, argument = ''] = /'(?:-\w, )?([\w-]+)/.exec(message) ?? [];
    if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
      if (message.includes('does not take an argument')) throw new SetupError(`${argument} takes no value.`);
      throw new SetupError(`${argument} needs a value; nanophoto-emulator ${command} --help describes it.`);
    }
    const problem = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? `Unknown flag ${argument}` : `Unexpected "${argument}"`;
    throw new SetupError(`${problem}; nanophoto-emulator ${command} --help lists the flags.`);
  }
}

/** Parses a base URL and removes trailing slashes. @throws SetupError when it is not a plain http or https URL */
export function parseBaseUrl(url: string, flag = '--base-url'): string {
  const { username = '', password = '', search = '', hash = '' } = URL.canParse(url) ? new URL(url) : {};
  if (username + password + search + hash !== '') {
    throw new SetupError(`${flag} must be a URL without credentials, query and fragment.`);
  }
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new SetupError(`${flag} must be an http or https URL, not "${url}".`);
  }
  return url.replace(/\/+$/, '');
}
