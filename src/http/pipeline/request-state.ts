import type { FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts/accounts.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { App } from '../context.ts';
import type { PendingFaults } from '../faults/pending-faults.ts';
import type { Entry } from '../journal/entry.ts';

/** What the hooks and the route of one request learn about it, in `request.state`. */
export interface RequestState {
  /** The account of the API key. Set by authentication; null for requests without a valid key. */
  account: Account | null;
  /** The journal entry of this request. Set by authentication; null when there is no account. */
  journalEntry: Entry | null;
  /** The JSON text of the body, without uploaded files. Set by the body parser; empty when there was no readable body. */
  bodyText: string;
  /** The parsed body as the client sent it, before validation replaced `request.body`. */
  rawBody: unknown;
  /** Faults that apply to this request. Set by the fault hooks; null when there are none. */
  faults: PendingFaults | null;
  /** The error code of the response, for the log. */
  errorCode: string | null;
  /** The reason for an error, for the log only. The client does not see it. */
  logReason: string | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Created by the first hook of every request. */
    state: RequestState;
  }
}

export const createRequestState = (): RequestState => ({
  account: null,
  journalEntry: null,
  bodyText: '',
  rawBody: null,
  faults: null,
  errorCode: null,
  logReason: null,
});

/** Gives every request of `app` and of its child contexts a fresh state. Register it before any other hook. */
export function registerRequestState(app: App): void {
  app.decorateRequest('state');
  app.addHook('onRequest', (request, _reply, done) => {
    request.state = createRequestState();
    done();
  });
}

/** The account that authentication found. @throws LOGIN_REQUIRED when the route is not behind authentication */
export function getAccount(request: FastifyRequest): Account {
  const { account } = request.state;
  if (!account) throw new EmulatorError('LOGIN_REQUIRED', 'the route is not behind authentication');
  return account;
}
