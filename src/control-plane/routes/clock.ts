import { z } from 'zod';
import type { Transition } from '../../core/tasks/task.ts';
import type { App, Emulator } from '../../http/context.ts';
import { Advance as Advanced, ClockChange } from '../response-schemas.ts';
import { accountAt, instant, mode, moment, OfAccount, strict } from '../schemas.ts';

/** About a hundred years. */
const MOST_MS = 3_200_000_000_000;

const Clock = strict({
  mode,
  now: instant.optional().meta({ description: 'Where to move it; the time stays when absent.' }),
});
const ms = z.int({ error: `expected whole milliseconds, at most ${MOST_MS}` }).max(MOST_MS, {
  error: `expected whole milliseconds, at most ${MOST_MS}`,
});
const Advance = strict({
  ms: ms.optional().meta({ description: 'Whole milliseconds; below zero it is refused with 409.' }),
  toNext: z.literal(true).optional().meta({ description: 'To the next change of any task.' }),
})
  .refine((body) => (body.ms === undefined) !== (body.toNext === undefined), {
    path: ['ms'],
    error: 'expected either ms or toNext',
  })
  .meta({ oneOf: [{ required: ['ms'] }, { required: ['toNext'] }] });

/** The calls that move an account's time. They answer when all that fell due on the way has happened. */
export function registerClock(app: App, { core }: Emulator): void {
  const at = ({ key }: OfAccount) => accountAt(core, key);
  const nowOf = (id: number) => moment(core.timeline.nowMs(core.accounts.get(id)));

  app.put(
    '/accounts/:key/clock',
    {
      schema: { params: OfAccount, body: Clock },
      config: {
        call: {
          name: 'setClock',
          tag: 'time',
          summary: 'Changes how time passes.',
          description:
            'Can move it forward at the same time. Running tasks keep the simulated time they have left.',
          answers: { 200: ClockChange },
          codes: ['CLOCK_BACKWARDS', 'CLOCK_TOO_FAR'],
        },
      },
    },
    async ({ params, body }) => {
      const { id } = at(params);
      const transitions = core.timeline.setClock(id, body.mode, body.now);
      return { mode: body.mode, now: nowOf(id), transitions: transitions.map(shownTransition) };
    },
  );

  app.post(
    '/accounts/:key/clock/advance',
    {
      schema: { params: OfAccount, body: Advance },
      config: {
        call: {
          name: 'advanceClock',
          tag: 'time',
          summary: 'Moves time forward.',
          description:
            'On any clock; a `real` one goes on from there. Answers when all that fell due on the way has happened. With `toNext` and nothing due the time stays.',
          answers: { 200: Advanced },
          codes: ['CLOCK_BACKWARDS', 'CLOCK_TOO_FAR'],
        },
      },
    },
    async ({ params, body }) => {
      const { id } = at(params);
      const transitions =
        body.ms === undefined ? core.timeline.advanceToNext(id) : core.timeline.advance(id, body.ms);
      return { now: nowOf(id), transitions: transitions.map(shownTransition) };
    },
  );
}

export function shownTransition({ taskId, from, to, atMs }: Transition) {
  return { taskId, from, to, at: moment(atMs) };
}
