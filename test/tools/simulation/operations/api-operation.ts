import { countRequest } from '../model/account-model.ts';
import { DEFAULT_PROFILE } from '../model/facts.ts';
import type { JournalEntry, ModelAccount } from '../model/model.ts';
import type { Expectation, Operation, OperationContext } from './operation.ts';

export interface ApiRequest {
  path: string;
  body: object;
  /** Changes the model and returns the response, once the request is authenticated and counted. */
  serve(account: ModelAccount): Expectation;
}

/** Wraps what happens before any request of the API is served: authentication, auto-creation and the rate limit. */
export function apiOperation(
  { model }: OperationContext,
  key: string,
  { path, body, serve }: ApiRequest,
): Omit<Operation, 'adopt'> {
  return {
    ...{ method: 'POST', path, key, body, touches: [key] },
    apply() {
      let account = model.accounts.get(key);
      if (account?.state.revoked) return { status: 401, body: { errorCode: 'LOGIN_REQUIRED' } };
      account ??= model.create(key, { ...DEFAULT_PROFILE }, true);
      const entry: JournalEntry = { method: 'POST', path, at: model.now(account) };
      account.journal?.push(entry);
      const count = countRequest(account.state, model.now(account));
      const headers = {
        'x-ratelimit-limit': count ? String(account.state.limit) : undefined,
        'x-ratelimit-remaining': count ? String(count.remaining) : undefined,
        'x-ratelimit-reset': count ? String(Math.ceil(count.leftMs / 1000)) : undefined,
      };
      const { check, ...expected }: Expectation = count?.isOver
        ? { status: 429, body: { errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' } }
        : serve(account);
      return {
        ...expected,
        headers,
        check(response) {
          entry.status = response.status;
          return check?.(response);
        },
      };
    },
  };
}
