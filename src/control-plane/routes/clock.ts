import { z } from 'zod';
import type { Transition } from '../../core/tasks/task.ts';
import type { App, HttpContext } from '../../http/context.ts';
import { AdvanceSchema, ClockChange } from '../response-schemas.ts';
import { AccountParams, mode, requireAccount, strict, timestampMs, toTimestamp } from '../schemas.ts';

/** About a hundred years. */
const MAX_ADVANCE_MS = 3_200_000_000_000;

const ClockRequest = strict({
  mode,
  now: timestampMs.optional().meta({ description: 'Where to move it; the time stays when absent.' }),
});
const ms = z.int({ error: `expected whole milliseconds, at most ${MAX_ADVANCE_MS}` }).max(MAX_ADVANCE_MS, {
  error: `expected whole milliseconds, at most ${MAX_ADVANCE_MS}`,
});
const AdvanceRequest = strict({
  ms: ms.optional().meta({ description: 'Whole milliseconds; below zero it is refused with 409.' }),
  toNext: z.literal(true).optional().meta({ description: 'To the next change of any task.' }),
})
  .refine((body) => (body.ms === undefined) !== (body.toNext === undefined), {
    path: ['ms'],
    error: 'expected either ms or toNext',
  })
  .meta({ oneOf: [{ required: ['ms'] }, { required: ['toNext'] }] });

/** The calls that move an account's time. They answer when all that fell due on the way has happened. */
export function registerClock(app: App, { core }: HttpContext): void {
  const accountFor = ({ key }: AccountParams) => requireAccount(core, key);
  const nowFor = (id: number) => toTimestamp(core.timeline.nowMs(core.accounts.get(id)));

  app.put(
    '/accounts/:key/clock',
    {
      schema: { params: AccountParams, body: ClockRequest },
      config: {
        operation: {
          name: 'setClock',
          tag: 'time',
          summary: 'Changes how time passes.',
          description: 'Can move it forward at the same time. Running tasks keep the simulated time they have left.',
          responses: { 200: ClockChange },
          codes: ['CLOCK_BACKWARDS', 'CLOCK_TOO_FAR'],
        },
      },
    },
    async ({ params, body }) => {
      const { id } = accountFor(params);
      const transitions = core.timeline.setClock(id, body.mode, body.now);
      return { mode: body.mode, now: nowFor(id), transitions: transitions.map(toTransitionJson) };
    },
  );

  app.post(
    '/accounts/:key/clock/advance',
    {
      schema: { params: AccountParams, body: AdvanceRequest },
      config: {
        operation: {
          name: 'advanceClock',
          tag: 'time',
          summary: 'Moves time forward.',
          description:
            'On any clock; a `real` one goes on from there. Answers when all that fell due on the way has happened. With `toNext` and nothing due the time stays.',
          responses: { 200: AdvanceSchema },
          codes: ['CLOCK_BACKWARDS', 'CLOCK_TOO_FAR'],
        },
      },
    },
    async ({ params, body }) => {
      const { id } = accountFor(params);
      const transitions = body.ms === undefined ? core.timeline.advanceToNext(id) : core.timeline.advance(id, body.ms);
      return { now: nowFor(id), transitions: transitions.map(toTransitionJson) };
    },
  );
}

export function toTransitionJson({ taskId, from, to, atMs }: Transition) {
  return { taskId, from, to, at: toTimestamp(atMs) };
}
