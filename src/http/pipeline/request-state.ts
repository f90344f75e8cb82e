import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts/accounts.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { MemoryBudget } from '../../core/memory-budget.ts';
import type { App } from '../context.ts';
import type { PendingFaults } from '../faults/pending-faults.ts';
import type { Entry } from '../journal/entry.ts';
import type { BodyTurns } from './body-turns.ts';

/** State that the hooks and the route of a request share, in `request.state`. */
export interface RequestState {
  /** The response to the request, for code that only has the request. */
  reply: FastifyReply;
  /**
   * The account of the API key, set by authentication; on routes for result files, which need no key, the owner of the
   * file. Null for requests without a valid key and for the control plane.
   */
  account: Account | null;
  /** The journal entry, set together with `account`. Null without an account or when the journal is off. */
  journalEntry: Entry | null;
  /** The JSON text of the body, without uploaded files. Set by the body parser; empty without a readable body. */
  bodyText: string;
  /** The part of the memory account that the body has taken. Set by the body parser; 0 for small bodies. */
  bodyBytes: number;
  /** The parsed body before validation replaced `request.body`. Set by the preValidation hook of the API. */
  rawBody: unknown;
  /** Faults that apply to this request. Set by `getPendingFaults`; null when there are none. */
  faults: PendingFaults | null;
  /**
   * The error code of the response, for the log and the journal. Set by the error handlers; also by polls of failed
   * tasks and by faults that replace the body, which send an error without throwing one.
   */
  errorCode: string | null;
  /** Whether an error handler has run. Fastify runs none for a second error. */
  isErrorHandled: boolean;
  /** The reason for an error, for the log only; the client does not see it. Set by the error handlers. */
  logReason: string | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Created by the first hook of every request. */
    state: RequestState;
  }
  interface FastifyInstance {
    /** The account of all memory held on behalf of clients. */
    memory: MemoryBudget;
    bodyTurns: BodyTurns;
  }
}

const createRequestState = (reply: FastifyReply): RequestState => ({
  reply,
  account: null,
  journalEntry: null,
  bodyText: '',
  bodyBytes: 0,
  rawBody: null,
  faults: null,
  errorCode: null,
  isErrorHandled: false,
  logReason: null,
});

/** Begins a request: gives it a fresh state, and its response the id of the request. */
export function beginRequest(request: FastifyRequest, reply: FastifyReply): void {
  request.state = createRequestState(reply);
  reply.header('x-request-id', request.id);
}

/** Begins every request of `app` and of its child contexts. Register it before any other hook. */
export function registerRequestState(app: App): void {
  app.decorateRequest('state');
  app.addHook('onRequest', (request, reply, done) => {
    beginRequest(request, reply);
    done();
  });
}

/** Returns the account of an authenticated request. @throws LOGIN_REQUIRED when the request has none */
export function getAccount(request: FastifyRequest): Account {
  const { account } = request.state;
  if (!account) throw new EmulatorError('LOGIN_REQUIRED', 'the route is not behind authentication');
  return account;
}

/** Returns the faults that apply to the request, to add one to them. */
export function getPendingFaults({ state }: FastifyRequest): PendingFaults {
  state.faults ??= { directive: {}, responseEffect: {} };
  return state.faults;
}
