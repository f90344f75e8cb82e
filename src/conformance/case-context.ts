import { randomBytes } from 'node:crypto';
import type { AccountControl, Control } from '../client/api.ts';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import { Aborted, excerpt, Mismatch, Skipped } from './case-errors.ts';
import type { ContractValidator } from './contract-validator.ts';
import { describeError, type HttpResponse, isConnectionError, mayHaveReachedServer, request } from './http-client.ts';
import { probeMedia } from './media-probe.ts';

export interface RequestOptions {
  /** Null: none. Undefined: the key of the case. */
  key?: string | null;
  method?: string;
  headers?: Record<string, string>;
  /** Sent as it is, instead of a body in JSON. */
  text?: string;
}

/** An account as a case needs it. */
export interface AccountRequirements {
  credits?: number;
  /** Requests an hour; absent: none are counted. */
  rateLimit?: number;
}

/** A server as a run knows it. */
export interface Target {
  url: string;
  /** Where there is a control plane, each case has accounts of its own. */
  control: Control | undefined;
  /** The key to use where there is none. */
  key: string | undefined;
  /** Credits that may still be spent there. */
  budget: { left: number; spent: number };
  /** How long a task may take where its time cannot be moved. */
  patienceMs: number;
  pollEveryMs: number;
  sleep: (ms: number) => Promise<void>;
  /** An MP4 file, for uploads. */
  getFourSecondVideo: () => Buffer;
  /** Told of every request and its answer. */
  onExchange: (exchange: Exchange, caseInfo: CaseInfo) => void;
}

/** What is looked at, as far as a bench has to know it. */
export interface CaseInfo {
  id: string;
  name: string;
  provenance: Provenance;
  /** Nothing that it sends can be charged for. */
  isFree: boolean;
}

export interface Exchange {
  method: string;
  path: string;
  requestBody: Json;
  /** Whether `sent` went out as it is, and not as JSON. */
  isRawText: boolean;
  key: string | null;
  response: HttpResponse;
}

export type CaseContext = ReturnType<typeof createCaseContext>;

const DAY_MS = 86_400_000;

export type { HttpResponse } from './http-client.ts';

/** What a case may do. */
export function createCaseContext(target: Target, validator: ContractValidator, caseInfo: CaseInfo) {
  const { control, budget } = target;
  const { isFree } = caseInfo;
  const createdAccounts: AccountControl[] = [];
  let caseKey: string | undefined;

  async function getKey(requirements: AccountRequirements = {}): Promise<string> {
    if (control) {
      const { credits = 1_000_000, rateLimit = null } = requirements;
      const name = `np_verify_${randomBytes(9).toString('hex')}`;
      const account = await control.accounts.create({ key: name, credits, rateLimit, clock: 'frozen' });
      createdAccounts.push(account);
      return account.key;
    }
    if (requirements.credits !== undefined)
      throw new Skipped(`needs an account with a balance of ${requirements.credits}`);
    if (requirements.rateLimit !== undefined) throw new Skipped("would use up the key's requests");
    if (target.key === undefined) throw new Skipped('needs a key: give one with --key');
    return target.key;
  }

  /** The account of a key, to do with as one likes. `why`: what cannot be had otherwise. */
  function requireAccountControl(name: string, reason: string): AccountControl {
    if (!control) throw new Skipped(reason);
    return control.account(name);
  }

  async function call(path: string, body: Json, options: RequestOptions = {}): Promise<HttpResponse> {
    const { method = 'POST', headers = {}, text } = options;
    if (options.key === undefined) caseKey ??= await getKey();
    const bearer = options.key === undefined ? caseKey : options.key;
    const isSafe = control !== undefined || isFree || bearer === null;
    if (budget.left < 0) {
      throw new Aborted('the server took what is documented to be refused, and may have charged for it');
    }
    if (!isSafe && !validator.isPriceKnown(path)) throw new Skipped('what it costs is not documented');
    const price = isSafe ? 0 : validator.estimatePrice(path, body);
    if (price > budget.left) {
      throw new Skipped(`could cost ${price}, and ${budget.left} may be spent (--spend)`);
    }
    const bodyText = text ?? (body === undefined ? undefined : JSON.stringify(body));
    /** What may have been charged counts as charged, whatever was thought to be free. */
    const charge = () => {
      if (control || bearer === null) return;
      const credits = validator.estimatePrice(path, body);
      budget.spent += credits;
      budget.left = validator.isPriceKnown(path) ? budget.left - credits : -1;
    };
    const init = {
      method,
      headers: {
        ...(bodyText !== undefined && { 'content-type': 'application/json' }),
        ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      ...(bodyText !== undefined && { body: bodyText }),
    };
    const response = await request(target.url + path, init).catch((error) => {
      // It may have been taken for all that.
      if (!isFree && mayHaveReachedServer(error)) charge();
      if (isConnectionError(error)) throw new Mismatch('an answer', `none: ${describeError(error)}`);
      throw new Aborted(`${target.url} does not answer: ${describeError(error)}`);
    });
    const isRefused = response.status >= 400 && response.status < 500;
    if (!isRefused) charge();
    // Nothing was to be charged for this; what else it takes nobody knows.
    if (!isRefused && isFree && !control && bearer !== null) budget.left = -1;
    if (response.isCut) throw new Mismatch('an answer that ends', describeResponse(response));
    const isRawText = text !== undefined;
    target.onExchange({ method, path, requestBody: text ?? body, isRawText, key: bearer ?? null, response }, caseInfo);
    if (!control && response.status === 429) {
      throw new Aborted('the rate limit of the key is used up; try again in an hour');
    }
    return response;
  }

  /** Polls until it is over. Where there is a control plane, time is moved. */
  async function pollUntilDone(account: string, poll: () => Promise<HttpResponse>): Promise<HttpResponse> {
    if (control) {
      await control.account(account).clock.advance(DAY_MS);
      return poll();
    }
    for (let waitedMs = 0; ; waitedMs += target.pollEveryMs) {
      const response = await poll();
      if (!isInProgress(response)) return response;
      if (waitedMs > target.patienceMs) {
        throw new Skipped(`the task took longer than ${target.patienceMs / 1000} s (--patience)`);
      }
      await target.sleep(target.pollEveryMs);
    }
  }

  return {
    validator,
    isControlled: control !== undefined,
    getFourSecondVideo: target.getFourSecondVideo,
    getKey,
    requireAccountControl,
    call,
    pollUntilDone,
    /** Sends it, and refuses what the contract's document does not have. */
    async callAndValidate(path: string, body: Json, options?: RequestOptions): Promise<HttpResponse> {
      const response = await call(path, body, options);
      validator.assert(options?.method ?? 'POST', path, response);
      return response;
    },
    /** A file that an answer leads to. */
    probeMedia,
    /** Leaves nothing behind. */
    async end(): Promise<void> {
      for (const account of createdAccounts) await account.remove();
    },
  };
}

/** Whether a poll will be told something else later. */
export const isInProgress = ({ status, body }: HttpResponse): boolean =>
  status === 200 && ['processing', 'pending', 'generating'].includes(body?.status);

export const describeResponse = ({ status, text }: HttpResponse) => `${status} ${excerpt(text)}`;

/** @throws Differs unless it is this refusal */
export function assertRefused(response: HttpResponse, status: number, code: string): void {
  if (response.status === status && response.body?.errorCode === code) return;
  throw new Mismatch(`${status} ${code}`, describeResponse(response));
}

/** @throws Differs unless it was accepted */
export function assertAccepted(response: HttpResponse): void {
  if (response.status !== 200) throw new Mismatch('200', describeResponse(response));
}
