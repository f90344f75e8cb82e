import { randomBytes } from 'node:crypto';
import type { AccountControl, Control } from '../client/api.ts';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import { describeResponse, isInProgress } from './assertions.ts';
import { Aborted, Mismatch, Skipped } from './case-errors.ts';
import type { ContractValidator } from './contract-validator.ts';
import { describeError, type HttpResponse, isConnectionError, mayHaveReachedServer, request } from './http-client.ts';
import { probeMedia } from './media-probe.ts';

export interface RequestOptions {
  /** Null: no key. Undefined: the key of the case. */
  key?: string | null;
  method?: string;
  /** An empty `content-type` sends a body without this header. */
  headers?: Record<string, string>;
  /** Sent unchanged instead of a JSON body. */
  text?: string;
}

/** Properties of the account that a case needs. */
export interface AccountRequirements {
  credits?: number;
  /** Requests per hour. Undefined: unlimited. */
  rateLimit?: number;
}

/** The server under test and the limits of a run. */
export interface Target {
  url: string;
  /** Undefined: the server has no control plane, and cases cannot create accounts. */
  control: Control | undefined;
  /** API key for a server without a control plane. */
  key: string | undefined;
  /** Credits of that key that a run may still spend, and has spent. */
  budget: { left: number; spent: number };
  /** Maximum duration of a task on a server whose time cannot be advanced. */
  patienceMs: number;
  pollEveryMs: number;
  sleep: (ms: number) => Promise<void>;
  /** Reads an MP4 file of 4 s, for uploads. */
  getFourSecondVideo: () => Buffer;
  /** Called with every request and its response. */
  onExchange: (exchange: Exchange, caseInfo: CaseInfo) => void;
}

/** The identity and description of a conformance case. */
export interface CaseInfo {
  /** Unique and stable across versions, for example `sora-2/price-sora2-10`. */
  id: string;
  /** The promise of the contract, as a sentence that is true if the server keeps it. */
  name: string;
  /** Where the promise comes from. */
  provenance: Provenance;
  /**
   * Whether no server may charge for its requests: polls, missing keys, and requests that the vendor documents to be
   * refused. Any other request might be accepted and charged for by the real service, and needs a budget.
   */
  isFree: boolean;
}

/** A conformance case: one promise of the contract, and how to check it. */
export interface Case extends CaseInfo {
  /**
   * @throws Mismatch when the server does not keep the promise
   * @throws Skipped when the promise cannot be checked on this server
   */
  check(context: CaseContext): Promise<void>;
}

/**
 * Returns a function that defines cases that may be charged for. The prefix starts their ids; the subject, a path or an
 * API, starts their names.
 */
export const createCaseDefiner =
  (prefix: string, subject: string) =>
  (id: string, name: string, provenance: Provenance, check: Case['check']): Case => ({
    id: `${prefix}/${id}`,
    name: `${subject}: ${name}`,
    provenance,
    isFree: false,
    check,
  });

export interface Exchange {
  method: string;
  path: string;
  requestBody: Json;
  /** Whether `requestBody` was sent unchanged instead of as JSON. */
  isRawText: boolean;
  /** Content type of the request if it is not `application/json`; empty for a body without a content type. */
  contentType?: string | undefined;
  /** Why the request cannot be sent again from its sample. */
  notRepeatable?: string | undefined;
  /** Why the service gave no usable response. `response` is from the recorder itself. */
  failure?: string | undefined;
  key: string | null;
  response: HttpResponse;
}

export type CaseContext = ReturnType<typeof createCaseContext>;

const DAY_MS = 86_400_000;

/** Creates what the check of a case works with: requests, accounts and time on the server under test. */
export function createCaseContext(target: Target, validator: ContractValidator, caseInfo: CaseInfo) {
  const { control, budget } = target;
  const { isFree } = caseInfo;
  const createdAccounts: AccountControl[] = [];
  let caseKey: string | undefined;

  async function getKey(requirements: AccountRequirements = {}): Promise<string> {
    if (control) {
      const { credits = 1_000_000, rateLimit = null } = requirements;
      const name = `np_verify_${randomBytes(9).toString('hex')}`;
      await control.accounts.create({ key: name, credits, rateLimit, clock: 'frozen', failureRate: 0 });
      // Not the key of the response: reports and recordings remove this key from texts with regular expressions.
      createdAccounts.push(control.account(name));
      return name;
    }
    if (requirements.credits !== undefined)
      throw new Skipped(`needs an account with a balance of ${requirements.credits}`);
    if (requirements.rateLimit !== undefined) throw new Skipped('would exhaust the rate limit of the key');
    if (target.key === undefined) throw new Skipped('needs an API key; pass --key');
    return target.key;
  }

  /** Returns the control of an account. @throws Skipped with this reason without a control plane */
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
      throw new Aborted('the server accepted a request that must be refused, and may have charged for it');
    }
    if (!isSafe && !validator.isPriceKnown(path)) throw new Skipped('its price is not documented');
    const price = isSafe ? 0 : validator.estimatePrice(path, body);
    if (price > budget.left) {
      throw new Skipped(`could cost ${price} credits, but --spend leaves ${budget.left}`);
    }
    const bodyText = text ?? (body === undefined ? undefined : JSON.stringify(body));
    /** Counts a request that may have been charged as charged, even one that should be free. */
    const charge = () => {
      if (control || bearer === null) return;
      const credits = validator.estimatePrice(path, body);
      budget.spent += credits;
      budget.left = validator.isPriceKnown(path) ? budget.left - credits : -1;
    };
    const { 'content-type': contentType, ...otherHeaders } = headers;
    const sentType = contentType ?? (bodyText === undefined ? '' : 'application/json');
    const init = {
      method,
      headers: {
        ...(sentType !== '' && { 'content-type': sentType }),
        ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
        ...otherHeaders,
      },
      // For a text, fetch would add a content type.
      ...(bodyText !== undefined && { body: Buffer.from(bodyText) }),
    };
    const response = await request(target.url + path, init).catch((error) => {
      // The server may have accepted the request before the connection broke.
      if (!isFree && mayHaveReachedServer(error)) charge();
      if (isConnectionError(error)) throw new Mismatch('a response', `none: ${describeError(error)}`);
      throw new Aborted(`${target.url} does not respond: ${describeError(error)}`);
    });
    const isRefused = response.status >= 400 && response.status < 500;
    if (!isRefused) charge();
    // A server that accepts what should be free may charge any amount for it.
    if (!isRefused && isFree && !control && bearer !== null) budget.left = -1;
    if (response.isCut) throw new Mismatch('a response of limited size', describeResponse(response));
    const isRawText = text !== undefined;
    const sent = { method, path, requestBody: text ?? body, isRawText, contentType, key: bearer ?? null };
    target.onExchange({ ...sent, response }, caseInfo);
    if (!control && response.status === 429) {
      throw new Aborted('the rate limit of the key is exhausted; try again in an hour');
    }
    return response;
  }

  /** Polls until the task has ended. With a control plane, it advances the clock instead of waiting. */
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
    /** Sends a request and validates the response. @throws Mismatch when the contract does not allow the response */
    async callAndValidate(path: string, body: Json, options?: RequestOptions): Promise<HttpResponse> {
      const response = await call(path, body, options);
      validator.assert(options?.method ?? 'POST', path, response);
      return response;
    },
    probeMedia,
    /** Removes the accounts that the case created. */
    async end(): Promise<void> {
      for (const account of createdAccounts) await account.remove();
    },
  };
}
