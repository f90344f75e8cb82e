import { basename } from 'node:path';
import type { RunningEmulator } from '../client/api.ts';
import type { NewAccount, StartOptions } from '../client/types.ts';
import { startTestEmulator, writeTestArtifacts } from './fixtures.ts';
import { type AccountMatchers, accountMatchers } from './matchers.ts';
import { createTestAccount, setEnvironment, type TestAccount } from './test-account.ts';

export type { AccountMatchers, TestAccount };

declare global {
  namespace jest {
    // biome-ignore lint/complexity/noBannedTypes: the type parameters must be those of @types/jest
    interface Matchers<R, T = {}> extends AccountMatchers<Promise<R>> {}
  }
}

interface CircusState {
  currentlyRunningTest: { errors: unknown[] } | null;
}

type Hook = (work: () => unknown) => void;
declare const beforeAll: Hook | undefined;
declare const beforeEach: Hook;
declare const afterEach: Hook;
declare const afterAll: Hook;
declare const expect: {
  extend(matchers: object): void;
  getState(): { currentTestName?: string; testPath?: string };
};

export interface EmulatorOptions extends StartOptions {
  /** Settings of the account of each test, such as `{ credits: 3 }`. */
  account?: NewAccount;
  /** Directory for the artifacts of failed tests. Needs jest-circus, the default runner of Jest. */
  artifacts?: string;
}

/** Whether the running test has failed so far. Hooks can only find that in the state of jest-circus. */
function isTestFailed(): boolean {
  // biome-ignore lint/style/noRestrictedGlobals: jest-circus has its state in the global object of the test
  const globals = globalThis as Record<symbol, CircusState | undefined>;
  const symbol = Object.getOwnPropertySymbols(globals).find(({ description }) => description === 'JEST_STATE_SYMBOL');
  const errors = symbol && globals[symbol]?.currentlyRunningTest?.errors;
  return errors !== undefined && errors.length > 0;
}

/**
 * Registers hooks that start an emulator for this file, and create an account on an auto clock for each test. Returns
 * that account; it can only be used in tests and in hooks that are registered later. The environment variables of the
 * API's clients lead to it. Also adds the matchers of `AccountMatchers`.
 */
export function useEmulator({ account: settings, artifacts = '', ...options }: EmulatorOptions = {}): TestAccount {
  if (typeof beforeAll !== 'function') {
    throw new Error('nanophoto-emulator/jest needs the globals of Jest: call useEmulator() in a file that Jest runs.');
  }
  // Jest runs the hooks after the tests even if those before them failed; then the variables are undefined.
  let emulator: RunningEmulator | undefined;
  let account: TestAccount | undefined;
  let restoreEnvironment: (() => void) | undefined;
  expect.extend(accountMatchers);
  beforeAll(async () => {
    emulator = await startTestEmulator(options);
  });
  beforeEach(async () => {
    account = await createTestAccount(emulator!, settings);
    restoreEnvironment = setEnvironment(account);
  });
  afterEach(async () => {
    restoreEnvironment?.();
    if (account && isTestFailed()) {
      const { testPath = '', currentTestName = '' } = expect.getState();
      await writeTestArtifacts(account, artifacts, [basename(testPath), currentTestName]);
    }
    account = undefined;
  });
  afterAll(() => emulator?.close());
  return new Proxy({} as TestAccount, {
    get(_, name) {
      if (!account)
        throw new Error(
          'The account of useEmulator() exists only while a test runs; use it in tests and in later hooks.',
        );
      return account[name as keyof TestAccount];
    },
  });
}
