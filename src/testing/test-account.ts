import type { AccountControl, RunningEmulator } from '../client/api.ts';
import type { NewAccount } from '../client/types.ts';

/** An account for one test, with all operations of the control plane. */
export interface TestAccount extends AccountControl {
  /** The base URL to use instead of https://nanophoto.ai. */
  readonly baseUrl: string;
  readonly apiKey: string;
}

/** Creates an account for one test. Its clock is `auto` unless `settings` say otherwise. */
export async function createTestAccount(
  emulator: Pick<RunningEmulator, 'url' | 'accounts'>,
  settings: NewAccount = {},
): Promise<TestAccount> {
  const account = await emulator.accounts.create({ clock: 'auto', ...settings });
  return { ...account, baseUrl: emulator.url, apiKey: account.key };
}

/**
 * Sets the environment variables that clients of the API read, and returns a function that restores them. Tests that
 * run at the same time in one process share its environment; they must pass `baseUrl` and `apiKey` instead.
 */
export function setEnvironment({ baseUrl, apiKey }: TestAccount): () => void {
  const variables = { NANOPHOTO_API_BASE_URL: baseUrl, NANOPHOTO_API_KEY: apiKey };
  const previous = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  return () => {
    for (const [name, value] of previous) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
