import * as z from 'zod';
import { MAX_MATCHES } from '../../core/faults/fault-rules.ts';
import { Date } from '../../core/globals.ts';
import { LATEST_MS } from '../../core/time/clock.ts';
import { MAX_WINDOW_COUNT } from '../../core/time/rate-limiter.ts';
import {
  apiKey,
  boundedText,
  failureRate,
  integer,
  MAX_CREDITS,
  mode,
  requestLimit,
  shortText,
  speed,
  Timestamp,
  wellFormed,
} from '../../http/account-profile.ts';
import { createInitialRulesSchema, type FamilySchema } from '../fault-rule-schema.ts';
import { createStoredRuleSchema, JournalEntrySchema, Plan, Verdict } from '../response-schemas.ts';

export const FORMAT = 'nanophoto-emulator/account';
/** Incremented when the format changes in a way that earlier emulators cannot read. */
export const VERSION = 1;

const MAX_SEQ = 1_000_000_000_000;
const ID_ERROR = { error: 'expected task_ and 1 to 59 lower-case letters, digits or underscores' };

const sequence = integer(1, MAX_SEQ);
const count = integer(0, MAX_MATCHES);
/** Part of the URLs of results. */
const id = z.string(ID_ERROR).regex(/^task_[a-z0-9_]{1,59}$/, ID_ERROR);
const seed = wellFormed(boundedText(200));
/** A time that the account's clock can reach. */
const ReachableTime = Timestamp.refine((timestamp) => Date.parse(timestamp) <= LATEST_MS, {
  error: 'expected a time before 9999-12-31',
});
/** `z.int` itself checks the safe range. One check fewer for each entry and task makes an import faster. */
const wholeNumber = (min: number) => {
  const error = `expected a whole number from ${min} to ${Number.MAX_SAFE_INTEGER}`;
  const schema = z.int({ error });
  return min === Number.MIN_SAFE_INTEGER ? schema : schema.min(min, { error });
};

const LedgerEntry = z
  .strictObject({
    seq: sequence.meta({ description: 'The position of the entry, from 1.' }),
    kind: z.enum(['grant', 'hold', 'capture', 'refund', 'adjust']),
    amount: wholeNumber(Number.MIN_SAFE_INTEGER),
    balance: wholeNumber(0).meta({ description: 'After this entry.' }),
    task: sequence.exactOptional().meta({ description: 'The `seq` of the task of a hold, capture or refund.' }),
    hold: sequence.exactOptional().meta({ description: 'The `seq` of the hold that a capture or refund resolves.' }),
    reason: shortText.exactOptional(),
    at: Timestamp,
  })
  .meta({ id: 'StoredLedgerEntry' });

const RateLimit = z.strictObject({
  limit: requestLimit,
  count: integer(0, MAX_WINDOW_COUNT)
    .exactOptional()
    .meta({ description: 'Requests in the current hour. Present only together with resetAt.' }),
  resetAt: Timestamp.exactOptional().meta({ description: 'The end of the current hour.' }),
});

/** The parts of an account document. All values are as in the document; nothing is transformed. */
export function createDocumentSchemas(familyName: FamilySchema) {
  const StoredRule = createStoredRuleSchema(familyName).meta({ id: 'StoredRule' });
  const Account = z.strictObject({
    key: apiKey,
    seed,
    clock: z.strictObject({ mode, now: ReachableTime }).meta({ description: 'A `real` clock continues from `now`.' }),
    speed,
    failureRate,
    revoked: z.boolean(),
    createdAt: Timestamp,
    initial: z
      .strictObject({
        credits: integer(0, MAX_CREDITS),
        rateLimit: requestLimit,
        clock: z.strictObject({ mode, now: ReachableTime.exactOptional() }),
        speed,
        failureRate,
        seed,
        faults: createInitialRulesSchema(StoredRule).exactOptional(),
      })
      .meta({ description: 'The state to which a reset returns the account.' }),
  });
  const Task = z
    .discriminatedUnion('status', [
      z.strictObject({
        seq: sequence.meta({ description: 'The number of the task within the account, from 1, without gaps.' }),
        id,
        family: familyName,
        status: z.enum(['processing', 'completed', 'failed']),
        price: integer(0, MAX_CREDITS),
        hold: sequence.exactOptional().meta({ description: 'The `seq` of the ledger entry that holds the price.' }),
        clientRef: wellFormed(z.string())
          .exactOptional()
          .meta({ description: "The client's own id of the task: the id of a shot." }),
        synchronous: z.literal(true).exactOptional().meta({ description: 'The task ends with its request.' }),
        stepIndex: integer(0, 1000),
        predecessor: sequence.exactOptional().meta({ description: 'The `seq` of the task that must end first.' }),
        createdAt: Timestamp,
        startedAt: Timestamp.exactOptional(),
        dueAt: ReachableTime.exactOptional().meta({ description: 'The next transition of a running task.' }),
        finishedAt: Timestamp.exactOptional(),
        simulatedMs: wholeNumber(0).exactOptional(),
        errorCode: shortText.exactOptional(),
        plan: Plan,
        input: z
          .custom<Record<string, unknown>>(
            (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
            {
              error: 'expected the request body',
            },
          )
          .meta({ type: 'object', description: 'The request body, with defaults filled in.' }),
      }),
      z.strictObject({ seq: sequence, id, status: z.literal('evicted') }).meta({
        description: 'A finished task that was evicted from memory.',
      }),
    ])
    .meta({ id: 'StoredTask' });
  const Fault = z.strictObject({ rule: StoredRule, matched: count, fired: count });
  const Document = z
    .strictObject({
      $schema: z.string().exactOptional(),
      format: z.literal(FORMAT),
      version: z.literal(VERSION, { error: ({ input }) => describeLaterVersion(input) }),
      account: Account,
      ledger: z.array(LedgerEntry),
      tasks: z.array(Task),
      faults: z.array(Fault),
      rateLimit: RateLimit,
      requests: z.array(JournalEntrySchema).exactOptional(),
      verdict: Verdict.exactOptional(),
    })
    .meta({ id: 'AccountState', title: 'An account of nanophoto-emulator' });
  /** The document that an import accepts. */
  const ImportedDocument = Document.extend({
    requests: z.array(z.unknown()).exactOptional().meta({ description: 'Ignored.' }),
    verdict: z.unknown().exactOptional().meta({ description: 'Ignored.' }),
  }).meta({ id: 'ImportedAccountState', title: 'An account of nanophoto-emulator' });
  return { Document, ImportedDocument, Account, LedgerEntry, Task, Fault, RateLimit };
}

/** Describes a later version; the message for any other one is the usual one. */
const describeLaterVersion = (version: unknown): string | undefined =>
  typeof version === 'number' && version > VERSION
    ? `expected ${VERSION}; a newer emulator wrote version ${version}`
    : undefined;

export type DocumentSchemas = ReturnType<typeof createDocumentSchemas>;
export type AccountJson = z.output<DocumentSchemas['Account']>;
export type EntryJson = z.output<typeof LedgerEntry>;
export type TaskJson = z.output<DocumentSchemas['Task']>;
export type RateLimitJson = z.output<typeof RateLimit>;
/** The names of the document's members. */
export type MemberName = keyof DocumentSchemas['ImportedDocument']['shape'];

/** An error in a document. */
export class DocumentError extends Error {
  /** Names the part, such as `tasks[17].status`. */
  readonly path: string;
  /** Says what is wrong, without a full stop. */
  readonly reason: string;

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.path = path;
    this.reason = reason;
  }
}
