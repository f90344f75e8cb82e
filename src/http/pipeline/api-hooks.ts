import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App, HttpContext } from '../context.ts';
import { createFaultHooks } from '../faults/hooks.ts';
import { findUnknownFields } from '../journal/unknown-fields.ts';
import { addSendHook } from './errors.ts';

/** Records a response in the journal, with its body if that is text, and emits the `request` event. */
export function recordResponse(
  { core, journal }: Pick<HttpContext, 'core' | 'journal'>,
  request: FastifyRequest,
  reply: FastifyReply,
  payload?: unknown,
): void {
  const { journalEntry: entry, account } = request.state;
  if (!account) return;
  journal.countResponse(reply.statusCode);
  if (!entry) return;
  entry.setResponseHead(request, reply);
  if (typeof payload === 'string') entry.appendResponseBody(payload);
  if (core.events.hasListeners()) {
    core.events.emit({ type: 'request', accountId: account.id, detail: journal.summarize(entry) });
  }
}

/**
 * Registers the hooks around every route of the API: they record requests in the journal and apply faults at their
 * stages. Without faults they run synchronously, because promises would cost more than all else that they do.
 */
export function registerApiHooks(app: App, context: HttpContext): void {
  const { core } = context;
  const faults = createFaultHooks(context);

  app.addHook('preValidation', (request, reply, done) => {
    const { account, journalEntry: entry } = request.state;
    if (!account) return done();
    request.state.rawBody = request.body;
    entry?.setBody(request.state.bodyText);
    if (!faults.mayApply(request)) return done();
    faults
      .beforeValidation(request, reply)
      .then(() => done())
      .catch(done);
  });

  app.addHook('preHandler', (request, reply, done) => {
    const { account, journalEntry: entry } = request.state;
    if (!account) return done();
    entry?.setUnknownFields(findUnknownFields(request.state.rawBody, request.body));
    if (core.faults.isEmpty()) return done();
    faults
      .beforeCharge(request, reply)
      .then(() => done())
      .catch(done);
  });

  addSendHook(app, (request, reply, payload, done) => {
    const { account, journalEntry: entry } = request.state;
    if (!account) return done(null, payload);
    // A body that is not JSON fails in the parser, before the hook that records it.
    if (entry?.body === '' && request.state.bodyText !== '') entry.setBody(request.state.bodyText);
    const send = (finalPayload: unknown) => {
      recordResponse(context, request, reply, finalPayload);
      done(null, finalPayload);
    };
    if (core.faults.isEmpty() && !request.state.faults) return send(payload);
    faults
      .beforeSend(request, reply, payload)
      .then((finalPayload) => {
        // A truncated response has been sent and recorded already.
        if (!reply.sent) send(finalPayload);
      })
      .catch(done);
  });

  // Not called for a response that the client did not wait for, or that a fault truncated.
  app.addHook('onResponse', (request, _reply, done) => {
    request.state.journalEntry?.setDelivered();
    done();
  });
}
