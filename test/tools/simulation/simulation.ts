import type { Random } from '../../../src/core/random.ts';
import { checkEverything } from './checks.ts';
import { FAILURES, type Failure, type SimulatedStorage } from './emulator/storage.ts';
import type { Sent, World } from './emulator/world.ts';
import { createEventLog } from './event-log.ts';
import { HOUR_MS } from './model/facts.ts';
import type { Model } from './model/model.ts';
import { adoptEndedStreams, adoptInterruptedStreams, findRowDifference, findViolations } from './model/rows.ts';
import { createAccount, drawOperation, KEYS } from './operations/draw.ts';
import { type Expectation, findFault, type Operation } from './operations/operation.ts';
import { decide, keepLifetimes, recoverFromDeath } from './recovery.ts';

export interface SimulationContext {
  world: World;
  model: Model;
  random: Random;
  storage: SimulatedStorage;
  /** Writes a line of the transcript. */
  line: (text: string) => void;
  find: (text: string) => void;
  result: { requests: number; failures: number; deaths: number };
  /** Whether a statement may fail, so that requests of the same turn must concern different accounts. */
  isFaulty: boolean;
  /** Whether the seed decides which statement fails. */
  drawsFailures: boolean;
  /** How a statement fails if the seed does not decide it. */
  failure: Failure | undefined;
}

/** A request in progress, and its expected result. */
export interface Pending extends Sent {
  expectation: Expectation;
  /** Takes back what the request did to the model. */
  undo: () => void;
  step: number;
  adoptProblem: string | undefined;
  /** The step in which its account's lifetime ended: any response is allowed, and must come at once. */
  orphanedIn: number | undefined;
}

export type Simulation = ReturnType<typeof createSimulation>;

const JUMPS_MS = [1, 40, 60, 1000, 3000, 30_000, 200_000, HOUR_MS];
/** Longer than the pause of the emulator after a failed write. */
const RETRY_MS = 1100;

/** Number of steps after which the rows are searched for violations. */
const STEPS_PER_AUDIT = 8;

/** Runs the steps of a schedule and checks each. */
export function createSimulation(context: SimulationContext) {
  const { world, model, random, storage, line, find, result } = context;
  const events = createEventLog(world, line);
  let pending: Pending[] = [];
  let step = 0;
  let failure = context.failure;

  async function send(operation: Operation): Promise<void> {
    const { method, path, key, body, touches } = operation;
    const undos = context.isFaulty ? touches.map((touched) => model.checkpoint(touched)) : [];
    const expectation = operation.apply();
    const sent = await world.send(operation);
    result.requests += 1;
    line(`${sent.id} > ${method} ${path} ${key ?? ''} ${body === undefined ? '' : JSON.stringify(body)}`);
    const adoptProblem = storage.isDead() ? 'not processed' : operation.adopt?.(world.rows);
    if (operation.endsLifetime && Number(expectation.status) < 300) {
      for (const other of pending) {
        if (other.operation.touches.some((key) => touches.includes(key))) other.orphanedIn = step;
      }
    }
    const undo = () => {
      for (const undo of undos) undo();
    };
    pending.push(Object.assign(sent, { expectation, undo, step, adoptProblem, orphanedIn: undefined }));
  }

  async function burst(count: number): Promise<void> {
    const touched = new Set<string>();
    for (let index = 0; index < count; index++) {
      const operation = drawOperation(context, context.isFaulty ? touched : new Set());
      if (!operation || (operation.isAlone && index > 0)) continue;
      for (const key of operation.touches) touched.add(key);
      await send(operation);
      if (storage.isDead() || operation.isAlone) break;
    }
    await world.settle();
  }

  /** Checks all results of the last step. */
  async function collect(mayFail = false): Promise<void> {
    if (storage.isDead()) return recover();
    const failed = storage.takeFired();
    if (failed !== undefined) {
      result.failures += 1;
      line(`failed: ${failed.trim().split('\n')[0]}`);
    }
    const isExcused = mayFail || failed !== undefined;
    const answered = pending.filter(({ response }) => response !== undefined);
    pending = pending.filter(({ response }) => response === undefined);
    const reportUnexpected = checkResponses(answered, isExcused);
    for (const { id, orphanedIn, expectation } of isExcused ? [] : pending) {
      if (orphanedIn !== undefined) find(`${id} has no response although the lifetime of its account has ended`);
      if (expectation.untilMs !== undefined && expectation.untilMs < world.nowMs())
        find(`${id} got no response in time`);
    }
    for (const account of model.accounts.values()) {
      const problem = adoptEndedStreams(world.rows, model, account, isExcused);
      if (problem) find(problem);
    }
    reportUnexpected();
    const logged = world.log().splice(0);
    for (const text of logged) {
      const { msg, err } = JSON.parse(text);
      line(`log: ${msg}: ${err?.message}`);
    }
    if (logged.length > 0 && !isExcused) find(`logged: ${logged.join('')}`);
    events.collect();
    if (failed !== undefined) {
      await world.jump(RETRY_MS);
      await collect(true);
    }
  }

  /**
   * Checks responses. The returned function reports those that are still unexpected; it must be called when the model
   * knows which tasks of requests in progress have ended, because a wait may have seen the state before or after that.
   */
  function checkResponses(answered: readonly Pending[], isExcused: boolean): () => void {
    for (const { id, response } of answered) {
      const { status, headers, text } = response!;
      line(`${id} < ${status} ${JSON.stringify(headers)} ${text}`);
    }
    const unexpected = answered.filter((request) => findProblem(request, isExcused));
    return () => {
      for (const request of unexpected) {
        const problem = findProblem(request, isExcused);
        if (problem) find(problem);
      }
    };
  }

  /** Returns what is wrong with a response, once it is known whether a failed request took effect. */
  function findProblem(
    { id, response, expectation, operation, ...request }: Pending,
    isExcused: boolean,
  ): string | undefined {
    const { status, text, json } = response!;
    const isFailure = status === 0 || [json?.errorCode, json?.code].includes('INTERNAL_ERROR');
    if (isExcused && isFailure) {
      // Other requests were sent earlier and have taken effect: only their response is cut off.
      if (request.step === step) decideFailed({ id, operation, ...request });
      return undefined;
    }
    if (request.orphanedIn !== undefined) return undefined;
    // A failed write ends a task later, perhaps after the time of a wait for it.
    const isTimeout = json?.code === 'WAIT_TIMEOUT' && world.nowMs() >= (expectation.untilMs ?? Infinity);
    if (isExcused && isTimeout) return undefined;
    const problem = request.adoptProblem ?? findFault(response!, expectation);
    return problem && `${id} ${operation.method} ${operation.path}: ${problem}; it is ${status} ${text}`;
  }

  /** Finds out whether a failed request took effect, which it may only after an I/O error. */
  function decideFailed(request: Pick<Pending, 'operation' | 'undo' | 'id'>): void {
    const { key, touches } = request.operation;
    for (const touched of touches) world.applyDue(touched);
    const hasStarted = request.operation.hasStarted?.(world.rows);
    const tookEffect = decide(context, request);
    if (tookEffect && !hasStarted && failure !== 'error') find(`${request.id} failed and took effect`);
    if (!tookEffect) keepLifetimes({ operation: request.operation, step }, pending);
    for (const touched of touches) adoptMemory(touched, key !== undefined);
  }

  /** Reads what a failed request left in memory: it may have been counted and recorded, or not. */
  function adoptMemory(key: string, isCounted: boolean): void {
    const account = model.accounts.get(key);
    if (!account) return;
    account.journal = undefined;
    const { state } = account;
    const window = world.window(key);
    const before = state.window && state.window.startedAt === window?.startedAt ? state.window.count : 0;
    const isAllowed = !isCounted || !window || [before - 1, before, before + 1].includes(window.count);
    if (!isAllowed) find(`${key} has counted ${window?.count} requests instead of about ${before}`);
    state.window = window ?? null;
  }

  /** Clears the received and expected events, when the rows show that everything due has been applied. */
  function forgetEvents(): void {
    events.collect();
    events.clear();
    model.events.clear();
  }

  async function recover(): Promise<void> {
    result.deaths += 1;
    line(`death before: ${storage.takeFired()?.trim().split('\n')[0]}`);
    const lost = pending;
    pending = [];
    await recoverFromDeath(context, lost, step);
    forgetEvents();
    world.log().splice(0);
  }

  return {
    async createAccounts(): Promise<void> {
      for (const key of KEYS) {
        await send(createAccount(context, key));
        await world.settle();
        await collect();
      }
    },

    async step(): Promise<void> {
      step += 1;
      const kind = random.next();
      const mayFail = context.drawsFailures && random.next() < 0.2;
      if (mayFail) {
        failure = random.pick(FAILURES);
        storage.arm(random.int(1, 15), failure, world.die);
      }
      if (kind < 0.75) await burst(random.int(1, 3));
      else if (kind < 0.985) {
        const ms = random.pick(JUMPS_MS);
        line(`jump ${ms}`);
        await world.jump(ms);
      } else await this.restart();
      await collect();
      if (context.drawsFailures) storage.disarm();
      if (step % STEPS_PER_AUDIT > 0) return;
      const [violation] = findViolations(world.rows);
      if (violation) find(violation);
    },

    /** Stops the process gracefully and starts it again. */
    async restart(): Promise<void> {
      line('restart');
      const resumeFailures = storage.pause();
      await world.close();
      for (const { id, response } of pending) if (!response) find(`${id} got no response when the process stopped`);
      const answered = pending.filter(({ response }) => response !== undefined);
      const reportUnexpected = checkResponses(answered, true);
      pending = [];
      model.restart();
      await world.start();
      for (const account of model.accounts.values()) {
        const problem =
          adoptInterruptedStreams(world.rows, model, account) ?? findRowDifference(world.rows, model, account.key);
        if (problem) find(`after a restart: ${problem}`);
      }
      reportUnexpected();
      forgetEvents();
      resumeFailures();
    },

    /** Compares everything that the control plane shows, and the rows, with the model. */
    check: () => checkEverything(context, { getEvents: events.of, send, collect }),
  };
}
