import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Effect, Fault, FaultContext, Stage } from '../../core/faults/fault-rules.ts';
import type { PlanOverrides, TaskOutcome } from '../../core/tasks/plan.ts';
import type { HttpContext } from '../context.ts';
import { getTaskIds } from '../journal/entry.ts';
import { COMMON_ERRORS, type ErrorTable, renderInjectedError } from '../pipeline/error-table.ts';
import { getAccount } from '../pipeline/request-state.ts';
import { onFinished } from '../pipeline/response-lifecycle.ts';
import { applyCannedResponse, type CannedResponse } from './canned-response.ts';
import {
  collectDirectives,
  type Directive,
  type DirectiveResult,
  mayContainDirective,
  parseDirective,
} from './directives.ts';
import { abortConnection, createEffects, suspend } from './effects.ts';
import { InjectedError, type PendingFaults } from './pending-faults.ts';

const FAULT_HEADER = 'x-emulator-fault';
/** What a bare `fail` is told as where an answer, not a task, fails. */
const DEFAULT_FAILURE_CODE = 'GENERATION_FAILED';

/** Common codes that a page documents; the others are names of ours. */
const DOCUMENTED_COMMON_CODES = Object.keys(COMMON_ERRORS).filter(
  (code) => !('errorCode' in COMMON_ERRORS[code as keyof typeof COMMON_ERRORS]),
);

/** Whether a route answers with this code. */
export const createCodePredicate =
  (errors: ErrorTable = {}) =>
  (code: string) =>
    Object.hasOwn(errors, code) ? errors[code]!.errorCode === undefined : DOCUMENTED_COMMON_CODES.includes(code);

/** Lets rules and directives strike at the stages of a request that lie outside of its route. */
export function createFaultHooks(context: HttpContext) {
  const { core, journal } = context;
  const effects = createEffects(context);

  /** @throws AskedFor; never returns where the answer is lost */
  async function applyEffect(effect: Effect, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const errorCode = effect.errorCode ?? (effect.fail && getFailureCode(request));
    await effects.apply({ ...effect, errorCode }, request, reply);
    if (effect.truncateAfter !== undefined || effect.malformed) getPendingFaults(request).responseEffect = effect;
  }

  /** An error is told when the price is known, because the answer may have to name it. */
  async function applyEffectDeferringError(effect: Effect, request: FastifyRequest, reply: FastifyReply) {
    const { errorCode, fail, status, ...rest } = effect;
    await applyEffect(rest, request, reply);
    const code = errorCode ?? (fail && getFailureCode(request));
    if (code) getPendingFaults(request).refusal = { code, status };
  }

  /** Answers what the rule says in full, if it does, and never returns: the request goes no further. */
  async function sendCannedResponse({ answer: cannedResponse }: Effect, request: FastifyRequest, reply: FastifyReply) {
    if (!cannedResponse) return;
    getPendingFaults(request).cannedResponse = cannedResponse as unknown as CannedResponse;
    void reply.send('');
    await suspend();
  }

  /** What the request has been charged. */
  const getChargedCredits = (request: FastifyRequest) =>
    (request.state.journalEntry ? getTaskIds(request.state.journalEntry) : []).reduce(
      (sum, id) => sum + (core.tasks.find(getAccount(request).id, id)?.price ?? 0),
      0,
    );

  return {
    /** Whether anything can be asked for: a look that costs next to nothing. */
    mayApply: (request: FastifyRequest): boolean =>
      !core.faults.isEmpty() || FAULT_HEADER in request.headers || mayContainDirective(request.body),

    /** Before anything else is done with a request that could be read. */
    async request(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      const { directive, warnings } = readDirectives(request);
      if (warnings.length > 0 && request.state.journalEntry) request.state.journalEntry.warnings = warnings;
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
      await sendCannedResponse(fault.effect, request, reply);
    },

    /** When the request is known to be right, before it is charged for. */
    async charge(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      if (!isChargeable(request)) return;
      const fault = fireRule(context, request, 'charge');
      if (!fault) return;
      await applyEffectDeferringError(fault.effect, request, reply);
      await sendCannedResponse(fault.effect, request, reply);
    },

    /** When the answer is there: it can still be lost. */
    async response(request: FastifyRequest, reply: FastifyReply, original: unknown): Promise<unknown> {
      let payload = original;
      let cannedResponse = request.state.faults?.cannedResponse;
      const isAccepted = !cannedResponse && reply.statusCode === 200 && isChargeable(request);
      const fault = isAccepted && !core.faults.isEmpty() ? fireRule(context, request, 'accepted') : undefined;
      if (fault) {
        let isFinished = false;
        onFinished(request, reply, () => {
          isFinished = true;
          if (!(original instanceof Readable)) return;
          // A text that nobody will read is written to its end all the same: it has been charged for.
          if (original.readableDidRead) original.destroy();
          else original.resume();
        });
        const replacement = await substitute(fault.effect, request, reply);
        // Who has left meanwhile needs no answer, and a text that was read without him cannot be one.
        if (isFinished) return suspend();
        if (replacement !== undefined) return replacement;
        cannedResponse = fault.effect.answer as CannedResponse | undefined;
      }
      if (cannedResponse) payload = applyCannedResponse(cannedResponse, request, reply);
      const { truncateAfter, malformed } = request.state.faults?.responseEffect ?? {};
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

  /** A text that begins with what is no text. */
  async function* corrupt(text: Readable) {
    yield Buffer.from([0xff, 0xfe, 0xff]);
    yield* text;
  }

  /** A text whose connection ends after so many bytes. */
  async function* truncate(text: Readable, bytes: number, request: FastifyRequest) {
    let remaining = bytes;
    for await (const piece of text) {
      const chunk = Buffer.from(piece);
      if (chunk.length >= remaining) {
        yield chunk.subarray(0, remaining);
        await abortConnection(request, false);
      }
      remaining -= chunk.length;
      yield chunk;
    }
  }

  /** What takes the answer's place; undefined: it stays. Does not return where it is lost. */
  async function substitute(effect: Effect, request: FastifyRequest, reply: FastifyReply) {
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
        getErrorTable(request),
        context.documentedErrors,
      );
      request.state.errorCode = errorCode;
      reply.code(status).type('application/json; charset=utf-8');
      return JSON.stringify(body);
    }
  }

  /** The first bytes of the answer, which says how long it would have been, and the end of the connection. */
  function truncateBody(payload: string, bytes: number, request: FastifyRequest, reply: FastifyReply) {
    const body = Buffer.from(payload);
    if (bytes >= body.length) return payload;
    journal.countResponse(reply.statusCode);
    if (request.state.journalEntry) {
      journal.recordResponseHead(request.state.journalEntry, request, reply);
      journal.appendResponseBody(request.state.journalEntry, body.subarray(0, bytes).toString());
    }
    return effects.sendTruncated(body, bytes, reply);
  }
}

/** Whether a request makes the emulator work: all but polls do. The vendor names these alike. */
export const isChargeable = (request: FastifyRequest) => request.routeOptions.config.kind !== 'poll';

export function getPendingFaults(request: FastifyRequest): PendingFaults {
  request.state.faults ??= { directive: {}, responseEffect: {} };
  return request.state.faults;
}

const getErrorTable = (request: FastifyRequest) => request.routeOptions.config.errors;
const getFailureCode = (request: FastifyRequest) =>
  createCodePredicate(getErrorTable(request))(DEFAULT_FAILURE_CODE) ? DEFAULT_FAILURE_CODE : 'INTERNAL_ERROR';

/** The rule that strikes at this stage, noted in the journal. What it can match is the request's, where nothing else is said. */
export function fireRule(
  context: HttpContext,
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
  };
  const fault = core.faults.fire(stage, faultContext, account.seed);
  if (fault) recordFault(context, request, String(fault.id));
  return fault;
}

/** Every firing can be seen in the journal, and by who listens. */
export function recordFault({ core }: HttpContext, request: FastifyRequest, fault: string): void {
  const { journalEntry: entry } = request.state;
  if (entry) entry.faults = [...entry.faults, fault];
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

/** What the header and the texts of the body ask for. */
export function readDirectives(request: FastifyRequest, body: unknown = request.body): DirectiveResult {
  const isErrorCode = createCodePredicate(getErrorTable(request));
  const result = collectDirectives(body, isErrorCode);
  const header = request.headers[FAULT_HEADER];
  if (typeof header !== 'string') return result;
  const directive = parseDirective(header, isErrorCode);
  if (directive) return { ...result, directive: { ...result.directive, ...directive } };
  return { ...result, warnings: [...result.warnings, `${FAULT_HEADER}: "${header}" means nothing`] };
}

const NO_OVERRIDES: PlanOverrides = {};

/** How the task of one order departs from its plan: by a rule, by the order's own texts, or by the header. */
export function planOverridesFor(context: HttpContext, request: FastifyRequest, input: unknown): PlanOverrides {
  const ruleEffect = fireRule(context, request, 'task', { text: () => JSON.stringify(input) })?.effect;
  if (!ruleEffect && !request.state.faults) return NO_OVERRIDES;
  const directive = request.state.faults ? readDirectives(request, input).directive : {};
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

/** What befalls a stream on its way; `outcome` is that of its task. */
export function getStreamEffect(context: HttpContext, request: FastifyRequest, outcome: TaskOutcome): Effect {
  const ruleEffect = fireRule(context, request, 'stream')?.effect;
  const { truncateAfter } = request.state.faults?.responseEffect ?? {};
  return {
    ...(outcome.status === 'failed' && { fail: true }),
    ...(outcome.status === 'hangs' && { hang: true }),
    ...(truncateAfter !== undefined && { truncateAfter }),
    ...ruleEffect,
  };
}

/** @throws AskedFor what the request is to be refused with; the answer may have to name the price */
export function throwInjectedRefusal(request: FastifyRequest, requiredCredits: number): void {
  const refusal = request.state.faults?.refusal;
  if (refusal) throw new InjectedError(refusal.code, refusal.status, { requiredCredits });
}
