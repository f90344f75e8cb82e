import { createRequire } from 'node:module';
import type { TestInfo } from '@playwright/test';
import type { RunningEmulator } from '../client/api.ts';
import type { NewAccount } from '../client/types.ts';
import { type AccountNeeds, provideAccount, provideEmulator, writeTestArtifacts } from './fixtures.ts';
import { type AccountMatchers, accountMatchers } from './matchers.ts';
import type { TestAccount } from './test-account.ts';

export type { AccountMatchers, TestAccount };

const playwright = loadPlaywright();

function loadPlaywright(): typeof import('@playwright/test') {
  try {
    return createRequire(`${import.meta.dirname}/`)('@playwright/test');
  } catch (error) {
    if ((error as { code?: string }).code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error('nanophoto-emulator/playwright needs @playwright/test: npm install --save-dev @playwright/test');
  }
}

export interface NanophotoFixtures {
  /** The account of this test. The environment variables of the API's clients lead to it. */
  nanophoto: TestAccount;
  /** Settings of that account: change them with `test.use({ nanophotoAccount: { credits: 3 } })`. */
  nanophotoAccount: NewAccount;
  /** Directory for the artifacts of failed tests, such as `use: { nanophotoArtifacts: 'artifacts' }` in the config. */
  nanophotoArtifacts: string;
}

export interface NanophotoWorkerFixtures {
  /** The emulator of this worker. */
  nanophotoEmulator: RunningEmulator;
}

async function provideAccountAndArtifacts(
  { nanophotoEmulator, nanophotoAccount, nanophotoArtifacts }: AccountNeeds,
  use: (account: TestAccount) => Promise<void>,
  testInfo: TestInfo,
): Promise<void> {
  const account = await provideAccount({ nanophotoEmulator, nanophotoAccount }, use);
  if (testInfo.status === testInfo.expectedStatus) return;
  await writeTestArtifacts(account, nanophotoArtifacts, testInfo.titlePath);
}

/** Playwright's `test` with an emulator that each worker starts once, and an account on an auto clock for each test. */
export const test = playwright.test.extend<NanophotoFixtures, NanophotoWorkerFixtures>({
  nanophotoEmulator: [provideEmulator, { scope: 'worker' }],
  nanophotoAccount: [{}, { option: true }],
  nanophotoArtifacts: ['', { option: true }],
  nanophoto: [provideAccountAndArtifacts, { auto: true }],
});

export const expect = playwright.expect.extend(accountMatchers);
