import { type ParseArgsConfig, parseArgs } from 'node:util';
import { SetupError } from '../core/errors.ts';

type Options = NonNullable<ParseArgsConfig['options']>;

/** The flags of a command that has its own. `takesWords`: words beside them have a meaning. @throws SetupError */
export function readFlags<const T extends Options>(
  command: string,
  argv: readonly string[],
  options: T,
  allowPositionals = false,
) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals });
  } catch (error) {
    const [, flag] = /'([\w-]+)/.exec((error as Error).message) ?? [];
    const isUnknown = (error as { code?: string }).code !== 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE';
    throw new SetupError(
      isUnknown
        ? `${command} knows no ${flag ?? 'such word'}; nanophoto-emulator ${command} --help lists its flags.`
        : `${flag} needs a value.`,
    );
  }
}

/** Without a slash at its end. @throws SetupError */
export function parseBaseUrl(url: string): string {
  const { username = '', password = '', search = '', hash = '' } = URL.canParse(url) ? new URL(url) : {};
  if (username + password + search + hash !== '') {
    throw new SetupError('--base-url must be an address without a user, a query or a fragment.');
  }
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new SetupError(`--base-url must be an http or https address, not "${url}".`);
  }
  return url.replace(/\/+$/, '');
}
