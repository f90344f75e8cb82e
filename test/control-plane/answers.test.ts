import { describe, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import type * as t from '../../src/client/types.ts';
import type { WholeAnswer } from '../../src/control-plane/canned-response-schema.ts';
import type { Effect, ruleOf } from '../../src/control-plane/fault-rule-schema.ts';
import type * as answers from '../../src/control-plane/response-schemas.ts';
import type { Changes, NewAccount } from '../../src/control-plane/routes/accounts.ts';

type Family = z.ZodType<t.Family>;

describe('the types of the package', () => {
  it('are what the calls answer', () => {
    expectTypeOf<z.output<typeof answers.Account>>().toEqualTypeOf<t.Account>();
    expectTypeOf<z.output<typeof answers.LedgerEntry>>().toEqualTypeOf<t.LedgerEntry>();
    expectTypeOf<Omit<z.output<typeof answers.Ledger>, 'next'>>().toEqualTypeOf<t.Ledger>();
    expectTypeOf<z.output<typeof answers.Verification>>().toEqualTypeOf<t.Verification>();
    expectTypeOf<z.output<typeof answers.Transition>>().toEqualTypeOf<t.Transition>();
    expectTypeOf<z.output<typeof answers.Advance>>().toEqualTypeOf<t.Advance>();
    expectTypeOf<Omit<z.output<typeof answers.ClockChange>, 'mode'>>().toEqualTypeOf<t.Advance>();
    expectTypeOf<z.output<ReturnType<typeof answers.taskOf<Family>>>>().toEqualTypeOf<t.Task>();
    expectTypeOf<z.output<typeof WholeAnswer>>().toEqualTypeOf<t.WholeAnswer>();
    expectTypeOf<z.output<typeof Effect>>().toEqualTypeOf<t.Effect>();
    expectTypeOf<z.output<ReturnType<typeof answers.faultOf<Family>>>>().toEqualTypeOf<t.Fault>();
    expectTypeOf<z.output<typeof answers.JournalEntry>>().toEqualTypeOf<t.JournalEntry>();
    expectTypeOf<z.output<typeof answers.Finding>>().toEqualTypeOf<t.Finding>();
    expectTypeOf<z.output<typeof answers.Verdict>>().toEqualTypeOf<t.Verdict>();
    expectTypeOf<z.output<typeof answers.Snapshot>>().toEqualTypeOf<t.Snapshot>();
  });

  it('are what the calls take', () => {
    expectTypeOf<t.NewAccount>().toExtend<z.input<typeof NewAccount>>();
    expectTypeOf<keyof t.NewAccount>().toEqualTypeOf<keyof z.input<typeof NewAccount>>();
    expectTypeOf<t.AccountChanges>().toExtend<z.input<typeof Changes>>();
    expectTypeOf<keyof t.AccountChanges>().toEqualTypeOf<keyof z.input<typeof Changes>>();
    expectTypeOf<t.Rule>().toExtend<z.input<ReturnType<typeof ruleOf>>>();
    expectTypeOf<keyof t.Rule>().toEqualTypeOf<keyof z.input<ReturnType<typeof ruleOf>>>();
  });
});
