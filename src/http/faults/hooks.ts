import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Effect, Fault, FaultContext, Stage } from '../../core/faults/fault-rules.ts';
import { DEFAULT_FAILURE_CODE, type PlanOverrides, type TaskOutcome } from '../../core/tasks/plan.ts';
import { accountTimeMs } from '../../core/time/clock.ts';
import type { HttpContext } from '../context.ts';
import { getTaskIds } from '../journal/entry.ts';
import { getAccount, getPendingFaults } from '../pipeline/request-state.ts';
import { onFinished } from '../pipeline/response-lifecycle.ts';
import { createRedactor } from '../redaction.ts';
import { applyCannedResponse, type CannedResponse } from './canned-response.ts';
import {
  collectDirectives,
  type Directive,
  type DirectiveResult,
  mayContainDirective,
  OPTIONS_HINT,
  parseDirective,
} from './directives.ts';
import { closeConnection, createEffects } from './effects.ts';
import { renderInjectedError } from './injected-error.ts';
import { InjectedError, InjectedResponse, LostResponse } from './pending-faults.ts';

export const FAULT_HEADER = 'x-emulator-fault';

/** Applies fault rules and directives at the stages outside of a route: `request`, `charge` and `accepted`. */
export function createFaultHooks(context: HttpContext) {
  const { core, journal } = context;
  const effects = createEffects(context);

  /**
   * Applies an effect before the route runs.
   * @throws InjectedError, InjectedResponse or LostResponse when the effect replaces the response
   */
  async function applyEffect(effect: Effect, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const errorCode = effect.errorCode ?? (effect.fail && getFailureCode(request));
    await effects.apply({ ...effect, errorCode }, request, reply);
    if (effect.truncateAfter !== undefined || effect.malformed) getPendingFaults(request).responseEffect = effect;
    if (!effect.answer) return;
    getPendingFaults(request).hasCannedResponse = true;
    throw new InjectedResponse(effect.answer as unknown as CannedResponse);
  }

  /** Like `applyEffect`, but defers an error to the route, because its response may have to contain the price. */
  async function applyEffectDeferringError(effect: Effect, request: FastifyRequest, reply: FastifyReply) {
    const { errorCode, fail, status, ...rest } = effect;
    await applyEffect(rest, request, reply);
    const code = errorCode ?? (fail && getFailureCode(request));
    if (code) getPendingFaults(request).refusal = { code, status };
  }

  /** Returns the credits that the request has been charged. */
  const getChargedCredits = (request: FastifyRequest) =>
    (request.state.journalEntry ? getTaskIds(request.state.journalEntry) : []).reduce(
      (sum, id) => sum + (core.tasks.find(getAccount(request).id, id)?.price ?? 0),
      0,
    );

  return {
    /** Cheap check whether any fault can apply to the request. */
    mayApply: (request: FastifyRequest): boolean =>
      !core.faults.isEmpty() || FAULT_HEADER in request.headers || mayContainDirective(request.state.bodyText),

    /** Applies directives and the rules at `request`. Call it when the body is parsed, before validation. */
    async beforeValidation(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      const { directive, warnings } = readDirectives(context, request);
      request.state.journalEntry?.setWarnings(warnings);
      if (Object.keys(directive).length > 0) {
        const { errorCode, delayMs, truncateAfter } = directive;
        const pending = getPendingFaults(request);
        pending.directive = directive;
        recordFault(context, request, `@emulator(${formatDirective(directive)})`);
        if (truncateAfter !== undefined) pending.responseEffect = { truncateAfter };
        if (delayMs !== undefined) await applyEffect({ delayMs }, request, reply);
        if (errorCode && isChargeable(request)) pending.refusal = { code: errorCode };
        else if (errorCode) throw new InjectedError(errorCode);
      }
      const fault = fireRule(context, request, 'request');
      if (!fault) return;
      const mustNamePrice = fault.effect.errorCode === 'INSUFFICIENT_CREDITS' && isChargeable(request);
      await (mustNamePrice ? applyEffectDeferringError : applyEffect)(fault.effect, request, reply);
    },

    /** Applies the rules at `charge`. Call it when the request is valid, before it is charged. */
    async beforeCharge(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      if (!isChargeable(request)) return;
      const fault = fireRule(context, request, 'charge');
      if (fault) await applyEffectDeferringError(fault.effect, request, reply);
    },

    /**
     * Applies the rules at `accepted` and pending response effects to a response. Returns the payload to send;
     * `reply.sent` is true when a truncated response has been sent instead.
     * @throws LostResponse when the client gets no response
     */
    async beforeSend(request: FastifyRequest, reply: FastifyReply, original: unknown): Promise<unknown> {
      let payload = original;
      const { journalEntry: entry } = request.state;
      const isAccepted = !request.state.faults?.hasCannedResponse && reply.statusCode === 200 && isChargeable(request);
      const fault = isAccepted && !core.faults.isEmpty() ? fireRule(context, request, 'accepted') : undefined;
      if (fault) {
        let isFinished = false;
        onFinished(request, reply, () => {
          isFinished = true;
          if (!(original instanceof Readable)) return;
          // The text has been charged, so it is produced to its end even if the client never reads it.
          if (original.readableDidRead) original.destroy();
          else original.resume();
        });
        const { answer, ...effect } = fault.effect;
        const errorBody = await applyToAccepted(effect, request, reply);
        // The client disconnected meanwhile, and a text has been read to its end: there is nothing left to send.
        if (isFinished) {
          effects.recordAborted(request, reply);
          throw new LostResponse();
        }
        if (entry && (answer || errorBody !== undefined)) entry.isReplaced = true;
        if (errorBody !== undefined) return errorBody;
        if (answer) payload = applyCannedResponse(answer as unknown as CannedResponse, request, reply);
      }
      const { truncateAfter, malformed } = request.state.faults?.responseEffect ?? {};
      if (entry && malformed) entry.isReplaced = true;
      if (payload instanceof Readable) {
        if (malformed) return Readable.from(corrupt(payload), { objectMode: true });
        const truncatesAtAccepted = fault?.effect.truncateAfter !== undefined;
        return truncatesAtAccepted
          ? Readable.from(truncate(payload, truncateAfter!, request), { objectMode: true })
          : payload;
      }
      if (typeof payload !== 'string') return payload;
      if (malformed) return `${payload.slice(0, Math.ceil(payload.length / 2))}<`;
      if (truncateAfter !== undefined) return truncateBody(payload, truncateAfter, request, reply);
      return payload;
    },
  };

  /** Prefixes a streamed text with bytes that are not valid UTF-8. */
  async function* corrupt(text: Readable) {
    yield Buffer.from([0xff, 0xfe, 0xff]);
    yield* text;
  }

  /** Streams the first `bytes` bytes of a text and closes the connection. */
  async function* truncate(text: Readable, bytes: number, request: FastifyRequest) {
    let remaining = bytes;
    for await (const piece of text) {
      const chunk = Buffer.from(piece);
      if (chunk.length >= remaining) {
        yield chunk.subarray(0, remaining);
        // Close before the stream ends: on an open connection, Node would send the terminating chunk.
        closeConnection(request, false);
        // Leaving the loop would destroy the text with an error, and its task would be refunded instead of captured.
        text.destroy();
        return;
      }
      remaining -= chunk.length;
      yield chunk;
    }
  }

  /**
   * Applies an effect at `accepted`, where an error does not undo the charge: it replaces the body only. Returns the
   * body of the error, or undefined when the response stays as it is.
   * @throws LostResponse when the client gets no response
   */
  async function applyToAccepted(effect: Effect, request: FastifyRequest, reply: FastifyReply) {
    try {
      await applyEffect(effect, request, reply);
      return undefined;
    } catch (error) {
      if (!(error instanceof InjectedError)) throw error;
      const injected = new InjectedError(error.code, error.status, {
        requiredCredits: getChargedCredits(request),
      });
      const { status, errorCode, body } = renderInjectedError(
        injected,
        reply,
        getErrorTable(request),
        context.documentedErrors,
      );
      request.state.errorCode = errorCode;
      reply.code(status).type('application/json; charset=utf-8');
      return JSON.stringify(body);
    }
  }

  /** Sends and records the first `bytes` bytes of a body; returns the body when it is not longer than that. */
  function truncateBody(payload: string, bytes: number, request: FastifyRequest, reply: FastifyReply) {
    const body = Buffer.from(payload);
    if (bytes >= body.length) return payload;
    journal.countResponse(reply.statusCode);
    request.state.journalEntry?.setResponseHead(request, reply);
    request.state.journalEntry?.appendResponseBody(body.subarray(0, bytes).toString());
    return effects.sendTruncated(body, bytes, reply);
  }
}

/** Whether the request can be charged: all kinds of routes except polls. */
const isChargeable = (request: FastifyRequest) => request.routeOptions.config.kind !== 'poll';

const getErrorTable = (request: FastifyRequest) => request.routeOptions.config.errors;
const getFailureCode = (request: FastifyRequest) =>
  getErrorTable(request)?.[DEFAULT_FAILURE_CODE] ? DEFAULT_FAILURE_CODE : 'INTERNAL_ERROR';

/**
 * Fires the first rule that matches at this stage and records it in the journal. Rules match the route's family and
 * URL and the request's body unless others are given.
 */
export function fireRule(
  context: Pick<HttpContext, 'core'>,
  request: FastifyRequest,
  stage: Stage,
  { family, endpoint, text }: Partial<FaultContext> = {},
): Fault | undefined {
  const { core } = context;
  if (core.faults.isEmpty()) return undefined;
  const account = getAccount(request);
  const faultContext: FaultContext = {
    accountId: account.id,
    family: family ?? request.routeOptions.config.family ?? '',
    endpoint: endpoint ?? request.routeOptions.url ?? '',
    text: text ?? (() => JSON.stringify(request.body ?? null)),
    identify: () => ({
      requestId: createRedactor([account.key])(request.id),
      atMs: accountTimeMs(account, core.clock.nowMs()),
    }),
  };
  const fault = core.faults.fire(stage, faultContext, account.seed);
  if (fault) recordFault(context, request, String(fault.id));
  return fault;
}

/** Adds a fault that applied, as a rule's id or a directive, to the journal entry and emits a `fault` event. */
export function recordFault({ core }: Pick<HttpContext, 'core'>, request: FastifyRequest, fault: string): void {
  const { journalEntry: entry } = request.state;
  if (entry) {
    const { faults } = entry;
    if (faults.length === 0) onFinished(request, request.state.reply, () => entry.setEnded());
    entry.addFault(fault);
    core.transactions.undoOnRollback(() => {
      entry.faults = faults;
    });
  }
  const { id: accountId } = getAccount(request);
  core.events.emit({
    type: 'fault',
    accountId,
    detail: { fault, request: entry ? String(entry.seq) : null },
  });
}

export const formatDirective = (directive: Directive) =>
  Object.entries(directive)
    .map(([option, value]) => (value === true ? option : `${option}=${value}`))
    .join(',');

/**
 * Reads the directives in the fault header and in the texts of a body. The header takes precedence. Like rules, they
 * can name the documented error codes of all routes.
 */
export function readDirectives(
  { documentedErrors }: Pick<HttpContext, 'documentedErrors'>,
  request: FastifyRequest,
  body: unknown = request.body,
): DirectiveResult {
  const isErrorCode = (code: string) => Object.hasOwn(documentedErrors, code);
  const result = collectDirectives(body, isErrorCode);
  const header = request.headers[FAULT_HEADER];
  if (typeof header !== 'string') return result;
  const directive = parseDirective(header, isErrorCode);
  if (directive) return { ...result, directive: { ...result.directive, ...directive } };
  const warning = `${FAULT_HEADER}: "${header}" is not a valid directive; ${OPTIONS_HINT}`;
  return { ...result, warnings: [...result.warnings, warning] };
}

const NO_OVERRIDES: PlanOverrides = {};

/**
 * Returns how the task of one order deviates from its plan: by a rule at `task`, by directives in the order's own
 * texts, or by the fault header. Directives take precedence over the rule.
 */
export function planOverridesFor(
  context: Pick<HttpContext, 'core' | 'documentedErrors'>,
  request: FastifyRequest,
  input: unknown,
): PlanOverrides {
  const ruleEffect = fireRule(context, request, 'task', { text: () => JSON.stringify(input) })?.effect;
  if (!ruleEffect && !request.state.faults) return NO_OVERRIDES;
  const directive = request.state.faults ? readDirectives(context, request, input).directive : {};
  const durationMs = directive.durationMs ?? ruleEffect?.durationMs;
  const errorCode = ruleEffect?.errorCode ?? DEFAULT_FAILURE_CODE;
  const outcome: TaskOutcome | undefined =
    (directive.hang ?? ruleEffect?.hang)
      ? { status: 'hangs' }
      : (directive.fail ?? ruleEffect?.fail ?? ruleEffect?.errorCode)
        ? { status: 'failed', errorCode }
        : undefined;
  return { ...(outcome && { outcome }), ...(durationMs !== undefined && { durationMs }) };
}

/** Returns the effect that applies in the middle of a streamed text whose task has this planned outcome. */
export function getStreamEffect(
  context: Pick<HttpContext, 'core'>,
  request: FastifyRequest,
  outcome: TaskOutcome,
): Effect {
  const ruleEffect = fireRule(context, request, 'stream')?.effect;
  const { truncateAfter } = request.state.faults?.responseEffect ?? {};
  return {
    ...(outcome.status === 'failed' && { fail: true }),
    ...(outcome.status === 'hangs' && { hang: true }),
    ...(truncateAfter !== undefined && { truncateAfter }),
    ...ruleEffect,
  };
}

/** @throws InjectedError with the price when a fault rejects the request just before it would be charged */
export function throwInjectedRefusal(request: FastifyRequest, requiredCredits: number): void {
  const refusal = request.state.faults?.refusal;
  if (refusal) throw new InjectedError(refusal.code, refusal.status, { requiredCredits });
}
