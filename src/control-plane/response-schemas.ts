import { z } from 'zod';
import { STAGES } from '../core/faults/fault-rules.ts';
import { Effect } from './fault-rule-schema.ts';
import { mode, Timestamp } from './schemas.ts';

// What the calls answer, for the contract document. Those with an id are its components; src/client/types.ts says the same by
// hand, and a test holds the two together.

const text = z.string();
const count = z.int().min(0);
const credits = z.int();
const status = z.enum(['processing', 'completed', 'failed']);

/** A page of a list. */
const createListSchema = (name: string, item: z.ZodType) => z.strictObject({ [name]: z.array(item), ...NEXT_CURSOR });
const NEXT_CURSOR = {
  next: text.nullable().meta({ description: 'What to send as `after`; null at the end.' }),
};

export const ErrorResponse = z.strictObject({ error: text, code: text }).meta({
  id: 'Error',
  description: 'A sentence for people and a code for programs.',
});

export const AccountSchema = z
  .strictObject({
    key: text,
    credits: count.meta({ description: 'What can still be spent.' }),
    rateLimit: z.strictObject({
      limit: count.nullable().meta({ description: 'Requests an hour; null: no limit.' }),
      remaining: count.nullable(),
      resetAt: Timestamp.nullable(),
    }),
    clock: z.strictObject({ mode, now: Timestamp }),
    speed: z.number(),
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
    balance: count.meta({ description: 'After this entry.' }),
    taskId: text.nullable(),
    reason: text.nullable(),
    at: Timestamp,
  })
  .meta({ id: 'LedgerEntry' });
export const Ledger = z
  .strictObject({
    balance: count,
    held: count.meta({ description: 'The sum of open holds.' }),
    entries: z.array(LedgerEntrySchema),
    ...NEXT_CURSOR,
  })
  .meta({ id: 'Ledger' });
export const Verification = z.strictObject({ ok: z.boolean(), problems: z.array(text) }).meta({ id: 'Verification' });

export const TransitionSchema = z
  .strictObject({ taskId: text, from: text, to: text, at: Timestamp })
  .meta({ id: 'Transition', description: 'From and to: statuses, or steps of a task.' });
export const AdvanceSchema = z
  .strictObject({ now: Timestamp, transitions: z.array(TransitionSchema) })
  .meta({ id: 'Advance', description: 'All that fell due on the way.' });
export const ClockChange = z.strictObject({ mode, ...AdvanceSchema.shape }).meta({ id: 'ClockChange' });

const TaskOutcome = z.union([
  z.strictObject({ status: z.literal('completed') }),
  z.strictObject({ status: z.literal('failed'), errorCode: text }),
  z.strictObject({ status: z.literal('hangs') }),
]);
export const createTaskSchema = <Family extends z.ZodType>(family: Family) =>
  z
    .strictObject({
      id: text,
      generationId: text.exactOptional().meta({ description: 'Images only: what they are polled by.' }),
      family,
      status,
      price: count.meta({ description: 'Credits.' }),
      input: z
        .record(text, z.unknown())
        .meta({ description: 'The request that it was made of, with defaults filled in.' }),
      plan: z.strictObject({
        steps: z.array(z.strictObject({ name: text, atMs: count })),
        endMs: count,
        outcome: TaskOutcome,
      }),
      step: text.nullable(),
      createdAt: Timestamp,
      dueAt: Timestamp.nullable(),
      finishedAt: Timestamp.nullable(),
      simulatedMs: count.nullable(),
      result: z.record(text, text).nullable().meta({
        description: 'The URLs of a completed task by the fields of its answer, the `errorCode` of a failed one.',
      }),
    })
    .meta({ id: 'Task' });
export const createTaskListSchema = (task: z.ZodType) => createListSchema('tasks', task);

export const createFaultSchema = <Family extends z.ZodType>(family: Family) =>
  z
    .strictObject({
      id: text,
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
      fired: count.meta({ description: 'How often it has struck.' }),
    })
    .meta({ id: 'Fault' });
export const createFaultListSchema = (fault: z.ZodType) => createListSchema('faults', fault);

const truncated = z.literal(true).exactOptional().meta({ description: 'The body was cut.' });
export const JournalEntrySchema = z
  .strictObject({
    id: text,
    at: Timestamp,
    method: text,
    path: text,
    status: z.int().nullable().meta({ description: 'Null: there was no answer, or there is none yet.' }),
    errorCode: text.nullable(),
    durationMs: z.number().min(0).nullable().meta({ description: 'Null: somebody still waits for the answer.' }),
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
    fault: text.nullable().meta({ description: 'The rules and directives that struck.' }),
    warnings: z.array(text),
  })
  .meta({ id: 'JournalEntry' });
export const Journal = createListSchema('requests', JournalEntrySchema);
export const CountResponse = z.strictObject({ count });

export const FindingSchema = z
  .strictObject({
    code: text,
    message: text,
    requests: z.array(text).meta({ description: 'Ids of entries of the journal.' }),
  })
  .meta({ id: 'Finding' });
export const Verdict = z.strictObject({ ok: z.boolean(), findings: z.array(FindingSchema) }).meta({ id: 'Verdict' });

export const SnapshotSchema = z.strictObject({ name: text, at: Timestamp }).meta({ id: 'Snapshot' });
export const Snapshots = createListSchema('snapshots', SnapshotSchema);
export const ResetResponse = z.strictObject({ accounts: count.meta({ description: 'How many there are.' }) });

export const HealthResponse = z.strictObject({ status: z.literal('ok') });
export const ReadyResponse = z.strictObject({ status: z.literal('ready') });
export const StoppingResponse = z.strictObject({ status: z.literal('stopping') });
export const OpenApiDocument = z.looseObject({ openapi: text });
