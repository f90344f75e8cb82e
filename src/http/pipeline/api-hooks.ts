import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App, Emulator } from '../context.ts';
import { createFaultHooks } from '../faults/hooks.ts';

/** The journal and who listens are told what a request is answered; of the answer itself, what is text. */
export function tellAnswer(
  { core, journal }: Emulator,
  request: FastifyRequest,
  reply: FastifyReply,
  answer?: unknown,
): void {
  const { entry, account } = request;
  if (!account) return;
  journal.count(reply.statusCode);
  if (!entry) return;
  journal.head(entry, request, reply);
  if (typeof answer === 'string') journal.answered(entry, answer);
  if (core.events.isHeard()) {
    core.events.emit({ type: 'request', accountId: account.id, detail: journal.summary(entry) });
  }
}

/**
 * Hooks around every route of the API: the journal writes down what passes, and faults strike at their stages. They are
 * called back, not awaited, where nothing is to go wrong: that is nearly always, and promises are what a hook costs most.
 */
export function registerObservers(app: App, emulator: Emulator): void {
  const { core, journal } = emulator;
  const faults = createFaultHooks(emulator);

  app.addHook('preValidation', (request, reply, done) => {
    const { account, entry } = request;
    if (!account) return done();
    request.sent = request.body;
    if (entry) journal.body(request, entry);
    if (!faults.isConcerned(request)) return done();
    faults
      .request(request, reply)
      .then(() => done())
      .catch(done);
  });

  app.addHook('preHandler', (request, reply, done) => {
    const { account, entry } = request;
    if (!account) return done();
    if (entry) journal.understood(entry, request.sent, request.body);
    if (core.faults.isQuiet()) return done();
    faults
      .charge(request, reply)
      .then(() => done())
      .catch(done);
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const { account, entry } = request;
    if (!account) return done(null, payload);
    // One that is no JSON came no further than its parser.
    if (entry?.body === '' && request.bodyText !== '') journal.body(request, entry);
    const send = (answer: unknown) => {
      tellAnswer(emulator, request, reply, answer);
      done(null, answer);
    };
    if (core.faults.isQuiet() && !request.trouble) return send(payload);
    faults.answer(request, reply, payload).then(send).catch(done);
  });
}
