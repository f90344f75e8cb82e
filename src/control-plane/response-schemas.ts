import * as z from 'zod';
import { STAGES } from '../core/faults/fault-rules.ts';
import { mode, shortText, Timestamp } from '../http/account-profile.ts';
import { REFUSAL_REASONS } from '../http/journal/unauthorized-log.ts';
import { Effect } from './fault-rule-schema.ts';

// Response bodies of the operations, for the OpenAPI document; those with an id are its components. client/types.ts
// declares the same types without zod, and test/control-plane/response-types.test.ts keeps them equal.

const text = z.string();
const count = z.int().min(0);
const credits = z.int();
const status = z.enum(['processing', 'completed', 'failed']);

/** A page of a list. */
export const createListSchema = (name: string, item: z.ZodType) =>
  z.strictObject({ [name]: z.array(item), ...NEXT_CURSOR });
const NEXT_CURSOR = {
  next: text.nullable().meta({ description: '`after` of the next page; null on the last page.' }),
};

export const ErrorResponse = z.strictObject({ error: text, code: text }).meta({
  id: 'Error',
  description: 'A message for people and a code for programs.',
});

export const AccountSchema = z
  .strictObject({
    key: text,
    credits: count.meta({ description: 'Credits available to spend.' }),
    rateLimit: z.strictObject({
      limit: count.nullable().meta({ description: 'Requests per hour; null for no limit.' }),
      remaining: count.nullable(),
      resetAt: Timestamp.nullable(),
    }),
    clock: z.strictObject({ mode, now: Timestamp }),
    speed: z.number(),
    failureRate: z.number().meta({ description: 'Share of tasks that fail without a fault.' }),
    seed: text,
    createdAt: Timestamp,
    revoked: z.boolean(),
  })
  .meta({ id: 'Account' });
export const Accounts = createListSchema('accounts', AccountSchema);

export const LedgerEntrySchema = z
  .strictObject({
    id: text,
    kind: z.enum(['grant', 'hold', 'capture', 'refund', 'adjust']),
    amount: credits,
    balance: count.meta({ description: 'The balance after this entry.' }),
    taskId: text.nullable(),
    reason: text.nullable(),
    at: Timestamp,
  })
  .meta({ id: 'LedgerEntry' });
export const Ledger = z
  .strictObject({
    balance: count,
    held: count.meta({ description: 'Sum of the open holds.' }),
    entries: z.array(LedgerEntrySchema),
    ...NEXT_CURSOR,
  })
  .meta({ id: 'Ledger' });
export const Verification = z.strictObject({ ok: z.boolean(), problems: z.array(text) }).meta({ id: 'Verification' });

export const TransitionSchema = z
  .strictObject({ taskId: text, from: text, to: text, at: Timestamp })
  .meta({ id: 'Transition', description: '`from` and `to` are statuses or steps of the task.' });
export const AdvanceSchema = z
  .strictObject({ now: Timestamp, transitions: z.array(TransitionSchema) })
  .meta({ id: 'Advance', description: 'The new time and the transitions due on the way.' });
export const ClockChange = z.strictObject({ mode, ...AdvanceSchema.shape }).meta({ id: 'ClockChange' });

const TaskOutcome = z.discriminatedUnion('status', [
  z.strictObject({ status: z.literal('completed') }),
  z.strictObject({ status: z.literal('failed'), errorCode: shortText }),
  z.strictObject({ status: z.literal('hangs') }),
]);
export const Plan = z.strictObject({
  steps: z.array(z.strictObject({ name: text, atMs: count })),
  endMs: count,
  outcome: TaskOutcome,
});
export const createTaskSchema = <Family extends z.ZodType>(family: Family) =>
  z
    .strictObject({
      id: text,
      generationId: text.exactOptional().meta({ description: 'Images only: the id to poll with.' }),
      family,
      status,
      price: count.meta({ description: 'In credits.' }),
      input: z.record(text, z.unknown()).meta({ description: 'The request body, with defaults filled in.' }),
      plan: Plan,
      step: text.nullable(),
      createdAt: Timestamp,
      dueAt: Timestamp.nullable(),
      finishedAt: Timestamp.nullable(),
      simulatedMs: count.nullable(),
      result: z.record(text, text).nullable().meta({
        description: 'The URLs of a completed task by response field, or the `errorCode` of a failed one.',
      }),
    })
    .meta({ id: 'Task' });

const fired = count.meta({ description: 'How many times the rule has fired.' });

/** A fault rule in a response. */
export const createStoredRuleSchema = <Family extends z.ZodType>(family: Family) =>
  z.strictObject({
    match: z.strictObject({
      family: family.exactOptional(),
      endpoint: text.exactOptional(),
      contains: text.exactOptional(),
    }),
    at: z.enum(STAGES),
    effect: Effect,
    times: count.exactOptional(),
    after: count.exactOptional(),
    probability: z.number().exactOptional(),
    seed: text.exactOptional(),
  });
export const createFaultSchema = <Family extends z.ZodType>(family: Family) =>
  z.strictObject({ id: text, ...createStoredRuleSchema(family).shape, fired }).meta({ id: 'Fault' });
export const NearMissSchema = z
  .strictObject({
    requestId: text.meta({ description: 'The header `x-request-id` of the response.' }),
    at: Timestamp,
    path: text,
    reason: text.meta({ description: 'What kept the rule from firing.' }),
  })
  .meta({ id: 'NearMiss', description: 'A request that came close to a rule.' });
export const createFaultDetailsSchema = <Family extends z.ZodType>(family: Family) =>
  z
    .strictObject({
      ...createFaultSchema(family).shape,
      nearMisses: z.array(NearMissSchema).max(10).meta({ description: 'Oldest first.' }),
    })
    .meta({ id: 'FaultDetails' });

const truncated = z.literal(true).exactOptional().meta({ description: 'The body is truncated.' });
export const JournalEntrySchema = z
  .strictObject({
    id: text,
    requestId: text.meta({ description: 'The header `x-request-id` of the response.' }),
    at: Timestamp,
    method: text,
    path: text,
    status: z.int().nullable().meta({ description: 'Null if no response was sent, or not yet.' }),
    errorCode: text.nullable(),
    durationMs: z.number().min(0).nullable().meta({ description: 'Null while the client waits for the response.' }),
    request: z.strictObject({
      headers: z.record(text, z.union([text, z.array(text)])),
      body: z.unknown(),
      truncated,
    }),
    response: z.strictObject({
      headers: z.record(text, z.union([text, z.number()])),
      body: z.unknown(),
      truncated,
    }),
    taskIds: z.array(text),
    fault: text.nullable().meta({ description: 'The fault rules and directives that fired.' }),
    warnings: z.array(text),
  })
  .meta({ id: 'JournalEntry' });
export const Journal = createListSchema('requests', JournalEntrySchema);
export const Har = z
  .strictObject({
    log: z.strictObject({
      version: z.literal('1.2'),
      creator: z.strictObject({ name: text, version: text }),
      comment: text,
      entries: z.array(z.record(text, z.unknown())),
    }),
  })
  .meta({ id: 'Har', description: 'An HTTP Archive, which browsers and HTTP tools can open.' });
const wallTimestamp = z.iso.datetime().meta({ description: 'In UTC, in wall time.' });
const receivedRequest = { requestId: text, receivedAt: wallTimestamp, method: text, path: text };
export const Activity = z
  .strictObject({
    now: wallTimestamp,
    requestCount: count.meta({ description: 'Number of requests with a known key since the start.' }),
    accounts: z
      .array(
        z.strictObject({
          key: text,
          processing: count.meta({ description: 'Number of running tasks.' }),
          failed: count.meta({ description: 'Number of failed tasks.' }),
          requestCount: count.meta({ description: 'Number of requests since the start or the last reset.' }),
          lastRequestAt: wallTimestamp.nullable(),
        }),
      )
      .meta({ description: 'Accounts with tasks or requests, those with the most running tasks first.' }),
    requests: z
      .array(
        z.strictObject({
          ...{ key: text, id: text.meta({ description: 'The id of the journal entry.' }), ...receivedRequest },
          ...{ status: z.int().nullable(), errorCode: text.nullable(), durationMs: z.number().min(0).nullable() },
        }),
      )
      .meta({ description: 'Newest first.' }),
    unauthorized: z
      .array(
        z.strictObject({
          ...receivedRequest,
          key: text.nullable().meta({ description: 'The masked key; null if the request has none.' }),
          reason: z.enum(REFUSAL_REASONS).meta({
            description: '`malformed`: the header `Authorization` is not `Bearer` and a key.',
          }),
        }),
      )
      .meta({ description: 'Requests without a valid key, which got 401. Newest first.' }),
  })
  .meta({ id: 'Activity' });

export const CountResponse = z.strictObject({ count });

export const FindingSchema = z
  .strictObject({
    code: text,
    message: text,
    requests: z.array(text).meta({ description: 'Ids of journal entries.' }),
  })
  .meta({ id: 'Finding' });
export const Verdict = z.strictObject({ ok: z.boolean(), findings: z.array(FindingSchema) }).meta({ id: 'Verdict' });

export const SnapshotSchema = z.strictObject({ name: text, at: Timestamp }).meta({ id: 'Snapshot' });
export const Snapshots = createListSchema('snapshots', SnapshotSchema);
export const ResetResponse = z.strictObject({
  accounts: count.meta({ description: 'Number of accounts after the reset.' }),
});
