import type { Entry } from '../../http/journal/entry.ts';
import {
  createFindings,
  findLongestRun,
  groupEntries,
  hadReceived,
  isDelivered,
  type LintFinding,
} from './findings.ts';

/** Image clients poll every 3–5 s. Vendor page Sora 2: "Poll every 5-10 seconds"; the other pages give no interval. */
const RECOMMENDED_POLL_INTERVALS_MS: Record<string, number> = {
  '/api/nano-banana-pro/check-status': 3000,
  '/api/nano-banana-2/check-status': 3000,
};
const DEFAULT_POLL_INTERVAL_MS = 5000;
/** Number of consecutive gaps below half the recommended interval that counts as a finding. */
const MIN_SHORT_GAPS = 3;

const getRecommendedMs = ({ path }: Entry) => RECOMMENDED_POLL_INTERVALS_MS[path] ?? DEFAULT_POLL_INTERVAL_MS;

export function findFrequentPolls(entries: readonly Entry[]): LintFinding[] {
  const pollsByTask = groupEntries(entries, ({ polled }) => polled.map(({ taskId }) => taskId));
  return [...pollsByTask].flatMap(([taskId, polls]) => {
    const run = findLongestRun(
      polls,
      (poll, previous) => isDelivered(previous) && poll.atMs - previous.atMs < getRecommendedMs(poll) / 2,
    );
    if (run.length <= MIN_SHORT_GAPS) return [];
    return createFindings(
      'POLLED_TOO_OFTEN',
      `Task ${taskId} was polled ${run.length} times in a row at less than half the recommended interval ` +
        `of ${getRecommendedMs(run[0]!) / 1000} s.`,
      run,
    );
  });
}

/**
 * A poll is late if the client already knew the end of every task that it names: vendor page "Veo 3.1", whose sample
 * names all shots in each poll until the last one has ended.
 */
export function findPollsAfterEnd(entries: readonly Entry[]): LintFinding[] {
  /** The first delivered response that reported the end of a task. */
  const endOf = new Map<string, Entry>();
  const latePolls: Entry[] = [];
  for (const entry of entries) {
    const isKnown = ({ taskId }: { taskId: string }) => {
      const end = endOf.get(taskId);
      return end !== undefined && hadReceived(entry, end);
    };
    if (entry.polled.length > 0 && entry.polled.every(isKnown)) latePolls.push(entry);
    if (!isDelivered(entry)) continue;
    for (const { taskId, status } of entry.polled) {
      if (status !== 'processing' && !endOf.has(taskId)) endOf.set(taskId, entry);
    }
  }
  const bySubject = groupEntries(latePolls, ({ polled: [first, ...others] }) => [
    others.length === 0 ? `Task ${first!.taskId} was` : `Task ${first!.taskId} and ${others.length} more were`,
  ]);
  return [...bySubject].flatMap(([subject, polls]) =>
    createFindings('POLLED_AFTER_END', `${subject} polled after a response had reported the end.`, polls),
  );
}
