import { resolve } from 'node:path';
import { startEmulator } from 'nanophoto-emulator';
import type { RunningEmulator } from '../client/api.ts';
import { writeArtifacts } from '../client/artifacts.ts';
import type { NewAccount, StartOptions } from '../client/types.ts';
import { createTestAccount, setEnvironment, type TestAccount } from './test-account.ts';

// The fixtures of vitest and Playwright, which read the names in the first parameter: those that a fixture needs.

export interface AccountNeeds {
  nanophotoEmulator: RunningEmulator;
  nanophotoAccount: NewAccount;
  nanophotoArtifacts: string;
}

declare const document: unknown;

/**
 * Starts an emulator for tests. happy-dom and jsdom send requests like web pages: without CORS, the code under test
 * would get no responses.
 */
export const startTestEmulator = (options: StartOptions = {}): Promise<RunningEmulator> =>
  startEmulator({ ...options, cors: options.cors ?? typeof document !== 'undefined' });

/** Provides an emulator. */
// biome-ignore lint/correctness/noEmptyPattern: it needs no other fixture
export async function provideEmulator({}, use: (emulator: RunningEmulator) => Promise<void>): Promise<void> {
  // Not `await using`: contexts of `vm`, such as vitest's pool vmThreads, support it only since Node.js 24.
  const emulator = await startTestEmulator();
  try {
    await use(emulator);
  } finally {
    await emulator.close();
  }
}

/** Provides an account for one test, to which the environment variables of the API's clients lead meanwhile. */
export async function provideAccount(
  { nanophotoEmulator, nanophotoAccount }: Omit<AccountNeeds, 'nanophotoArtifacts'>,
  use: (account: TestAccount) => Promise<void>,
): Promise<TestAccount> {
  const account = await createTestAccount(nanophotoEmulator, nanophotoAccount);
  const restoreEnvironment = setEnvironment(account);
  await use(account);
  restoreEnvironment();
  return account;
}

/** Writes the artifacts of a failed test to a directory of its own in `dir`. Without `dir`, there are none. */
export async function writeTestArtifacts(account: TestAccount, dir: string, titles: readonly string[]): Promise<void> {
  if (dir !== '') await writeArtifacts(account, resolve(dir), [...titles, account.key].join(' '));
}
