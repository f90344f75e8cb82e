import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App, HttpContext } from '../context.ts';
import { createFaultHooks } from '../faults/hooks.ts';

/** The journal and who listens are told what a request is answered; of the answer itself, what is text. */
export function recordResponse(
  { core, journal }: HttpContext,
  request: FastifyRequest,
  reply: FastifyReply,
  payload?: unknown,
): void {
  const { journalEntry: entry, account } = request.state;
  if (!account) return;
  journal.countResponse(reply.statusCode);
  if (!entry) return;
  journal.recordResponseHead(entry, request, reply);
  if (typeof payload === 'string') journal.appendResponseBody(entry, payload);
  if (core.events.hasListeners()) {
    core.events.emit({ type: 'request', accountId: account.id, detail: journal.summarize(entry) });
  }
}

/**
 * Hooks around every route of the API: the journal writes down what passes, and faults strike at their stages. They are
 * called back, not awaited, where nothing is to go wrong: that is nearly always, and promises are what a hook costs most.
 */
export function registerApiHooks(app: App, context: HttpContext): void {
  const { core, journal } = context;
  const faults = createFaultHooks(context);

  app.addHook('preValidation', (request, reply, done) => {
    const { account, journalEntry: entry } = request.state;
    if (!account) return done();
    request.state.rawBody = request.body;
    if (entry) journal.recordRequestBody(request, entry);
    if (!faults.mayApply(request)) return done();
    faults
      .request(request, reply)
      .then(() => done())
      .catch(done);
  });

  app.addHook('preHandler', (request, reply, done) => {
    const { account, journalEntry: entry } = request.state;
    if (!account) return done();
    if (entry) journal.recordUnknownFields(entry, request.state.rawBody, request.body);
    if (core.faults.isEmpty()) return done();
    faults
      .charge(request, reply)
      .then(() => done())
      .catch(done);
  });

  app.addHook('onSend', (request, reply, payload, done) => {
    const { account, journalEntry: entry } = request.state;
    if (!account) return done(null, payload);
    // One that is no JSON came no further than its parser.
    if (entry?.body === '' && request.state.bodyText !== '') journal.recordRequestBody(request, entry);
    const send = (finalPayload: unknown) => {
      recordResponse(context, request, reply, finalPayload);
      done(null, finalPayload);
    };
    if (core.faults.isEmpty() && !request.state.faults) return send(payload);
    faults.response(request, reply, payload).then(send).catch(done);
  });
}
