import type { z } from 'zod';
import type { AdminErrorCode } from './error-codes.ts';

/** The parts of the control plane, as docs/control-plane.md has them. */
export const TAGS = {
  emulator: 'The emulator as a whole',
  accounts: 'Keys with their credits, limiters and ledgers',
  time: 'How time passes for an account',
  tasks: 'What was ordered, and how it ends',
  faults: 'Rules that make something go wrong',
  requests: 'What the client did',
  states: 'Accounts as they were: snapshots, forks, resets',
};

/** An answer that is no JSON. */
export interface NonJsonResponse {
  description: string;
  /** Bytes where they are no texts; none: there is no body. */
  types: readonly string[];
}

/** What the contract document says of a call, beside what its schemas say already: `config.call` of each route. */
export interface Operation {
  /** What clients made of the document call it. */
  name: string;
  tag: keyof typeof TAGS;
  summary: string;
  /** What one would not expect of it. */
  description: string;
  /** What it answers where it is not refused, by status; null: no body. */
  responses: Readonly<Record<number, z.ZodType | NonJsonResponse | null>>;
  /** How it can be refused, beside what is common to all calls that have the same parts. */
  codes?: readonly AdminErrorCode[];
  /** Outside of the guard: for everybody, without a token. */
  isOpen?: true;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation;
  }
}
