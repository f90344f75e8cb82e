import type { AccountExport } from '../../core/accounts/account-export.ts';
import type { EntryRecord, EvictedRecord, TaskRecord } from '../../core/accounts/account-rows.ts';
import type { Rule } from '../../core/faults/fault-rules.ts';
import type { Clock } from '../../core/time/clock.ts';
import { toTimestamp } from '../schemas.ts';
import {
  type AccountJson,
  type EntryJson,
  FORMAT,
  type RateLimitJson,
  type TaskJson,
  VERSION,
} from './document-schema.ts';

/**
 * Writes an account document piece by piece, with one line per entry, task and rule. Other requests have their turn
 * between two pieces.
 * @param extras Further members: values, or iterables whose elements are formatted one by one
 */
export async function* writeDocument(
  exported: AccountExport,
  clock: Clock,
  extras: Readonly<Record<string, Iterable<object> | object>>,
): AsyncGenerator<string> {
  yield `{\n"format": "${FORMAT}",\n"version": ${VERSION},\n`;
  yield `"account": ${formatAccount(toAccountStateJson(exported))},\n"ledger": [`;
  yield* writePages(exported.readEntries, formatEntry, clock);
  yield '\n],\n"tasks": [';
  yield* writePages(exported.readTasks, formatTask, clock);
  yield '\n],\n"faults": [';
  yield* writePages(readOneByOne(exported.faults), (fault) => JSON.stringify(toStoredFaultJson(fault)), clock);
  yield `\n],\n"rateLimit": ${JSON.stringify(toRateLimitJson(exported))}`;
  for (const [name, value] of Object.entries(extras)) {
    if (Symbol.iterator in value) {
      yield `,\n"${name}": [`;
      yield* writeElements(value as Iterable<object>, clock);
      yield '\n]';
    } else yield `,\n"${name}": ${JSON.stringify(value)}`;
  }
  yield '\n}\n';
}

/** Writes the elements of a list, separated by commas. They are formatted one by one. */
export const writeElements = (elements: Iterable<object>, clock: Clock): AsyncGenerator<string> =>
  writePages(readOneByOne(elements), (element) => JSON.stringify(element), clock);

/** Returns a function that returns the next element as a page. */
function readOneByOne<Element>(elements: Iterable<Element>): () => Element[] {
  const iterator = elements[Symbol.iterator]();
  return () => {
    const { done, value } = iterator.next();
    return done ? [] : [value];
  };
}

/** Writes the rows of all pages, separated by commas. */
async function* writePages<Row>(
  readPage: () => Row[],
  format: (row: Row) => string,
  clock: Clock,
): AsyncGenerator<string> {
  let separator = '';
  for (let page = readPage(); page.length > 0; page = readPage()) {
    yield page.reduce((text, row) => {
      const line = `${text}${separator}\n${format(row)}`;
      separator = ',';
      return line;
    }, '');
    await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
  }
}

function toAccountStateJson({ account, nowMs, profile }: AccountExport): AccountJson {
  const { key, seed, clockMode, speed, failureRate, revoked, createdAtMs } = account;
  const { credits, rateLimit, clock, faults } = profile;
  return {
    ...{ key, seed },
    clock: { mode: clockMode, now: toTimestamp(nowMs) },
    ...{ speed, failureRate, revoked },
    createdAt: toTimestamp(createdAtMs),
    initial: {
      ...{ credits, rateLimit },
      clock: { mode: clock.mode, ...(clock.nowMs !== undefined && { now: toTimestamp(clock.nowMs) }) },
      ...{ speed: profile.speed, failureRate: profile.failureRate, seed: profile.seed },
      ...(faults && { faults: faults.map(toRuleJson) as NonNullable<AccountJson['initial']['faults']> }),
    },
  };
}

/** Indents the account except for its rules: with bodies that are nested deeply, they would become much larger. */
function formatAccount(account: AccountJson): string {
  const { faults = [] } = account.initial;
  const lines = faults.map((rule) => `\n${JSON.stringify(rule)}`);
  const format = (_name: string, value: unknown) => (value === faults ? [] : value);
  return JSON.stringify(account, format, 2).replace(/"faults": \[\]/, () => `"faults": [${lines.join()}\n    ]`);
}

/** Returns an entry as JSON. Undefined fields are omitted; spreading optional ones would take three times as long. */
function formatEntry({ seq, kind, amount, balance, taskSeq, holdSeq, reason, atMs }: EntryRecord): string {
  const entry: WithUndefined<EntryJson> = {
    seq,
    kind,
    amount,
    balance,
    task: taskSeq ?? undefined,
    hold: holdSeq ?? undefined,
    reason: reason ?? undefined,
    at: toTimestamp(atMs),
  };
  return JSON.stringify(entry);
}

type WithUndefined<T> = { [Name in keyof T]: T[Name] | undefined };

/** Returns a task as JSON. Its plan and its input are JSON already. */
function formatTask(task: TaskRecord | EvictedRecord): string {
  const { seq, id } = task;
  if (task.family === null) return JSON.stringify({ seq, id, status: 'evicted' });
  const fields: WithUndefined<
    Omit<Extract<TaskJson, { plan: unknown }>, 'plan' | 'input' | 'family'> & { family: string }
  > = {
    seq,
    id,
    family: task.family,
    status: task.status,
    price: task.price,
    hold: task.holdSeq ?? undefined,
    clientRef: task.clientRef ?? undefined,
    synchronous: task.driver === 'stream' ? true : undefined,
    stepIndex: task.step,
    predecessor: task.predecessorSeq ?? undefined,
    createdAt: toTimestamp(task.createdAtMs),
    startedAt: toTimestampOrUndefined(task.startedAtMs),
    dueAt: toTimestampOrUndefined(task.dueAtMs),
    finishedAt: toTimestampOrUndefined(task.finishedAtMs),
    simulatedMs: task.simulatedMs ?? undefined,
    errorCode: task.errorCode ?? undefined,
  };
  return `${JSON.stringify(fields).slice(0, -1)},"plan":${task.plan},"input":${task.input}}`;
}

const toTimestampOrUndefined = (atMs: number | null): string | undefined =>
  atMs === null ? undefined : toTimestamp(atMs);

const toStoredFaultJson = ({ matched, fired, ...rule }: AccountExport['faults'][number]) => ({
  rule: toRuleJson(rule),
  matched,
  fired,
});

/** A rule with its fields in a fixed order. */
const toRuleJson = ({ match, at, effect, times, after, probability, seed }: Rule) => ({
  ...{ match, at, effect, times, after, probability, seed },
});

function toRateLimitJson({ account, rateWindow: { count, resetAtMs } }: AccountExport): RateLimitJson {
  return { limit: account.rateLimit, ...(resetAtMs !== null && { count, resetAt: toTimestamp(resetAtMs) }) };
}
