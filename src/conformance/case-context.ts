import { randomBytes } from 'node:crypto';
import type { AccountControl, Control } from '../client/api.ts';
import type { Source } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import { CannotGoOn, Differs, NotChecked, shown } from './case-errors.ts';
import type { Conformity } from './contract-validator.ts';
import { type Answer, ask, hasArrived, isBrokenOff, reasonOf } from './http-client.ts';
import { fileAt } from './media-probe.ts';

export interface Said {
  /** Null: none. Undefined: the key of the case. */
  key?: string | null;
  method?: string;
  headers?: Record<string, string>;
  /** Sent as it is, instead of a body in JSON. */
  text?: string;
}

/** An account as a case needs it. */
export interface Wish {
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
  videoOf4s: () => Buffer;
  /** Told of every request and its answer. */
  onExchange: (exchange: Exchange, of: Subject) => void;
}

/** What is looked at, as far as a bench has to know it. */
export interface Subject {
  id: string;
  name: string;
  mark: Source;
  /** Nothing that it sends can be charged for. */
  isFree: boolean;
}

export interface Exchange {
  method: string;
  path: string;
  sent: Json;
  /** Whether `sent` went out as it is, and not as JSON. */
  isText: boolean;
  key: string | null;
  answer: Answer;
}

export type Bench = ReturnType<typeof createBench>;

const A_DAY_MS = 86_400_000;

export type { Answer } from './http-client.ts';

/** What a case may do. */
export function createBench(target: Target, conformity: Conformity, of: Subject) {
  const { control, budget } = target;
  const { isFree } = of;
  const made: AccountControl[] = [];
  let ownKey: string | undefined;

  async function key(wish: Wish = {}): Promise<string> {
    if (control) {
      const { credits = 1_000_000, rateLimit = null } = wish;
      const name = `np_verify_${randomBytes(9).toString('hex')}`;
      const account = await control.accounts.create({ key: name, credits, rateLimit, clock: 'frozen' });
      made.push(account);
      return account.key;
    }
    if (wish.credits !== undefined)
      throw new NotChecked(`needs an account with a balance of ${wish.credits}`);
    if (wish.rateLimit !== undefined) throw new NotChecked("would use up the key's requests");
    if (target.key === undefined) throw new NotChecked('needs a key: give one with --key');
    return target.key;
  }

  /** The account of a key, to do with as one likes. `why`: what cannot be had otherwise. */
  function accountOf(name: string, why: string): AccountControl {
    if (!control) throw new NotChecked(why);
    return control.account(name);
  }

  async function call(path: string, body: Json, said: Said = {}): Promise<Answer> {
    const { method = 'POST', headers = {}, text } = said;
    if (said.key === undefined) ownKey ??= await key();
    const bearer = said.key === undefined ? ownKey : said.key;
    const isSafe = control !== undefined || isFree || bearer === null;
    if (budget.left < 0) {
      throw new CannotGoOn('the server took what is documented to be refused, and may have charged for it');
    }
    if (!isSafe && !conformity.isPriceKnown(path)) throw new NotChecked('what it costs is not documented');
    const price = isSafe ? 0 : conformity.priceOf(path, body);
    if (price > budget.left) {
      throw new NotChecked(`could cost ${price}, and ${budget.left} may be spent (--spend)`);
    }
    const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
    /** What may have been charged counts as charged, whatever was thought to be free. */
    const charge = () => {
      if (control || bearer === null) return;
      const credits = conformity.priceOf(path, body);
      budget.spent += credits;
      budget.left = conformity.isPriceKnown(path) ? budget.left - credits : -1;
    };
    const init = {
      method,
      headers: {
        ...(sent !== undefined && { 'content-type': 'application/json' }),
        ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      ...(sent !== undefined && { body: sent }),
    };
    const answer = await ask(target.url + path, init).catch((error) => {
      // It may have been taken for all that.
      if (!isFree && hasArrived(error)) charge();
      if (isBrokenOff(error)) throw new Differs('an answer', `none: ${reasonOf(error)}`);
      throw new CannotGoOn(`${target.url} does not answer: ${reasonOf(error)}`);
    });
    const isRefused = answer.status >= 400 && answer.status < 500;
    if (!isRefused) charge();
    // Nothing was to be charged for this; what else it takes nobody knows.
    if (!isRefused && isFree && !control && bearer !== null) budget.left = -1;
    if (answer.isCut) throw new Differs('an answer that ends', told(answer));
    const isText = text !== undefined;
    target.onExchange({ method, path, sent: text ?? body, isText, key: bearer ?? null, answer }, of);
    if (!control && answer.status === 429) {
      throw new CannotGoOn('the rate limit of the key is used up; try again in an hour');
    }
    return answer;
  }

  /** Polls until it is over. Where there is a control plane, time is moved. */
  async function finished(account: string, poll: () => Promise<Answer>): Promise<Answer> {
    if (control) {
      await control.account(account).clock.advance(A_DAY_MS);
      return poll();
    }
    for (let waitedMs = 0; ; waitedMs += target.pollEveryMs) {
      const answer = await poll();
      if (!isUnderWay(answer)) return answer;
      if (waitedMs > target.patienceMs) {
        throw new NotChecked(`the task took longer than ${target.patienceMs / 1000} s (--patience)`);
      }
      await target.sleep(target.pollEveryMs);
    }
  }

  return {
    conformity,
    isControlled: control !== undefined,
    videoOf4s: target.videoOf4s,
    key,
    accountOf,
    call,
    finished,
    /** Sends it, and refuses what the contract's document does not have. */
    async conforming(path: string, body: Json, said?: Said): Promise<Answer> {
      const answer = await call(path, body, said);
      conformity.assert(said?.method ?? 'POST', path, answer);
      return answer;
    },
    /** A file that an answer leads to. */
    file: fileAt,
    /** Leaves nothing behind. */
    async end(): Promise<void> {
      for (const account of made) await account.remove();
    },
  };
}

/** Whether a poll will be told something else later. */
export const isUnderWay = ({ status, body }: Answer): boolean =>
  status === 200 && ['processing', 'pending', 'generating'].includes(body?.status);

export const told = ({ status, text }: Answer) => `${status} ${shown(text)}`;

/** @throws Differs unless it is this refusal */
export function assertRefused(answer: Answer, status: number, code: string): void {
  if (answer.status === status && answer.body?.errorCode === code) return;
  throw new Differs(`${status} ${code}`, told(answer));
}

/** @throws Differs unless it was accepted */
export function assertAccepted(answer: Answer): void {
  if (answer.status !== 200) throw new Differs('200', told(answer));
}
