import type { Entry } from '../../http/journal/entry.ts';

/** The codes of all findings, in the order in which the verdict lists them. */
export const FINDING_CODES = [
  'POLLED_TOO_OFTEN',
  'POLLED_AFTER_END',
  'IGNORED_RETRY_AFTER',
  'RETRIED_WITHOUT_BACKOFF',
  'DUPLICATE_SUBMIT',
  'PAID_TWICE',
  'NEVER_COLLECTED',
  'FETCHED_AFTER_EXPIRY',
  'UNDOCUMENTED_FIELD',
] as const;
export type FindingCode = (typeof FINDING_CODES)[number];

export interface LintFinding {
  code: FindingCode;
  message: string;
  /** Ids of the journal entries that show it. */
  requests: string[];
}

/** Creates the finding that these entries show; none without entries. */
export const createFindings = (code: FindingCode, message: string, entries: readonly Entry[]): LintFinding[] =>
  entries.length === 0 ? [] : [{ code, message, requests: entries.map(({ seq }) => String(seq)) }];

/** Whether the client had received the response to `earlier` when it sent `later`. */
export const hadReceived = (later: Entry, earlier: Entry): boolean =>
  earlier.deliveredAtSeq !== null && earlier.deliveredAtSeq < later.seq;

/** Whether the connection of `earlier` had ended without a complete response when the client sent `later`. */
export const hadLost = (later: Entry, earlier: Entry): boolean =>
  earlier.lostAtSeq !== null && earlier.lostAtSeq < later.seq;

/** Whether the client could read the result of the request. Otherwise a retry is not a mistake. */
export const isDelivered = (entry: Entry): boolean => entry.deliveredAtSeq !== null && !entry.isReplaced;

/** Groups entries by the keys that each of them has, in order. */
export function groupEntries(
  entries: readonly Entry[],
  toKeys: (entry: Entry) => readonly string[],
): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    for (const key of toKeys(entry)) append(groups, key, entry);
  }
  return groups;
}

export function append<Key>(groups: Map<Key, Entry[]>, key: Key, entry: Entry): void {
  const group = groups.get(key);
  if (group) group.push(entry);
  else groups.set(key, [entry]);
}

/** Returns the longest run of consecutive entries in which each continues the previous one. */
export function findLongestRun(
  entries: readonly Entry[],
  isContinuation: (entry: Entry, previous: Entry) => boolean,
): readonly Entry[] {
  let run: Entry[] = [];
  let longestRun: Entry[] = [];
  for (const entry of entries) {
    const previous = run.at(-1);
    if (previous && isContinuation(entry, previous)) run.push(entry);
    else run = [entry];
    if (run.length > longestRun.length) longestRun = run;
  }
  return longestRun;
}
