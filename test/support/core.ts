import type { AccountProfile } from '../../src/core/accounts/accounts.ts';
import { type Core, openCore } from '../../src/core/core.ts';
import type { FaultContext } from '../../src/core/faults/fault-rules.ts';
import type { Order } from '../../src/core/tasks/task.ts';
import { MIGRATIONS_DIR } from '../../src/paths.ts';
import { createTestClock, type TestClock } from './test-clock.ts';

export interface TestCore extends Core {
  clock: TestClock;
}

/** Opens a core on a test clock, in memory without `dataDir`. */
export function createTestCore(
  clock = createTestClock(),
  dataDir?: string,
  { autoAccountLimit = 10_000, snapshotLimit = 100, memoryBudgetMb = 128 } = {},
): TestCore {
  const limits = { autoAccountLimit, snapshotLimit, memoryBudgetMb };
  return openCore({ dataDir, migrationsDir: MIGRATIONS_DIR, clock, ...limits }) as TestCore;
}

export const buildProfile = (overrides: Partial<AccountProfile> = {}): AccountProfile => ({
  credits: 1000,
  rateLimit: 100,
  clock: { mode: 'real' },
  speed: 1,
  failureRate: 0,
  seed: 'test',
  ...overrides,
});

/** An order for a task that takes exactly `seconds` simulated seconds. */
export const buildOrder = (overrides: Partial<Order> & { seconds?: number } = {}): Order => {
  const { seconds = 100, ...rest } = overrides;
  return {
    family: 'sora-2',
    price: 4,
    input: { prompt: 'a' },
    template: { typicalSeconds: [seconds, seconds], steps: [{ name: 'generating', share: 1 }] },
    ...rest,
  };
};

/** A request of an account, as fault rules see it. */
export const buildFaultContext = (accountId: number, overrides: Partial<FaultContext> = {}): FaultContext => ({
  accountId,
  family: 'sora-2',
  endpoint: '/api/sora-2/generate',
  text: () => '',
  identify: () => ({ requestId: 'r', atMs: 0 }),
  ...overrides,
});

/** Returns the changes of accounts that are reported from now on, with the key of the account. */
export function recordChanges(core: TestCore): string[] {
  const changes: string[] = [];
  core.events.listen((event, key) => {
    if (event.type === 'account') changes.push(`${key} ${event.change}`);
  });
  return changes;
}
