import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { AccountProfile } from '../core/accounts/accounts.ts';
import type { Core } from '../core/core.ts';
import type { PriceOverrides } from '../core/ledger/prices.ts';
import type { Results } from '../rendering/result-renderer.ts';
import type { Journal } from './journal/journal.ts';
import type { ConcurrencyLimit } from './pipeline/concurrency-limit.ts';
import type { ErrorTable } from './pipeline/error-table.ts';
import type { RouteDoc } from './pipeline/route-docs.ts';
import type { ZodTypeProvider } from './pipeline/validation.ts';

/** The settings that the wire depends on. */
export interface HttpSettings {
  /** HTTP status of a poll that tells of a failed task: the page's sample body goes with 200, its table says 500. */
  failedTaskStatus: 200 | 500;
  /** Base of returned URLs; undefined: the caller's Host; `vendor`: the vendor's own hosts. */
  publicUrl: string | undefined;
  /** How long the files of a result are there, on the account's clock; null: for good. */
  resultTtlSeconds: number | null;
  /** What an account starts with where nothing else is said of it. */
  newAccountProfile: AccountProfile;
  /** Whether unknown keys of a certain form make their own account. */
  autoAccounts: boolean;
  /** The accounts of the seed file, for a reset of everything. */
  seedAccounts: readonly { key: string; profile: AccountProfile }[];
  /** Where a family's prices differ from the vendor's, by the family's name. */
  priceOverrides: Readonly<Record<string, PriceOverrides>>;
  adminToken: string | undefined;
  /** Lets callers from other machines reach the control plane without a token. */
  adminRemote: boolean;
  /** Names of ours, beside the local ones, that no stranger can have made to lead here. */
  adminHosts: readonly string[] | undefined;
  bodyLimitBytes: number;
  /** Of a request's line and headers together. */
  headerLimitBytes: number;
  /** How long a request may take to arrive. */
  requestTimeoutSeconds: number;
  /** Answers under way at once, and listeners and waits of the control plane. */
  streamLimit: number;
  listenerLimit: number;
  /** Of an account, and of those for everybody. */
  faultLimit: number;
  /** How many requests of an account are kept; 0: none is. */
  journalEntries: number;
  fixturesDir: string;
  /** Of this emulator. */
  version: string;
}

/** What every route is given. */
export interface HttpContext {
  core: Core;
  settings: HttpSettings;
  journal: Journal;
  results: Results;
  /** Room for answers that take their time: those of the API, and those of the control plane. */
  streamLimit: ConcurrencyLimit;
  listenerLimit: ConcurrencyLimit;
  /** Aborts when the server stops: open streams break off. */
  stopping: AbortSignal;
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What a route does for its client: charges and returns a task, reads tasks, charges and streams a text, or charges and answers. */
export type RouteKind = 'submit' | 'poll' | 'stream' | 'synchronous';

declare module 'fastify' {
  interface FastifyContextConfig {
    errors?: ErrorTable;
    doc?: RouteDoc;
    /** The family that the route belongs to. */
    family?: string;
    /** Absent on routes that are not part of a family. */
    kind?: RouteKind;
  }
}
