import type { RunningEmulator } from '../client/api.ts';
import type { NewAccount } from '../client/types.ts';
import { provideAccount, provideEmulator } from './fixtures.ts';
import { type AccountMatchers, accountMatchers } from './matchers.ts';
import type { TestAccount } from './test-account.ts';

export type { AccountMatchers, TestAccount };

const { expect, test: base } = await import('vitest').catch(() => {
  throw new Error('nanophoto-emulator/vitest needs vitest 3.2 or later: npm install --save-dev vitest');
});
expect.extend(accountMatchers);

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: the declaration that it extends
  interface Matchers<T = any> extends AccountMatchers<Promise<void>> {}
}

export interface NanophotoFixtures {
  /** The account of this test. The environment variables of the API's clients lead to it. */
  nanophoto: TestAccount;
  /** Settings of that account: change them with `test.extend({ nanophotoAccount: { credits: 3 } })`. */
  nanophotoAccount: NewAccount;
  /** The emulator of this worker. */
  nanophotoEmulator: RunningEmulator;
}

/** Vitest's `test` with an emulator that each worker starts once, and an account on an auto clock for each test. */
export const test = base.extend<NanophotoFixtures>({
  nanophotoEmulator: [provideEmulator, { scope: 'worker' }],
  nanophotoAccount: {},
  nanophoto: [provideAccount, { auto: true }],
});
export { expect, test as it };
