import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Statement } from 'better-sqlite3';
import { pino } from 'pino';
import { readCommand } from '../../../../src/cli/arguments.ts';
import { openEmulator } from '../../../../src/server/emulator.ts';
import { START_MS } from '../../../support/test-clock.ts';
import { createSimulatedClock, type SimulatedClock } from './clock.ts';
import type { SimulatedStorage } from './storage.ts';

/** Maximum number of event-loop turns to run without letting time pass. */
export const MAX_TURNS = 5000;
export const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** Requests in progress by the address of their client, which is different for each. */
export const clients = new Map<string, () => void>();

/** Adds the methods with which the emulator closes a connection, because the sockets of `inject` lack them. */
function giveSocketsDestroy(socket: object): void {
  const prototype = Object.getPrototypeOf(socket);
  const destroy = function (this: Socket) {
    const address = this.remoteAddress ?? '';
    clients.get(address)?.();
    clients.delete(address);
  };
  Object.assign(prototype, { destroy, destroySoon: destroy, resetAndDestroy: destroy });
}

/** Runs what waits for the end of the turn until a promise is settled. */
export async function runUntil<T>(clock: SimulatedClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  // The caller handles its rejection.
  settled.catch(() => {});
  for (let index = 0; !isSettled && index < MAX_TURNS; index++) {
    await turn();
    if (!clock.runOneAtTurnEnd() && (clock.nextTimerMs() ?? Number.POSITIVE_INFINITY) <= clock.nowMs()) {
      clock.jumpTo(clock.nowMs());
    }
  }
  if (!isSettled) throw new Error('the emulator waits for something that never happens');
  return settled;
}

interface ProcessOptions {
  storage: SimulatedStorage;
  pick: (length: number) => number;
  dir: string;
  nowMs: number;
}

export type SimulatedProcess = Awaited<ReturnType<typeof startProcess>>;

/** Starts an emulator that never listens, and a client that receives all its events. */
export async function startProcess({ storage, pick, dir, nowMs }: ProcessOptions) {
  const log: string[] = [];
  let isAlive = true;
  // Work of a dead process has no effect.
  const guard = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!storage.isDead()) throw error;
    }
  };
  const clock: SimulatedClock = createSimulatedClock(nowMs, pick, guard);
  const logger = pino(
    { level: 'warn', base: null, timestamp: false },
    { write: (line) => void (isAlive && log.push(line)) },
  );
  const { config } = readCommand(['--data-dir', dir], {});
  const emulator = await openEmulator(config, logger, clock);
  await emulator.app.ready();
  const listening = emulator.app.inject({ method: 'GET', url: '/__admin/events', payloadAsStream: true });
  const response = await runUntil(clock, listening);
  giveSocketsDestroy(response.raw.res.req.socket);
  let eventText = '';
  (response.stream() as Readable).setEncoding('utf8').on('data', (text: string) => {
    eventText += text;
  });
  storage.observe(emulator.core.db);
  emulator.core.worker.start((error) => logger.error({ err: error }, 'the worker failed'));
  const statements = new Map<string, Statement>();
  return {
    ...{ emulator, clock, log },
    prepare(sql: string): Statement {
      const statement = statements.get(sql) ?? emulator.core.db.prepare(sql);
      statements.set(sql, statement);
      return statement;
    },
    takeEvents(): string {
      const end = eventText.lastIndexOf('\n\n') + 2;
      const text = end < 2 ? '' : eventText.slice(0, end);
      if (end >= 2) eventText = eventText.slice(end);
      return text;
    },
    end() {
      isAlive = false;
      clock.stop();
    },
  };
}

/** Creates a data directory that seeds start from, which is faster than creating the schema for each. */
export async function createTemplate(dir: string): Promise<void> {
  const { config } = readCommand(['--data-dir', dir], {});
  const clock = createSimulatedClock(
    START_MS,
    () => 0,
    (work) => work(),
  );
  const emulator = await openEmulator(config, pino({ level: 'silent' }), clock);
  await runUntil(clock, emulator.close());
}
