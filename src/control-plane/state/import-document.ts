import type * as z from 'zod';
import type { CommitOptions, ImportedAccount } from '../../core/accounts/account-import.ts';
import type { EntryRecord, TaskRecord } from '../../core/accounts/account-rows.ts';
import type { Account, AccountOrigin, AccountProfile } from '../../core/accounts/accounts.ts';
import type { Core } from '../../core/core.ts';
import type { Rule } from '../../core/faults/fault-rules.ts';
import { Date } from '../../core/globals.ts';
import { InvalidRow } from '../../core/storage/bulk-insert.ts';
import { isCurrent, WINDOW_MS } from '../../core/time/rate-limiter.ts';
import type { Family } from '../../http/family.ts';
import { formatPath, formatUnknownField } from '../../http/issue-messages.ts';
import { parseUntrusted } from '../../http/parse-untrusted.ts';
import { AdminError } from '../error-codes.ts';
import { compileCheck } from './compile-check.ts';
import type { DocumentHandler } from './document-reader.ts';
import {
  type AccountJson,
  DocumentError,
  type EntryJson,
  type MemberName,
  type RateLimitJson,
  type TaskJson,
} from './document-schema.ts';
import { getFamilySchemas } from './family-schemas.ts';

/** Members whose elements are handled one by one. */
const LISTS: readonly string[] = ['ledger', 'tasks', 'faults', 'requests'] satisfies MemberName[];
/** Members that may be absent. */
const OPTIONAL: readonly string[] = ['$schema', 'requests', 'verdict'] satisfies MemberName[];

/** Names in the document of fields of rows. */
const FIELD_NAMES: Readonly<Record<string, string>> = {
  holdSeq: 'hold',
  taskSeq: 'task',
  predecessorSeq: 'predecessor',
  startedAtMs: 'startedAt',
  dueAtMs: 'dueAt',
  createdAtMs: 'createdAt',
  finishedAtMs: 'finishedAt',
};

/** Counts the rules of an account before they are validated: validating millions of invalid ones would take minutes. */
function countInitialRules(account: unknown): number {
  const { faults } = (account as Partial<AccountJson> | null)?.initial ?? {};
  return Array.isArray(faults) ? faults.length : 0;
}

/** The form of a generated id; the group is the number of the task. */
const GENERATED_ID = /^task_[0-9a-f]{6}([0-9a-f]{7})[0-9a-f]{11}$/;

interface ImportTarget extends CommitOptions {
  /** Replaces the key of the document. */
  key?: string | undefined;
  origin: AccountOrigin;
}

export type DocumentImport = ReturnType<ReturnType<typeof createDocumentImports>>;

/** Creates the function that begins the import of a document; its caller must call `commit` or `discard`. */
export function createDocumentImports(core: Core, families: readonly Family[], faultLimit: number) {
  const { document, NewRule } = getFamilySchemas(families);
  const { ImportedDocument, Account, LedgerEntry, Task, Fault, RateLimit } = document;
  const [parseEntry, parseTask] = [createParser(LedgerEntry), createParser(Task)];
  const members = Object.keys(ImportedDocument.shape);
  const required = Object.entries<z.ZodType>(ImportedDocument.shape)
    .filter(([, schema]) => !schema.safeParse(undefined).success)
    .map(([name]) => name)
    .filter((name) => !OPTIONAL.includes(name));

  return () => {
    const staged = core.imports.begin();
    const seen = new Set<string>();
    let account: AccountJson | undefined;
    let rateLimit: RateLimitJson | undefined;
    let faultCount = 0;
    let lastEntryMs = Number.NEGATIVE_INFINITY;
    let lastTaskMs = Number.NEGATIVE_INFINITY;
    /** The earliest and the latest time of an event, and the earliest of a transition. */
    let earliestPast = { path: '', atMs: Number.POSITIVE_INFINITY };
    let latestPast = { path: '', atMs: Number.NEGATIVE_INFINITY };
    let earliestDue = { path: '', atMs: Number.POSITIVE_INFINITY };

    function addPast(path: string, atMs: number | null): void {
      if (atMs !== null && atMs > latestPast.atMs) latestPast = { path, atMs };
      if (atMs !== null && atMs < earliestPast.atMs) earliestPast = { path, atMs };
    }

    function addEntry(entry: EntryRecord, path: string, index: number): void {
      if (entry.atMs < lastEntryMs) {
        throw new DocumentError(`${path}.at`, `expected a time that is not before ledger[${index - 1}].at`);
      }
      lastEntryMs = entry.atMs;
      staged.addEntry(entry, index);
      addPast(`${path}.at`, entry.atMs);
    }

    function addTask(task: TaskJson, path: string, index: number): void {
      const contradiction = findContradiction(task);
      if (contradiction) throw new DocumentError(`${path}.${contradiction[0]}`, contradiction[1]);
      if (task.status === 'evicted') {
        staged.addEvicted({ seq: task.seq, id: task.id, family: null }, index);
        return;
      }
      const record = toTaskRecord(task);
      const { createdAtMs, startedAtMs, dueAtMs, finishedAtMs } = record;
      assertOrdered(record, path);
      if (createdAtMs < lastTaskMs) {
        throw new DocumentError(`${path}.createdAt`, 'expected a time that is not before that of an earlier task');
      }
      lastTaskMs = createdAtMs;
      staged.addTask(record, task.plan, index);
      addPast(`${path}.createdAt`, createdAtMs);
      addPast(`${path}.startedAt`, startedAtMs);
      addPast(`${path}.finishedAt`, finishedAtMs);
      if (dueAtMs !== null && dueAtMs < earliestDue.atMs) earliestDue = { path: `${path}.dueAt`, atMs: dueAtMs };
    }

    const handler: DocumentHandler = {
      beginMember(name) {
        if (!members.includes(name)) {
          throw new DocumentError('document', formatUnknownField(name, members));
        }
        if (seen.has(name)) throw new DocumentError(name, 'expected only once');
        if (name === 'tasks' && !seen.has('ledger')) throw new DocumentError(name, 'expected after ledger');
        seen.add(name);
        return LISTS.includes(name);
      },
      handleValue(name, value) {
        if (name === 'account') {
          if (countInitialRules(value) > faultLimit) throw new AdminError('TOO_MANY_FAULTS', faultLimit);
          account = parse(Account, value, name);
          const { faults = [] } = account.initial;
          for (const [index, rule] of faults.entries()) parse(NewRule, rule, `account.initial.faults[${index}]`);
        } else if (name === 'rateLimit') {
          rateLimit = parse(RateLimit, value, name);
          const { count, resetAt } = rateLimit;
          if (count === undefined && resetAt !== undefined) throw new DocumentError(`${name}.count`, 'it is missing');
          if (resetAt === undefined && count !== undefined) throw new DocumentError(`${name}.resetAt`, 'it is missing');
        } else parse(ImportedDocument.shape[name as MemberName], value, name);
      },
      handleElement(name, index, element) {
        const path = `${name}[${index}]`;
        if (name === 'ledger') {
          addEntry(toEntryRecord(parseEntry(element, path)), path, index);
        } else if (name === 'tasks') addTask(parseTask(element, path), path, index);
        else if (name === 'faults') {
          const { rule, matched, fired } = parse(Fault, element, path);
          parse(NewRule, rule, `${path}.rule`);
          const { after = 0, times = Number.POSITIVE_INFINITY } = rule;
          if (fired > Math.max(0, matched - after)) {
            throw new DocumentError(`${path}.fired`, 'expected at most the value of matched, less that of rule.after');
          }
          if (fired > times) throw new DocumentError(`${path}.fired`, 'expected at most the value of rule.times');
          faultCount += 1;
          if (faultCount > faultLimit) throw new AdminError('TOO_MANY_FAULTS', faultLimit);
          staged.addFault(rule as Rule, matched, fired);
        }
      },
    };

    return {
      handler,
      /** Runs `work`, which passes about `bytes` of the document to the handler. */
      write: (bytes: number, work: () => void): void => withPaths(() => staged.write(2 * bytes, work)),
      discard: (): void => staged.discard(),
      /** The key in the document; undefined before it has been read. */
      get key(): string | undefined {
        return account?.key;
      },
      /** Memory held at present. */
      get heldBytes(): number {
        return staged.heldBytes;
      },
      /**
       * Creates the account when the document is complete.
       * @throws DocumentError when a part is missing or contradicts another one
       * @throws ACCOUNT_EXISTS when the key is in use, without `replace`
       */
      commit({ key, origin, ...options }: ImportTarget): Account {
        withPaths(staged.flush);
        const missing = required.find((name) => !seen.has(name));
        if (missing !== undefined) throw new DocumentError(missing, 'it is missing');
        const unusedHold = staged.findUnusedHold();
        if (unusedHold !== undefined) throw new DocumentError(`ledger[${unusedHold - 1}]`, 'the hold has no task');
        const imported = toImportedAccount(account!, rateLimit!, origin);
        addPast('account.createdAt', imported.createdAtMs);
        // Otherwise a later start would conclude that the system clock was set back.
        if (latestPast.atMs > imported.nowMs) {
          throw new DocumentError(latestPast.path, 'expected a time up to account.clock.now');
        }
        if (earliestPast.atMs < imported.createdAtMs) {
          throw new DocumentError(earliestPast.path, 'expected a time that is not before account.createdAt');
        }
        const { window, nowMs } = imported;
        if (window && !isCurrent(window, nowMs)) {
          throw new DocumentError('rateLimit.resetAt', 'expected a time in the hour after account.clock.now');
        }
        // Otherwise a later ledger entry would precede an earlier one in time.
        if (earliestDue.atMs < latestPast.atMs) {
          throw new DocumentError(earliestDue.path, `expected a time that is not before ${latestPast.path}`);
        }
        return staged.commit({ ...imported, ...(key !== undefined && { key }) }, options);
      },
    };
  };
}

/** Passes a document that is already parsed to the handler. @throws DocumentError */
export function handleDocument(handler: DocumentHandler, document: unknown): void {
  if (typeof document !== 'object' || document === null) throw new DocumentError('document', 'expected an object');
  for (const [name, value] of Object.entries(document)) {
    if (!handler.beginMember(name)) handler.handleValue(name, value);
    else if (!Array.isArray(value)) throw new DocumentError(name, 'expected a list');
    else for (const [index, element] of value.entries()) handler.handleElement(name, index, element);
  }
}

type UnevictedTask = Exclude<TaskJson, { status: 'evicted' }>;

/** Finds a field that contradicts another one of the task, and says what is expected. */
function findContradiction(task: TaskJson): [field: string, expected: string] | undefined {
  const [, seqInId] = GENERATED_ID.exec(task.id) ?? [];
  if (seqInId !== undefined && Number.parseInt(seqInId, 16) !== task.seq % 0x1000_0000) {
    // A later task of the account could get this id.
    return ['id', 'expected the number of the task as the 7th to 13th hexadecimal digits'];
  }
  if (task.status === 'evicted') return undefined;
  const { status, stepIndex, plan, finishedAt, simulatedMs, errorCode, dueAt } = task;
  const unordered = plan.steps.findIndex(({ atMs }, index) => atMs < (plan.steps[index - 1]?.atMs ?? 0));
  if (unordered >= 0) return [`plan.steps[${unordered}].atMs`, 'expected ascending times'];
  if ((plan.steps.at(-1)?.atMs ?? 0) > plan.endMs) return ['plan.endMs', 'expected a time after the last step'];
  if (stepIndex >= plan.steps.length) return ['stepIndex', 'expected the index of a step of the plan'];
  const hasEnded = status !== 'processing';
  const whenEnded = hasEnded ? `required with the status ${status}` : 'not allowed before the task has ended';
  if ((finishedAt !== undefined) !== hasEnded) return ['finishedAt', whenEnded];
  if ((simulatedMs !== undefined) !== hasEnded) return ['simulatedMs', whenEnded];
  if (hasEnded && dueAt !== undefined) return ['dueAt', 'not allowed after the task has ended'];
  if ((errorCode !== undefined) !== (status === 'failed'))
    return ['errorCode', status === 'failed' ? whenEnded : 'only allowed with the status failed'];
  return undefined;
}

/** Parses a part of a document. @throws DocumentError */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, path: string): z.output<Schema> {
  const parsed = parseUntrusted(schema, value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new DocumentError(formatPath([path, ...issue.path]), issue.message);
}

/** Creates a parser for the elements of a long list. It throws a DocumentError. */
function createParser<Schema extends z.ZodType>(schema: Schema) {
  const isValid = compileCheck(schema);
  return (value: unknown, path: string): z.output<Schema> => (isValid(value) ? value : parse(schema, value, path));
}

/** Adds the path to errors about rows. @throws DocumentError */
function withPaths(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof InvalidRow)) throw error;
    const { table, index, field, message } = error;
    const suffix = field === undefined ? '' : `.${FIELD_NAMES[field] ?? field}`;
    throw new DocumentError(`${table === 'ledger_entries' ? 'ledger' : 'tasks'}[${index}]${suffix}`, message);
  }
}

/** @throws DocumentError when a task starts before it was created, or ends before it started */
function assertOrdered({ createdAtMs, startedAtMs, finishedAtMs }: TaskRecord, path: string): void {
  const createError = (field: string, earlier: string) =>
    new DocumentError(`${path}.${field}`, `expected a time that is not before ${earlier}`);
  if (startedAtMs !== null && startedAtMs < createdAtMs) throw createError('startedAt', 'createdAt');
  if (finishedAtMs !== null && finishedAtMs < (startedAtMs ?? createdAtMs)) {
    throw createError('finishedAt', startedAtMs === null ? 'createdAt' : 'startedAt');
  }
}

const toMs = (timestamp: string): number => Date.parse(timestamp);
const toMsOrNull = (timestamp: string | undefined): number | null =>
  timestamp === undefined ? null : Date.parse(timestamp);

function toEntryRecord({ seq, kind, amount, balance, task, hold, reason, at }: EntryJson): EntryRecord {
  return {
    seq,
    kind,
    amount,
    balance,
    taskSeq: task ?? null,
    holdSeq: hold ?? null,
    reason: reason ?? null,
    atMs: toMs(at),
  };
}

function toTaskRecord(task: UnevictedTask): TaskRecord {
  return {
    seq: task.seq,
    id: task.id,
    family: task.family,
    status: task.status,
    price: task.price,
    driver: task.synchronous ? 'stream' : 'worker',
    holdSeq: task.hold ?? null,
    clientRef: task.clientRef ?? null,
    input: JSON.stringify(task.input),
    plan: JSON.stringify(task.plan),
    step: task.stepIndex,
    predecessorSeq: task.predecessor ?? null,
    createdAtMs: toMs(task.createdAt),
    startedAtMs: toMsOrNull(task.startedAt),
    dueAtMs: toMsOrNull(task.dueAt),
    finishedAtMs: toMsOrNull(task.finishedAt),
    simulatedMs: task.simulatedMs ?? null,
    errorCode: task.errorCode ?? null,
  };
}

function toImportedAccount(account: AccountJson, rateLimit: RateLimitJson, origin: AccountOrigin): ImportedAccount {
  const { key, seed, speed, failureRate, revoked, clock, initial } = account;
  const { count, resetAt } = rateLimit;
  const { faults, clock: initialClock, ...profile } = initial;
  return {
    ...{ key, seed, speed, failureRate, revoked, origin },
    rateLimit: rateLimit.limit,
    clockMode: clock.mode,
    nowMs: toMs(clock.now),
    createdAtMs: toMs(account.createdAt),
    profile: {
      ...profile,
      clock: {
        mode: initialClock.mode,
        ...(initialClock.now !== undefined && { nowMs: toMs(initialClock.now) }),
      },
      ...(faults && { faults: faults as AccountProfile['faults'] & object }),
    },
    window:
      resetAt === undefined || count === undefined ? undefined : { startedAtMs: toMs(resetAt) - WINDOW_MS, count },
  };
}
