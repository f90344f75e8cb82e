import PQueue from 'p-queue';
import type { Source } from '../http/pipeline/route-docs.ts';
import type { Case } from './case.ts';
import { createBench, type Target } from './case-context.ts';
import { CannotGoOn, Differs, NotChecked } from './case-errors.ts';
import type { Conformity } from './contract-validator.ts';

export interface Outcome {
  id: string;
  name: string;
  mark: Source;
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
const AT_ONCE = 8;

/** What is surely known comes first: a budget or a limit may not last for all. */
const RANK: Record<Source, number> = { D: 0, C: 1, X: 2 };

/**
 * Looks at each case, and tells them in the order in which they were given. `onCase`: told of each one before it begins.
 * @throws never for what a server does
 */
export async function runCases(
  cases: readonly Case[],
  target: Target,
  conformity: Conformity,
  onCase: (id: string) => void = () => {},
): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  let stopped: string | undefined;

  async function look(one: Case): Promise<void> {
    const { id, name, mark } = one;
    const as = (rest: Omit<Outcome, 'id' | 'name' | 'mark'>) =>
      void outcomes.set(id, { id, name, mark, ...rest });
    if (stopped !== undefined) return as({ result: 'not checked', why: stopped });
    onCase(id);
    const bench = createBench(target, conformity, one);
    try {
      await one.check(bench);
      as({ result: 'holds' });
    } catch (error) {
      if (error instanceof Differs) as({ result: 'differs', expected: error.expected, actual: error.actual });
      else if (error instanceof NotChecked) as({ result: 'not checked', why: error.message });
      else if (error instanceof CannotGoOn) {
        stopped = error.message;
        as({ result: 'not checked', why: stopped, isLast: true });
      } else as({ result: 'differs', expected: 'an answer that can be read', actual: String(error) });
    } finally {
      await bench.end().catch(() => {});
    }
  }

  const queue = new PQueue({ concurrency: target.control ? AT_ONCE : 1 });
  const ordered = target.control ? cases : [...cases].sort((one, other) => RANK[one.mark] - RANK[other.mark]);
  await queue.addAll(ordered.map((one) => () => look(one)));
  return cases.map(({ id }) => outcomes.get(id)!);
}
