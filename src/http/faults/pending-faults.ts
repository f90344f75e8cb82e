import { EmulatorError } from '../../core/errors.ts';
import type { Effect } from '../../core/faults/fault-rules.ts';
import type { CannedResponse } from './canned-response.ts';
import type { Directive } from './directives.ts';

/** What is going to go wrong with a request. */
export interface PendingFaults {
  /** What the header and the texts of the body ask for. */
  directive: Directive;
  /** Told instead of charging. */
  refusal?: { code: string; status?: number | undefined };
  /** Done to the answer when it goes out. */
  responseEffect: Effect;
  /** What goes out whatever the request would have been answered. */
  cannedResponse?: CannedResponse;
}

/** An error that was asked for, with the status it was asked to have. */
export class InjectedError extends EmulatorError {
  readonly status: number | undefined;

  constructor(code: string, status?: number, facts: Record<string, number> = {}) {
    super(code, 'as asked for by a fault', facts);
    this.status = status;
  }
}
