import rateLimit from '@fastify/rate-limit';
import type { FastifyReply } from 'fastify';
import type { Core } from '../../core/core.ts';
import { EmulatorError } from '../../core/errors.ts';
import { WINDOW_MS } from '../../core/time/rate-limiter.ts';
import type { App } from '../context.ts';

const WINDOW_SECONDS = WINDOW_MS / 1000;
/** The limit that an injected 429 states for accounts without one. Vendor page "API Overview": 100 requests per hour. */
const DOCUMENTED_LIMIT = 100;

type IncrementCallback = (error: Error | null, result?: { current: number; ttl: number }) => void;

/** Registers `@fastify/rate-limit` with a store whose windows run on the clock of each account. */
export async function registerRateLimit(app: App, core: Core): Promise<void> {
  class AccountStore {
    incr(accountId: string | number, callback: IncrementCallback): void {
      const account = core.accounts.get(Number(accountId));
      const { count, leftMs } = core.rateLimiter.hit(account.id, core.timeline.nowMs(account));
      callback(null, { current: count, ttl: leftMs });
    }

    child(): AccountStore {
      return this;
    }
  }

  await app.register(rateLimit, {
    timeWindow: WINDOW_MS,
    store: AccountStore,
    keyGenerator: (request) => request.state.account?.id ?? 0,
    allowList: (request) => request.state.account === null || request.state.account.rateLimit === null,
    // Not called for requests of the allow list.
    max: (request) => request.state.account!.rateLimit!,
    errorResponseBuilder: (_request, { max }) =>
      new EmulatorError('API_KEY_RATE_LIMIT_EXCEEDED', `more than ${max} requests in this hour`),
  });
}

/**
 * Gives an injected 429 the headers of a real one. For limited accounts, counting this request has already set the
 * limit and the end of the window.
 */
export function setLimitExceededHeaders(reply: FastifyReply): void {
  const limit = reply.getHeader('x-ratelimit-limit') ?? DOCUMENTED_LIMIT;
  const resetSeconds = reply.getHeader('x-ratelimit-reset') ?? WINDOW_SECONDS;
  reply.headers({
    'x-ratelimit-limit': limit,
    'x-ratelimit-remaining': 0,
    'x-ratelimit-reset': resetSeconds,
    'retry-after': resetSeconds,
  });
}
