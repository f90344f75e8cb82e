import PQueue from 'p-queue';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { Case } from './case.ts';
import { createCaseContext, type Target } from './case-context.ts';
import { Aborted, Mismatch, Skipped } from './case-errors.ts';
import type { ContractValidator } from './contract-validator.ts';

export interface CaseOutcome {
  id: string;
  name: string;
  provenance: Provenance;
  result: 'holds' | 'differs' | 'not checked';
  /** Of one that differs. */
  expected?: string;
  actual?: string;
  /** Of one that was not checked. */
  why?: string;
  /** After this one no other could be looked at. */
  isLast?: true;
}

/** So many accounts are looked at at once where they have nothing to do with each other. */
const MAX_CONCURRENT_CASES = 8;

/** What is surely known comes first: a budget or a limit may not last for all. */
const RANK: Record<Provenance, number> = { documented: 0, observed: 1, assumed: 2 };

/**
 * Looks at each case, and tells them in the order in which they were given. `onCase`: told of each one before it begins.
 * @throws never for what a server does
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
      } else recordOutcome({ result: 'differs', expected: 'an answer that can be read', actual: String(error) });
    } finally {
      await context.end().catch(() => {});
    }
  }

  const queue = new PQueue({ concurrency: target.control ? MAX_CONCURRENT_CASES : 1 });
  const ordered = target.control ? cases : [...cases].sort((a, b) => RANK[a.provenance] - RANK[b.provenance]);
  await queue.addAll(ordered.map((testCase) => () => runCase(testCase)));
  return cases.map(({ id }) => outcomes.get(id)!);
}
