import { z } from 'zod';
import type { Transition } from '../core/task.ts';
import type { App, Emulator } from '../http/context.ts';
import { accountAt, instant, mode, moment, type OfAccount, strict } from './forms.ts';

/** About a hundred years. */
const MOST_MS = 3_200_000_000_000;

const Clock = strict({ mode, now: instant.optional() });
const ms = z.int({ error: `expected whole milliseconds, at most ${MOST_MS}` }).max(MOST_MS, {
  error: `expected whole milliseconds, at most ${MOST_MS}`,
});
const Advance = strict({ ms: ms.optional(), toNext: z.literal(true).optional() }).refine(
  (body) => (body.ms === undefined) !== (body.toNext === undefined),
  { path: ['ms'], error: 'expected either ms or toNext' },
);

/** The calls that move an account's time. They answer when all that fell due on the way has happened. */
export function registerClock(app: App, { core }: Emulator): void {
  const at = (params: unknown) => accountAt(core, (params as OfAccount['Params']).key);
  const nowOf = (id: number) => moment(core.timeline.nowMs(core.accounts.get(id)));

  app.put('/accounts/:key/clock', { schema: { body: Clock } }, async ({ params, body }) => {
    const { id } = at(params);
    const transitions = core.timeline.setClock(id, body.mode, body.now);
    return { mode: body.mode, now: nowOf(id), transitions: transitions.map(shownTransition) };
  });

  app.post('/accounts/:key/clock/advance', { schema: { body: Advance } }, async ({ params, body }) => {
    const { id } = at(params);
    const transitions =
      body.ms === undefined ? core.timeline.advanceToNext(id) : core.timeline.advance(id, body.ms);
    return { now: nowOf(id), transitions: transitions.map(shownTransition) };
  });
}

export function shownTransition({ taskId, from, to, atMs }: Transition) {
  return { taskId, from, to, at: moment(atMs) };
}
