import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Effect, Fault, Occasion, Stage } from '../../core/faults/fault-rules.ts';
import type { Departure, Outcome } from '../../core/tasks/plan.ts';
import { accountOf, type Emulator } from '../context.ts';
import { taskIdsOf } from '../journal/entry.ts';
import { COMMON_PROBLEMS, type Problems, tellAskedFor } from '../pipeline/errors.ts';
import { whenOver } from '../pipeline/response-lifecycle.ts';
import { tellWhole, type WholeAnswer } from './canned-response.ts';
import { type Directive, mayAsk, type Reading, readTexts, readWords } from './directives.ts';
import { createEffects, cutOff, never } from './effects.ts';
import { AskedFor, type Trouble } from './pending-faults.ts';

const HEADER = 'x-emulator-fault';
/** What a bare `fail` is told as where an answer, not a task, fails. */
const FAILURE = 'GENERATION_FAILED';

/** Common codes that a page documents; the others are names of ours. */
const DOCUMENTED_COMMON = Object.keys(COMMON_PROBLEMS).filter(
  (code) => !('errorCode' in COMMON_PROBLEMS[code as keyof typeof COMMON_PROBLEMS]),
);

/** Whether a route answers with this code. */
export const isCodeOf =
  (problems: Problems = {}) =>
  (code: string) =>
    Object.hasOwn(problems, code)
      ? problems[code]!.errorCode === undefined
      : DOCUMENTED_COMMON.includes(code);

/** Lets rules and directives strike at the stages of a request that lie outside of its route. */
export function createFaultHooks(emulator: Emulator) {
  const { core, journal } = emulator;
  const effects = createEffects(emulator);

  /** @throws AskedFor; never returns where the answer is lost */
  async function befall(effect: Effect, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const errorCode = effect.errorCode ?? (effect.fail && failureOf(request));
    await effects.befall({ ...effect, errorCode }, request, reply);
    if (effect.truncateAfter !== undefined || effect.malformed) troubleOf(request).answer = effect;
  }

  /** An error is told when the price is known, because the answer may have to name it. */
  async function befallWithPrice(effect: Effect, request: FastifyRequest, reply: FastifyReply) {
    const { errorCode, fail, status, ...rest } = effect;
    await befall(rest, request, reply);
    const code = errorCode ?? (fail && failureOf(request));
    if (code) troubleOf(request).refusal = { code, status };
  }

  /** Answers what the rule says in full, if it does, and never returns: the request goes no further. */
  async function answerInFull({ answer }: Effect, request: FastifyRequest, reply: FastifyReply) {
    if (!answer) return;
    troubleOf(request).whole = answer as unknown as WholeAnswer;
    void reply.send('');
    await never();
  }

  /** What the request has been charged. */
  const chargedFor = (request: FastifyRequest) =>
    (request.entry ? taskIdsOf(request.entry) : []).reduce(
      (sum, id) => sum + (core.tasks.find(accountOf(request).id, id)?.price ?? 0),
      0,
    );

  return {
    /** Whether anything can be asked for: a look that costs next to nothing. */
    isConcerned: (request: FastifyRequest): boolean =>
      !core.faults.isQuiet() || HEADER in request.headers || mayAsk(request.body),

    /** Before anything else is done with a request that could be read. */
    async request(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      const { directive, warnings } = readDirectives(request);
      if (warnings.length > 0 && request.entry) request.entry.warnings = warnings;
      if (Object.keys(directive).length > 0) {
        const { errorCode, delayMs, truncateAfter } = directive;
        const trouble = troubleOf(request);
        trouble.directive = directive;
        note(emulator, request, `@emulator(${shownDirective(directive)})`);
        if (truncateAfter !== undefined) trouble.answer = { truncateAfter };
        if (delayMs !== undefined) await befall({ delayMs }, request, reply);
        if (errorCode && charges(request)) trouble.refusal = { code: errorCode };
        else if (errorCode) throw new AskedFor(errorCode);
      }
      const fault = strike(emulator, request, 'request');
      if (!fault) return;
      const namesPrice = fault.effect.errorCode === 'INSUFFICIENT_CREDITS' && charges(request);
      await (namesPrice ? befallWithPrice : befall)(fault.effect, request, reply);
      await answerInFull(fault.effect, request, reply);
    },

    /** When the request is known to be right, before it is charged for. */
    async charge(request: FastifyRequest, reply: FastifyReply): Promise<void> {
      if (!charges(request)) return;
      const fault = strike(emulator, request, 'charge');
      if (!fault) return;
      await befallWithPrice(fault.effect, request, reply);
      await answerInFull(fault.effect, request, reply);
    },

    /** When the answer is there: it can still be lost. */
    async answer(request: FastifyRequest, reply: FastifyReply, given: unknown): Promise<unknown> {
      let payload = given;
      let whole = request.trouble?.whole;
      const isAccepted = !whole && reply.statusCode === 200 && charges(request);
      const fault = isAccepted && !core.faults.isQuiet() ? strike(emulator, request, 'accepted') : undefined;
      if (fault) {
        let isOver = false;
        whenOver(request, reply, () => {
          isOver = true;
          if (!(given instanceof Readable)) return;
          // A text that nobody will read is written to its end all the same: it has been charged for.
          if (given.readableDidRead) given.destroy();
          else given.resume();
        });
        const answer = await replaced(fault.effect, request, reply);
        // Who has left meanwhile needs no answer, and a text that was read without him cannot be one.
        if (isOver) return never();
        if (answer !== undefined) return answer;
        whole = fault.effect.answer as WholeAnswer | undefined;
      }
      if (whole) payload = tellWhole(whole, request, reply);
      const { truncateAfter, malformed } = request.trouble?.answer ?? {};
      if (payload instanceof Readable) {
        if (malformed) return Readable.from(spoiled(payload), { objectMode: true });
        const isLate = fault?.effect.truncateAfter !== undefined;
        return isLate ? Readable.from(cut(payload, truncateAfter!, request), { objectMode: true }) : payload;
      }
      if (typeof payload !== 'string') return payload;
      if (malformed) return `${payload.slice(0, Math.ceil(payload.length / 2))}<`;
      if (truncateAfter !== undefined) return truncated(payload, truncateAfter, request, reply);
      return payload;
    },
  };

  /** A text that begins with what is no text. */
  async function* spoiled(text: Readable) {
    yield Buffer.from([0xff, 0xfe, 0xff]);
    yield* text;
  }

  /** A text whose connection ends after so many bytes. */
  async function* cut(text: Readable, bytes: number, request: FastifyRequest) {
    let left = bytes;
    for await (const piece of text) {
      const chunk = Buffer.from(piece);
      if (chunk.length >= left) {
        yield chunk.subarray(0, left);
        await cutOff(request, false);
      }
      left -= chunk.length;
      yield chunk;
    }
  }

  /** What takes the answer's place; undefined: it stays. Does not return where it is lost. */
  async function replaced(effect: Effect, request: FastifyRequest, reply: FastifyReply) {
    try {
      await befall(effect, request, reply);
      return undefined;
    } catch (error) {
      if (!(error instanceof AskedFor)) throw error;
      const asked = new AskedFor(error.code, error.status, { requiredCredits: chargedFor(request) });
      const { status, errorCode, body } = tellAskedFor(asked, problemsOf(request));
      request.errorCode = errorCode;
      reply.code(status).type('application/json; charset=utf-8');
      return JSON.stringify(body);
    }
  }

  /** The first bytes of the answer, which says how long it would have been, and the end of the connection. */
  function truncated(payload: string, bytes: number, request: FastifyRequest, reply: FastifyReply) {
    const body = Buffer.from(payload);
    if (bytes >= body.length) return payload;
    journal.count(reply.statusCode);
    if (request.entry) {
      journal.head(request.entry, request, reply);
      journal.answered(request.entry, body.subarray(0, bytes).toString());
    }
    return effects.truncated(body, bytes, reply);
  }
}

/** Whether a request makes the emulator work: all but polls do. The vendor names these alike. */
export const charges = (request: FastifyRequest) => !request.routeOptions.url?.endsWith('/check-status');

export function troubleOf(request: FastifyRequest): Trouble {
  request.trouble ??= { directive: {}, answer: {} };
  return request.trouble;
}

const problemsOf = (request: FastifyRequest) => request.routeOptions.config.problems;
const failureOf = (request: FastifyRequest) =>
  isCodeOf(problemsOf(request))(FAILURE) ? FAILURE : 'INTERNAL_ERROR';

/** The rule that strikes at this stage, noted in the journal. What it can match is the request's, where nothing else is said. */
export function strike(
  emulator: Emulator,
  request: FastifyRequest,
  stage: Stage,
  { family, endpoint, text }: Partial<Occasion> = {},
): Fault | undefined {
  const { core } = emulator;
  if (core.faults.isQuiet()) return undefined;
  const account = accountOf(request);
  const occasion: Occasion = {
    accountId: account.id,
    family: family ?? request.routeOptions.config.family ?? '',
    endpoint: endpoint ?? request.routeOptions.url ?? '',
    text: text ?? (() => JSON.stringify(request.body ?? null)),
  };
  const fault = core.faults.strike(stage, occasion, account.seed);
  if (fault) note(emulator, request, String(fault.id));
  return fault;
}

/** Every firing can be seen in the journal, and by who listens. */
export function note({ core }: Emulator, request: FastifyRequest, fault: string): void {
  const { entry } = request;
  if (entry) entry.faults = [...entry.faults, fault];
  const { id: accountId } = accountOf(request);
  core.events.emit({
    type: 'fault',
    accountId,
    detail: { fault, request: entry ? String(entry.seq) : null },
  });
}

export const shownDirective = (directive: Directive) =>
  Object.entries(directive)
    .map(([word, value]) => (value === true ? word : `${word}=${value}`))
    .join(',');

/** What the header and the texts of the body ask for. */
export function readDirectives(request: FastifyRequest, body: unknown = request.body): Reading {
  const isCode = isCodeOf(problemsOf(request));
  const reading = readTexts(body, isCode);
  const header = request.headers[HEADER];
  if (typeof header !== 'string') return reading;
  const directive = readWords(header, isCode);
  if (directive) return { ...reading, directive: { ...reading.directive, ...directive } };
  return { ...reading, warnings: [...reading.warnings, `${HEADER}: "${header}" means nothing`] };
}

const AS_PLANNED: Departure = {};

/** How the task of one order departs from its plan: by a rule, by the order's own texts, or by the header. */
export function departureOf(emulator: Emulator, request: FastifyRequest, input: unknown): Departure {
  const rule = strike(emulator, request, 'task', { text: () => JSON.stringify(input) })?.effect;
  if (!rule && !request.trouble) return AS_PLANNED;
  const asked = request.trouble ? readDirectives(request, input).directive : {};
  const durationMs = asked.durationMs ?? rule?.durationMs;
  const errorCode = rule?.errorCode ?? FAILURE;
  const outcome: Outcome | undefined =
    (asked.hang ?? rule?.hang)
      ? { status: 'hangs' }
      : (asked.fail ?? rule?.fail ?? rule?.errorCode)
        ? { status: 'failed', errorCode }
        : undefined;
  return { ...(outcome && { outcome }), ...(durationMs !== undefined && { durationMs }) };
}

/** What befalls a stream on its way; `outcome` is that of its task. */
export function streamEffect(emulator: Emulator, request: FastifyRequest, outcome: Outcome): Effect {
  const rule = strike(emulator, request, 'stream')?.effect;
  const { truncateAfter } = request.trouble?.answer ?? {};
  return {
    ...(outcome.status === 'failed' && { fail: true }),
    ...(outcome.status === 'hangs' && { hang: true }),
    ...(truncateAfter !== undefined && { truncateAfter }),
    ...rule,
  };
}

/** @throws AskedFor what the request is to be refused with; the answer may have to name the price */
export function refuseAsAsked(request: FastifyRequest, requiredCredits: number): void {
  const refusal = request.trouble?.refusal;
  if (refusal) throw new AskedFor(refusal.code, refusal.status, { requiredCredits });
}
