import type { FastifyRequest } from 'fastify';
import { copyPrefix } from '../../core/string-memory.ts';
import { maskKey, maskKeys } from '../redaction.ts';
import { getPathname } from '../urls.ts';

/** Number of requests that are kept. */
const MAX_ENTRIES = 50;
/** Every path of the API is shorter, and so is every key of an account. */
const MAX_TEXT_LENGTH = 200;
/** The end of a shorter key would be too much of it. */
const MIN_KEY_LENGTH_WITH_END = 16;

/** Why a request had no account. `malformed`: its `Authorization` is not `Bearer` and a key. */
export const REFUSAL_REASONS = ['missing', 'malformed', 'unknown', 'revoked'] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** A request that was rejected because it had no valid key. */
export interface UnauthorizedRequest {
  wallMs: number;
  method: string;
  path: string;
  requestId: string;
  /** The masked key; null if the request has none. */
  key: string | null;
  reason: RefusalReason;
}

/** Masks a key so that its owner recognizes it: a wrong key is often a right one of another service. */
function maskRecognizably(key: string): string {
  const masked = maskKey(key);
  return masked !== key && key.length >= MIN_KEY_LENGTH_WITH_END ? masked + key.slice(-4) : masked;
}

/** The latest requests without a valid key, in memory. They have no account, so no journal has them. */
export class UnauthorizedLog {
  #entries: UnauthorizedRequest[] = [];
  #count = 0;

  /** Number of such requests since the start. */
  get count(): number {
    return this.#count;
  }

  /** Counts a request and, with `isKept`, adds it to the list. */
  add(request: FastifyRequest, wallMs: number, key: string | undefined, reason: RefusalReason, isKept: boolean): void {
    this.#count += 1;
    if (!isKept) return;
    const toStored = (text: string) => copyPrefix(text, MAX_TEXT_LENGTH);
    this.#entries.push({
      ...{ wallMs, method: request.method, path: toStored(getPathname(request)), reason },
      requestId: toStored(key === undefined ? request.id : maskKeys(request.id, [key])),
      key: key === undefined ? null : toStored(maskRecognizably(key)),
    });
    if (this.#entries.length > MAX_ENTRIES) this.#entries.shift();
  }

  /** Lists the requests, newest first. */
  list(): readonly UnauthorizedRequest[] {
    return this.#entries.toReversed();
  }

  clear(): void {
    this.#entries = [];
  }
}
