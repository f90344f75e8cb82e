import type { FastifyRequest } from 'fastify';
import type { Account } from '../../core/accounts/accounts.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { Emulator } from '../context.ts';

/** Keys that make their own account at first use (a setting): a test needs no set-up call. At most 200 characters. */
const SELF_MADE = /^np_test_[\x21-\x7e]{0,192}$/;

/** RFC 9110: the scheme's case does not matter. */
const BEARER = /^bearer +([\x21-\x7e]+) *$/i;

/** The key of an Authorization header; undefined when there is none to speak of. */
export function bearerKey(header: string | undefined): string | undefined {
  return header === undefined ? undefined : BEARER.exec(header)?.[1];
}

export function createAuthenticate({ core, settings, journal }: Emulator) {
  function identify(request: FastifyRequest): Account | undefined {
    const key = bearerKey(request.headers.authorization);
    if (key === undefined) return undefined;
    const account = core.accounts.find(key);
    if (account) {
      core.selfMade.used(account);
      return account.revoked ? undefined : account;
    }
    if (!settings.autoAccounts || !SELF_MADE.test(key)) return undefined;
    return core.selfMade.make(key, settings.newAccountProfile);
  }

  /**
   * First of all checks. A path that does not exist is 404 for everybody, but who calls it with a key has the call
   * counted.
   * @throws EmulatorError LOGIN_REQUIRED, TOO_MANY_ACCOUNTS
   */
  return function authenticate(request: FastifyRequest): void {
    request.account = identify(request) ?? null;
    if (request.account) request.entry = journal.begin(request, request.account);
    if (!request.account && !request.is404) {
      journal.refuse();
      throw new EmulatorError('LOGIN_REQUIRED', 'no key, an unknown key or a revoked one');
    }
  };
}
