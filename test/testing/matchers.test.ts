import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningEmulator } from '../../src/client/api.ts';
import { startEmulator } from '../../src/index.ts';
import { accountMatchers } from '../../src/testing/matchers.ts';
import { createTestAccount, type TestAccount } from '../../src/testing/test-account.ts';

const { toHaveSpent, toHaveBalance, toBeWellBehaved } = accountMatchers;

let emulator: RunningEmulator;
let account: TestAccount;

beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(() => emulator.close());
beforeEach(async () => {
  account = await createTestAccount(emulator, { credits: 10 });
});

async function post(path: string, body: object) {
  const response = await fetch(account.baseUrl + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${account.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as { taskId: string };
}

/** Submits a video for 4 credits. */
const submit = (prompt = 'A cat') => post('/api/sora-2/generate', { prompt, mode: 'textToVideo' });
const poll = (taskId: string) => post('/api/sora-2/check-status', { taskId });

describe('toHaveSpent', () => {
  it('counts completed and open tasks, but not refunded ones', async () => {
    expect((await toHaveSpent(account, 0)).pass).toBe(true);
    const { taskId } = await submit();
    expect((await toHaveSpent(account, 4)).pass).toBe(true);
    await poll(taskId);
    expect((await toHaveSpent(account, 4)).pass).toBe(true);
    await poll((await submit('@emulator(fail)')).taskId);
    expect((await toHaveSpent(account, 4)).pass).toBe(true);
    expect((await toHaveSpent(account, 8)).pass).toBe(false);
  });

  it('does not count granted or adjusted credits', async () => {
    await account.credit(5);
    await account.credit(-2);
    expect((await toHaveSpent(account, 0)).pass).toBe(true);
  });

  it('explains a failure with the ledger', async () => {
    const { taskId } = await submit();
    const { message } = await toHaveSpent(account, 8);
    expect(message()).toBe(
      [
        'Expected spent credits: 8',
        'Received spent credits: 4',
        'Held for unfinished tasks: 4',
        '',
        'Ledger (amount, balance):',
        '  grant        10       10  initial credits',
        `  hold         -4        6  ${taskId}`,
      ].join('\n'),
    );
  });

  it('explains a failed negation', async () => {
    expect((await toHaveSpent(account, 0)).message()).toContain('Expected spent credits: not 0');
  });
});

describe('toHaveBalance', () => {
  it('compares the credits that are left', async () => {
    await submit();
    expect((await toHaveBalance(account, 6)).pass).toBe(true);
    const { pass, message } = await toHaveBalance(account, 10);
    expect(pass).toBe(false);
    expect(message()).toMatch(/^Expected balance: 10\nReceived balance: 6\n/);
  });
});

describe('toBeWellBehaved', () => {
  it('passes without findings', async () => {
    await poll((await submit()).taskId);
    const { pass, message } = await toBeWellBehaved(account);
    expect(pass).toBe(true);
    expect(message()).toBe('Expected the verdict to have findings, but it has none.');
  });

  it('lists the findings', async () => {
    const { taskId } = await submit();
    await poll(taskId);
    await poll(taskId);
    const { pass, message } = await toBeWellBehaved(account);
    expect(pass).toBe(false);
    expect(message()).toMatch(/^Expected a verdict without findings, but it has:\n {2}POLLED_AFTER_END: /);
  });
});

describe('every matcher', () => {
  it.each(Object.entries(accountMatchers))('%s rejects what is not an account', async (name, matcher) => {
    for (const received of [undefined, null, 4, {}]) {
      await expect(matcher(received, 0)).rejects.toThrow(`${name} needs an account`);
    }
  });
});
