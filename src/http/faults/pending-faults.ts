import { EmulatorError } from '../../core/errors.ts';
import type { Effect } from '../../core/faults/fault-rules.ts';
import type { CannedResponse } from './canned-response.ts';
import type { Directive } from './directives.ts';

/** The faults that apply to one request, collected by the fault hooks while the request passes through them. */
export interface PendingFaults {
  /** The directive in the header and in the texts of the body. */
  directive: Directive;
  /** An error to throw when the request would be charged, because its body may have to name the price. */
  refusal?: { code: string; status?: number | undefined };
  /** Truncates or corrupts the response when it is sent. */
  responseEffect: Effect;
  /** Whether a canned response replaces the route's own. Rules at `accepted` do not apply to it. */
  hasCannedResponse?: true;
}

/**
 * An error that a fault rule, a directive or the failure rate injects. `status` overrides the documented status of the
 * code.
 */
export class InjectedError extends EmulatorError {
  readonly status: number | undefined;

  constructor(code: string, status?: number, facts: Record<string, number> = {}) {
    super(code, 'injected by the emulator', facts);
    this.status = status;
  }
}

/** Thrown to skip the route: the error handler sends `cannedResponse` as the response. */
export class InjectedResponse extends Error {
  readonly cannedResponse: CannedResponse;

  constructor(cannedResponse: CannedResponse) {
    super('the response is replaced by a fault');
    this.cannedResponse = cannedResponse;
  }
}

/** Thrown to skip the route and the response: the error handler closes the connection without sending anything. */
export class LostResponse extends Error {
  /** Whether the connection ends with a TCP reset. */
  readonly reset: boolean;

  constructor(reset = false) {
    super('the response is lost by a fault');
    this.reset = reset;
  }
}
