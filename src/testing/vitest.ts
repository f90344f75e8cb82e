import type { TestContext } from 'vitest';
import type { RunningEmulator } from '../client/api.ts';
import type { NewAccount } from '../client/types.ts';
import { type AccountNeeds, provideAccount, provideEmulator, writeTestArtifacts } from './fixtures.ts';
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

  interface ProvidedContext {
    /** Directory for the artifacts of failed tests. */
    nanophotoArtifacts?: string;
  }
}

export interface NanophotoFixtures {
  /** The account of this test. The environment variables of the API's clients lead to it. */
  nanophoto: TestAccount;
  /** Settings of that account: change them with `test.extend({ nanophotoAccount: { credits: 3 } })`. */
  nanophotoAccount: NewAccount;
  /** Directory for the artifacts of failed tests: `provide: { nanophotoArtifacts: 'artifacts' }` in the config. */
  nanophotoArtifacts: string;
  /** The emulator of this worker. */
  nanophotoEmulator: RunningEmulator;
}

async function provideAccountAndArtifacts(
  { nanophotoEmulator, nanophotoAccount, nanophotoArtifacts, task, onTestFailed }: AccountNeeds & TestContext,
  use: (account: TestAccount) => Promise<void>,
): Promise<void> {
  await provideAccount({ nanophotoEmulator, nanophotoAccount }, async (account) => {
    onTestFailed(() => writeTestArtifacts(account, nanophotoArtifacts, getTitles(task)));
    await use(account);
  });
}

/** Returns the file of a test, the titles of its suites, and its own. */
function getTitles(task: TestContext['task']): string[] {
  const titles = [task.name];
  for (let { suite } = task; suite; suite = suite.suite) titles.unshift(suite.name);
  return [task.file.name, ...titles];
}

/** Vitest's `test` with an emulator that each worker starts once, and an account on an auto clock for each test. */
export const test = base.extend<NanophotoFixtures>({
  nanophotoEmulator: [provideEmulator, { scope: 'worker' }],
  nanophotoAccount: {},
  nanophotoArtifacts: ['', { injected: true }],
  nanophoto: [provideAccountAndArtifacts, { auto: true }],
});
export { expect, test as it };
