import type { FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts/accounts.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { HttpContext } from '../context.ts';

/** Keys that make their own account at first use (a setting): a test needs no set-up call. At most 200 characters. */
const AUTO_ACCOUNT_KEY = /^np_test_[\x21-\x7e]{0,192}$/;

/** RFC 9110: the scheme's case does not matter. */
const BEARER = /^bearer +([\x21-\x7e]+) *$/i;

/** The key of an Authorization header; undefined when there is none to speak of. */
export function parseBearerKey(header: string | undefined): string | undefined {
  return header === undefined ? undefined : BEARER.exec(header)?.[1];
}

export function createAuthenticate({ core, settings, journal }: HttpContext) {
  function identify(request: FastifyRequest): Account | undefined {
    const key = parseBearerKey(request.headers.authorization);
    if (key === undefined) return undefined;
    const account = core.accounts.find(key);
    if (account) {
      core.autoAccounts.touch(account);
      return account.revoked ? undefined : account;
    }
    if (!settings.autoAccounts || !AUTO_ACCOUNT_KEY.test(key)) return undefined;
    return core.autoAccounts.create(key, settings.newAccountProfile);
  }

  /**
   * First of all checks. A path that does not exist is 404 for everybody, but who calls it with a key has the call
   * counted.
   * @throws EmulatorError LOGIN_REQUIRED, TOO_MANY_ACCOUNTS
   */
  return function authenticate(request: FastifyRequest): void {
    request.state.account = identify(request) ?? null;
    if (request.state.account) request.state.journalEntry = journal.begin(request, request.state.account);
    if (!request.state.account && !request.is404) {
      journal.countUnauthorized();
      throw new EmulatorError('LOGIN_REQUIRED', 'no key, an unknown key or a revoked one');
    }
  };
}
