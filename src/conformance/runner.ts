import PQueue from 'p-queue';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import { type Case, createCaseContext, type Target } from './case-context.ts';
import { Aborted, Mismatch, Skipped, truncate } from './case-errors.ts';
import type { ContractValidator } from './contract-validator.ts';

export interface CaseOutcome {
  id: string;
  name: string;
  provenance: Provenance;
  result: 'holds' | 'differs' | 'not checked';
  /** Only if the result is `differs`. */
  expected?: string;
  actual?: string;
  /** The reason; only if the result is `not checked`. */
  why?: string;
  /** Set if this case ended the run: no later case was checked. */
  isLast?: true;
}

/** With a control plane, cases have separate accounts and run concurrently. */
const MAX_CONCURRENT_CASES = 8;

/** The best-known promises are checked first, as the budget or the rate limit may not suffice for all. */
const RANK: Record<Provenance, number> = { documented: 0, observed: 1, assumed: 2 };

/**
 * Checks every case. Resolves with the outcomes in the order of the cases, whatever the server does.
 *
 * @param onCase Called with the id of each case before its check.
 */
export async function runCases(
  cases: readonly Case[],
  target: Target,
  validator: ContractValidator,
  onCase: (id: string) => void = () => {},
): Promise<CaseOutcome[]> {
  const outcomes = new Map<string, CaseOutcome>();
  let abortReason: string | undefined;

  async function runCase(testCase: Case): Promise<void> {
    const { id, name, provenance } = testCase;
    const recordOutcome = (rest: Omit<CaseOutcome, 'id' | 'name' | 'provenance'>) =>
      void outcomes.set(id, { id, name, provenance, ...rest });
    if (abortReason !== undefined) return recordOutcome({ result: 'not checked', why: abortReason });
    onCase(id);
    const context = createCaseContext(target, validator, testCase);
    try {
      await testCase.check(context);
      recordOutcome({ result: 'holds' });
    } catch (error) {
      if (error instanceof Mismatch)
        recordOutcome({ result: 'differs', expected: error.expected, actual: error.actual });
      else if (error instanceof Skipped) recordOutcome({ result: 'not checked', why: error.message });
      else if (error instanceof Aborted) {
        abortReason = error.message;
        recordOutcome({ result: 'not checked', why: abortReason, isLast: true });
      } else
        recordOutcome({
          result: 'differs',
          expected: 'a response that can be parsed',
          actual: truncate(String(error)),
        });
    } finally {
      await context.end().catch(() => {});
    }
  }

  const queue = new PQueue({ concurrency: target.control ? MAX_CONCURRENT_CASES : 1 });
  const ordered = target.control ? cases : [...cases].sort((a, b) => RANK[a.provenance] - RANK[b.provenance]);
  await queue.addAll(ordered.map((testCase) => () => runCase(testCase)));
  return cases.map(({ id }) => outcomes.get(id)!);
}
