import { startEmulator } from 'nanophoto-emulator';
import type { RunningEmulator } from '../client/api.ts';
import type { NewAccount } from '../client/types.ts';
import { createTestAccount, setEnvironment, type TestAccount } from './test-account.ts';

// The fixtures of vitest and Playwright, which read the names in the first parameter: those that a fixture needs.

interface AccountNeeds {
  nanophotoEmulator: RunningEmulator;
  nanophotoAccount: NewAccount;
}

/** Provides an emulator. */
// biome-ignore lint/correctness/noEmptyPattern: it needs no other fixture
export async function provideEmulator({}, use: (emulator: RunningEmulator) => Promise<void>): Promise<void> {
  await using emulator = await startEmulator();
  await use(emulator);
}

/** Provides an account for one test, to which the environment variables of the API's clients lead meanwhile. */
export async function provideAccount(
  { nanophotoEmulator, nanophotoAccount }: AccountNeeds,
  use: (account: TestAccount) => Promise<void>,
): Promise<void> {
  const account = await createTestAccount(nanophotoEmulator, nanophotoAccount);
  const restoreEnvironment = setEnvironment(account);
  await use(account);
  restoreEnvironment();
}
