import type { FastifyRequest } from 'fastify';
import type { Account, AccountProfile } from '../../core/accounts/accounts.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { HttpContext } from '../context.ts';
import type { RefusalReason } from '../journal/unauthorized-log.ts';

/** Keys for which an account is auto-created on first use, if the setting is on. At most 200 characters. */
const AUTO_ACCOUNT_KEY = /^np_test_[\x21-\x7e]{0,192}$/;

/** The scheme is case-insensitive (RFC 9110, section 11.1). */
const BEARER = /^bearer +([\x21-\x7e]+) *$/i;

/** Returns the key of an Authorization header, or undefined when the header is missing or malformed. */
export function parseBearerKey(header: string | undefined): string | undefined {
  return header === undefined ? undefined : BEARER.exec(header)?.[1];
}

/** @param newAccountProfile Initial values of auto-created accounts; undefined: accounts are not auto-created. */
export function createAuthenticate(
  { core, journal }: Pick<HttpContext, 'core' | 'journal'>,
  newAccountProfile: AccountProfile | undefined,
) {
  function findAccount(authorization: string | undefined, key: string | undefined): Account | RefusalReason {
    if (key === undefined) return authorization ? 'malformed' : 'missing';
    const account = core.accounts.find(key);
    if (account) {
      core.autoAccounts.touch(account);
      return account.revoked ? 'revoked' : account;
    }
    if (!newAccountProfile || !AUTO_ACCOUNT_KEY.test(key)) return 'unknown';
    return core.autoAccounts.create(key, newAccountProfile);
  }

  /**
   * Finds the account of a request and opens its journal entry, before all other checks. Unknown paths need no key;
   * with one, they count towards the rate limit.
   * @throws LOGIN_REQUIRED when the key is missing, unknown or revoked
   * @throws TOO_MANY_ACCOUNTS when no account can be auto-created
   */
  return function authenticate(request: FastifyRequest): void {
    const { authorization } = request.headers;
    const key = parseBearerKey(authorization);
    const account = findAccount(authorization, key);
    if (typeof account === 'object') {
      request.state.account = account;
      request.state.journalEntry = journal.begin(request, account);
    } else if (!request.is404) {
      journal.recordUnauthorized(request, key, account);
      throw new EmulatorError('LOGIN_REQUIRED', 'the key is missing, unknown or revoked');
    }
  };
}
