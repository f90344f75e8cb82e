import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { AccountProfile } from '../core/accounts/accounts.ts';
import type { Core } from '../core/core.ts';
import type { AbortSignal } from '../core/globals.ts';
import type { Results } from '../rendering/result-renderer.ts';
import type { Journal } from './journal/journal.ts';
import type { OpenedEntry } from './journal/opened-entry.ts';
import type { ConcurrencyLimit } from './pipeline/concurrency-limit.ts';
import type { ErrorTable } from './pipeline/error-table.ts';
import type { ZodTypeProvider } from './pipeline/validation.ts';
import type { PriceOverrides } from './prices.ts';

/** The settings that routes of the API and of result files use. */
interface ApiSettings {
  /** HTTP status of a poll that reports a failed task: the vendor page's sample has 200, its table of codes 500. */
  failedTaskStatus: 200 | 500;
  /** Whether chunks of streamed texts end inside of characters. */
  splitCharacters: boolean;
  /** Base of result URLs; undefined: the request's Host; `vendor`: the vendor's own hosts. */
  publicUrl: string | undefined;
  /** How long the files of a result exist, on the account's clock; null: forever. */
  resultTtlSeconds: number | null;
  /** Prices that differ from the vendor's, by family name. */
  priceOverrides: Readonly<Record<string, PriceOverrides>>;
  /** Maximum length of a text without a documented maximum. */
  textLimitCharacters: number;
  fixturesDir: string;
  /** The version of the emulator. */
  version: string;
}

/** The settings that only the control plane uses. */
interface ControlPlaneSettings {
  /** Initial values of new accounts for the fields that a request omits. */
  newAccountProfile: AccountProfile;
  /** The accounts of the seed file, for the reset of all accounts. */
  seedAccounts: readonly { key: string; profile: AccountProfile }[];
  /** The accounts of the seed file that are documents of an export, in the order of the file. */
  seedStates?: readonly { account: { key: string } }[];
  adminToken: string | undefined;
  /** Token with which clients on other machines may use the control plane; those on this machine need none. */
  remoteToken?: string | undefined;
  /** Whether clients on other machines may use the control plane without a token. */
  adminRemote: boolean;
  /** Host names, besides the local ones, under which the control plane may be used without a token. */
  adminHosts: readonly string[] | undefined;
  bodyLimitBytes: number;
  /** Maximum number of fault rules, for each account and for the global ones. */
  faultLimit: number;
}

/** The accounts of files, which the emulator shows without changing them. */
export interface OpenedState {
  /** The file or directory, as the user wrote it. */
  path: string;
  /** By account id. */
  journals: ReadonlyMap<number, OpenedJournal>;
}

/** The parts of a file that an import ignores. */
export interface OpenedJournal {
  requests: readonly OpenedEntry[];
  /** Undefined: the file has none. */
  verdict: VerdictJson | undefined;
}

/** A verdict as the control plane returns it. */
export interface VerdictJson {
  ok: boolean;
  findings: { code: string; message: string; requests: string[] }[];
}

export interface HttpSettings extends ApiSettings, ControlPlaneSettings {
  /** When given, the emulator is read-only. */
  opened?: OpenedState | undefined;
}

/** The services that routes use. */
export interface HttpContext {
  core: Core;
  settings: HttpSettings;
  journal: Journal;
  results: Results;
  /** The error codes of all routes. A fault can inject each of them on any route. */
  documentedErrors: ErrorTable;
  /** Limits long-running responses of the API. */
  streamLimit: ConcurrencyLimit;
  /** Limits long-running responses of the control plane. */
  listenerLimit: ConcurrencyLimit;
  /** Aborts when the server stops; open streams then end. */
  stopping: AbortSignal;
}

/**
 * A Fastify instance whose routes validate with zod schemas. Annotate the parameter of a plugin with it, as in
 * `app.register(async (child: App) => …)`: Fastify otherwise types child contexts without the type provider.
 */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/**
 * The kind of a family's route: `submit` charges and creates tasks, `poll` reads tasks, `stream` charges and streams a
 * text, `synchronous` charges and responds with the result.
 */
export type RouteKind = 'submit' | 'poll' | 'stream' | 'synchronous';

declare module 'fastify' {
  interface FastifyContextConfig {
    errors?: ErrorTable;
    /** The family that the route belongs to. */
    family?: string;
    /** Absent on routes that are not part of a family. */
    kind?: RouteKind;
    /** Whether all responses with the same content share one buffer. */
    isSharedBody?: boolean;
  }
}
