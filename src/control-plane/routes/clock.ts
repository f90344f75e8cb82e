import * as z from 'zod';
import type { Transition } from '../../core/tasks/task.ts';
import { mode, timestampMs } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import { requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { AdvanceSchema, ClockChange } from '../response-schemas.ts';
import { AccountParams, toTimestamp } from '../schemas.ts';

/** About a hundred years. */
const MAX_ADVANCE_MS = 3_200_000_000_000;

const ClockRequest = z.strictObject({
  mode,
  now: timestampMs.optional().meta({ description: 'Time to move the clock to; unchanged when absent.' }),
});
const ADVANCE_ERROR = { error: `expected whole milliseconds, at most ${MAX_ADVANCE_MS}` };
const AdvanceRequest = z
  .strictObject({
    ms: z
      .int(ADVANCE_ERROR)
      .max(MAX_ADVANCE_MS, ADVANCE_ERROR)
      .optional()
      .meta({ description: 'Whole milliseconds; negative values are rejected with 409.' }),
    toNext: z.literal(true).optional().meta({ description: 'Advance to the next transition of any task.' }),
  })
  .refine((body) => (body.ms === undefined) !== (body.toNext === undefined), {
    path: ['ms'],
    error: 'expected either ms or toNext',
  })
  .meta({ oneOf: [{ required: ['ms'] }, { required: ['toNext'] }] });

/** Operations that move an account's time. They respond after all transitions due on the way are applied. */
export function clockOperations({ core }: HttpContext): Operation[] {
  const nowFor = (id: number) => toTimestamp(core.timeline.nowMs(core.accounts.get(id)));

  return [
    defineOperation({
      method: 'PUT',
      path: '/accounts/:key/clock',
      name: 'setClock',
      tag: 'time',
      summary: 'Set the clock mode',
      description: 'Optionally moves the clock forward. Running tasks keep their remaining simulated time.',
      params: AccountParams,
      body: ClockRequest,
      responses: { 200: ClockChange },
      codes: ['CLOCK_BACKWARDS', 'CLOCK_TOO_FAR'],
      async handler({ params, body }) {
        const { id } = requireAccount(core, params);
        const transitions = core.timeline.setClock(id, body.mode, body.now);
        return { mode: body.mode, now: nowFor(id), transitions: transitions.map(toTransitionJson) };
      },
    }),

    defineOperation({
      method: 'POST',
      path: '/accounts/:key/clock/advance',
      name: 'advanceClock',
      tag: 'time',
      summary: 'Advance the clock',
      description:
        'Works in every clock mode; a `real` clock continues from the new time. Responds after all transitions due ' +
        'on the way are applied. With `toNext` and no transition due, the time does not change.',
      params: AccountParams,
      body: AdvanceRequest,
      responses: { 200: AdvanceSchema },
      codes: ['CLOCK_BACKWARDS', 'CLOCK_TOO_FAR'],
      async handler({ params, body }) {
        const { id } = requireAccount(core, params);
        const transitions =
          body.ms === undefined ? core.timeline.advanceToNext(id) : core.timeline.advance(id, body.ms);
        return { now: nowFor(id), transitions: transitions.map(toTransitionJson) };
      },
    }),
  ];
}

export function toTransitionJson({ taskId, from, to, atMs }: Transition) {
  return { taskId, from, to, at: toTimestamp(atMs) };
}
