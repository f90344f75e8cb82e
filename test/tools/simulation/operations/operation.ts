import type { Random } from '../../../../src/core/random.ts';
import type { Model, ModelAccount } from '../model/model.ts';

export interface SimulatedResponse {
  status: number;
  headers: Record<string, unknown>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: response bodies of every shape are checked
  json: any;
}

/** The response that a request must get. */
export interface Expectation {
  status: number | readonly number[];
  /** Fields of the body that must have these values. */
  body?: object;
  headers?: Record<string, string | undefined>;
  /** The wall time by which the response must have come. */
  untilMs?: number;
  /** Returns what is wrong with the response; undefined for nothing. */
  check?: (response: SimulatedResponse) => string | undefined;
}

/** A request that a client may send. */
export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  /** The keys of the accounts that it may change. */
  touches: readonly string[];
  /** The API key that it is sent with; absent for the control plane. */
  key?: string;
  body?: object;
  headers?: Record<string, string>;
  /** Whether the rows have the task of a text or watermark removal, which remains, refunded, after a failure. */
  hasStarted?(rows: Rows): boolean;
  /** Whether nothing else may be sent in the same turn. */
  isAlone?: boolean;
  /** Whether its success ends all requests in progress of the account. */
  endsLifetime?: boolean;
  /** Changes the model as the request must change the emulator, and returns the response that must follow. */
  apply(): Expectation;
  /** Reads what the emulator has drawn by chance, once the request has been processed. */
  adopt?(rows: Rows): string | undefined;
}

/** Reads rows of the database, uncommitted ones included. */
export interface Rows {
  // biome-ignore lint/suspicious/noExplicitAny: rows of any table
  all(sql: string, ...parameters: unknown[]): any[];
}

export interface OperationContext {
  random: Random;
  model: Model;
  /** The accounts that may be used next. */
  accounts: readonly ModelAccount[];
}

/** Returns what differs between a value and what is expected of it, for the fields that are expected. */
export function findDifference(actual: unknown, expected: unknown, path = 'body'): string | undefined {
  if (expected === null || typeof expected !== 'object') {
    return Object.is(actual, expected)
      ? undefined
      : `${path} is ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`;
  }
  if (actual === null || typeof actual !== 'object') return `${path} is ${JSON.stringify(actual)}`;
  if (Array.isArray(expected) && (actual as unknown[]).length !== expected.length) {
    return `${path} has ${(actual as unknown[]).length} items instead of ${expected.length}`;
  }
  for (const [name, value] of Object.entries(expected)) {
    const difference = findDifference((actual as Record<string, unknown>)[name], value, `${path}.${name}`);
    if (difference) return difference;
  }
  return undefined;
}

/** Returns what is wrong with a response; undefined for nothing. */
export function findFault(
  response: SimulatedResponse,
  { status, body, headers, check }: Expectation,
): string | undefined {
  const statuses = typeof status === 'number' ? [status] : status;
  if (!statuses.includes(response.status)) return `status ${response.status} instead of ${statuses.join(' or ')}`;
  if (headers) {
    const difference = findDifference(response.headers, headers, 'headers');
    if (difference) return difference;
  }
  return (body && findDifference(response.json, body)) ?? check?.(response);
}
