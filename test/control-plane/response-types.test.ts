import { describe, expectTypeOf, it } from 'vitest';
import type * as z from 'zod';
import type * as t from '../../src/client/types.ts';
import type { CannedResponse } from '../../src/control-plane/canned-response-schema.ts';
import type { createFaultRuleSchema, Effect } from '../../src/control-plane/fault-rule-schema.ts';
import type * as schemas from '../../src/control-plane/response-schemas.ts';
import type { AccountChanges, NewAccount } from '../../src/control-plane/routes/accounts.ts';
import type { DocumentSchemas } from '../../src/control-plane/state/document-schema.ts';

type Family = z.ZodType<t.Family>;
type Document = z.output<DocumentSchemas['Document']>;

describe('types of the package', () => {
  it('equal the response schemas', () => {
    expectTypeOf<z.output<typeof schemas.AccountSchema>>().toEqualTypeOf<t.Account>();
    expectTypeOf<z.output<typeof schemas.LedgerEntrySchema>>().toEqualTypeOf<t.LedgerEntry>();
    expectTypeOf<Omit<z.output<typeof schemas.Ledger>, 'next'>>().toEqualTypeOf<t.Ledger>();
    expectTypeOf<z.output<typeof schemas.Verification>>().toEqualTypeOf<t.Verification>();
    expectTypeOf<z.output<typeof schemas.TransitionSchema>>().toEqualTypeOf<t.Transition>();
    expectTypeOf<z.output<typeof schemas.AdvanceSchema>>().toEqualTypeOf<t.Advance>();
    expectTypeOf<Omit<z.output<typeof schemas.ClockChange>, 'mode'>>().toEqualTypeOf<t.Advance>();
    expectTypeOf<z.output<ReturnType<typeof schemas.createTaskSchema<Family>>>>().toEqualTypeOf<t.Task>();
    expectTypeOf<z.output<typeof CannedResponse>>().toEqualTypeOf<t.CannedResponse>();
    expectTypeOf<z.output<typeof Effect>>().toEqualTypeOf<t.Effect>();
    expectTypeOf<z.output<ReturnType<typeof schemas.createFaultSchema<Family>>>>().toEqualTypeOf<t.Fault>();
    expectTypeOf<
      z.output<ReturnType<typeof schemas.createFaultDetailsSchema<Family>>>
    >().toEqualTypeOf<t.FaultDetails>();
    expectTypeOf<z.output<typeof schemas.JournalEntrySchema>>().toEqualTypeOf<t.JournalEntry>();
    expectTypeOf<z.output<typeof schemas.Har>>().toEqualTypeOf<t.Har>();
    expectTypeOf<z.output<typeof schemas.FindingSchema>>().toEqualTypeOf<t.Finding>();
    expectTypeOf<z.output<typeof schemas.Verdict>>().toEqualTypeOf<t.Verdict>();
    expectTypeOf<z.output<typeof schemas.Activity>>().toEqualTypeOf<t.Activity>();
    expectTypeOf<z.output<typeof schemas.SnapshotSchema>>().toEqualTypeOf<t.Snapshot>();
  });

  it('equal the schema of an exported account, in which a family is any string', () => {
    expectTypeOf<t.AccountState>().toExtend<Document>();
    expectTypeOf<keyof t.AccountState>().toEqualTypeOf<keyof Document>();
    expectTypeOf<Omit<t.AccountState['account'], 'initial'>>().toEqualTypeOf<Omit<Document['account'], 'initial'>>();
    expectTypeOf<keyof t.AccountState['account']['initial']>().toEqualTypeOf<keyof Document['account']['initial']>();
    expectTypeOf<t.AccountState['ledger']>().toEqualTypeOf<Document['ledger']>();
    expectTypeOf<t.AccountState['rateLimit']>().toEqualTypeOf<Document['rateLimit']>();
    expectTypeOf<Omit<t.StoredTask, 'family'>>().toEqualTypeOf<
      Omit<Extract<Document['tasks'][number], { plan: unknown }>, 'family'>
    >();
    expectTypeOf<keyof t.StoredRule>().toEqualTypeOf<keyof Document['faults'][number]['rule']>();
  });

  it('are accepted by the request schemas', () => {
    expectTypeOf<t.NewAccount>().toExtend<z.input<typeof NewAccount>>();
    expectTypeOf<keyof t.NewAccount>().toEqualTypeOf<keyof z.input<typeof NewAccount>>();
    expectTypeOf<t.AccountChanges>().toExtend<z.input<typeof AccountChanges>>();
    expectTypeOf<keyof t.AccountChanges>().toEqualTypeOf<keyof z.input<typeof AccountChanges>>();
    expectTypeOf<t.Rule>().toExtend<z.input<ReturnType<typeof createFaultRuleSchema>>>();
    expectTypeOf<keyof t.Rule>().toEqualTypeOf<keyof z.input<ReturnType<typeof createFaultRuleSchema>>>();
  });
});
