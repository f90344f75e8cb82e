import type { AccountControl } from '../client/api.ts';
import type { Ledger, Verdict } from '../client/types.ts';

/** Matchers for an account. `R` is what the runner's own asynchronous matchers return. */
export interface AccountMatchers<R> {
  /** Passes if exactly this many credits were deducted for tasks, including open ones, and not refunded. */
  toHaveSpent(credits: number): R;
  /** Passes if the account has exactly this many credits left. */
  toHaveBalance(credits: number): R;
  /** Passes if the verdict has no findings: the client polls at a reasonable rate, respects Retry-After and so on. */
  toBeWellBehaved(): R;
}

export interface MatcherResult {
  pass: boolean;
  message: () => string;
}

/** The matchers in the form that `expect.extend` of vitest, jest and Playwright accepts. */
export const accountMatchers = {
  async toHaveSpent(received: unknown, credits: number): Promise<MatcherResult> {
    const ledger = await toAccount(received, 'toHaveSpent').ledger();
    return compareCredits('spent credits', credits, sumSpent(ledger), ledger);
  },
  async toHaveBalance(received: unknown, credits: number): Promise<MatcherResult> {
    const ledger = await toAccount(received, 'toHaveBalance').ledger();
    return compareCredits('balance', credits, ledger.balance, ledger);
  },
  async toBeWellBehaved(received: unknown): Promise<MatcherResult> {
    const { ok, findings } = await toAccount(received, 'toBeWellBehaved').verdict();
    return { pass: ok, message: () => describeVerdict(findings) };
  },
};

function toAccount(received: unknown, matcher: string): AccountControl {
  const account = received as AccountControl | undefined;
  if (typeof account?.ledger !== 'function')
    throw new TypeError(`${matcher} needs an account: await expect(account).${matcher}(…)`);
  return account;
}

const sumSpent = ({ entries }: Ledger) =>
  entries.reduce((sum, { kind, amount }) => (kind === 'hold' || kind === 'refund' ? sum - amount : sum), 0);

function compareCredits(name: string, expected: number, actual: number, { held, entries }: Ledger): MatcherResult {
  const pass = actual === expected;
  return {
    pass,
    message: () => {
      const lines = entries.map(({ kind, amount, balance, taskId, reason }) => {
        const subject = [taskId, reason].filter((text) => text !== null).join(': ');
        return `  ${kind.padEnd(8)}${String(amount).padStart(7)}${String(balance).padStart(9)}  ${subject}`.trimEnd();
      });
      return [
        `Expected ${name}: ${pass ? 'not ' : ''}${expected}`,
        `Received ${name}: ${actual}`,
        ...(held > 0 ? [`Held for unfinished tasks: ${held}`] : []),
        '',
        'Ledger (amount, balance):',
        ...lines,
      ].join('\n');
    },
  };
}

function describeVerdict(findings: Verdict['findings']): string {
  if (findings.length === 0) return 'Expected the verdict to have findings, but it has none.';
  const lines = findings.map(({ code, message }) => `  ${code}: ${message}`);
  return ['Expected a verdict without findings, but it has:', ...lines].join('\n');
}
