import type { App, Emulator } from './context.ts';
import { createFaultHooks } from './faults.ts';

/** Hooks around every route of the API: the journal writes down what passes, and faults strike at their stages. */
export function registerObservers(app: App, emulator: Emulator): void {
  const { core, journal } = emulator;
  const faults = createFaultHooks(emulator);

  app.addHook('preValidation', async (request, reply) => {
    const { entry } = request;
    if (entry) journal.body(request, entry);
    await faults.request(request, reply);
  });

  app.addHook('preHandler', async (request, reply) => {
    const { entry } = request;
    if (entry) journal.understood(request, entry);
    await faults.charge(request, reply);
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const answer = await faults.answer(request, reply, payload);
    const { entry } = request;
    if (entry) {
      journal.head(entry, request, reply);
      if (typeof answer === 'string') journal.answered(request, entry, answer);
      core.events.emit({ type: 'request', accountId: request.account!.id, detail: journal.summary(entry) });
    }
    return answer;
  });
}
