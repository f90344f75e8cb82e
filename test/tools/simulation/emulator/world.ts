import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../../../src/core/random.ts';
import { WINDOW_MS } from '../../../../src/core/time/rate-limiter.ts';
import { START_MS } from '../../../support/test-clock.ts';
import type { Operation, Rows, SimulatedResponse } from '../operations/operation.ts';
import { clients, MAX_TURNS, runUntil, type SimulatedProcess, startProcess, turn } from './process.ts';
import type { SimulatedStorage } from './storage.ts';

const DATABASE_FILES = ['emulator.sqlite', 'emulator.sqlite-wal'];
/** Turns of the event loop without any work after which nothing is expected to happen by itself. */
const QUIET_TURNS = 4;
/** The headers that are compared; others, such as `date`, come from Node. */
const HEADERS = [
  ...['content-type', 'x-request-id', 'retry-after'],
  ...['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'],
];

/** A request that has been sent. */
export interface Sent {
  operation: Operation;
  id: string;
  response?: SimulatedResponse;
}

export type World = ReturnType<typeof createWorld>;

/** One process after the other on the same data, and the clients that send requests to them. */
export function createWorld(storage: SimulatedStorage, random: Random, baseDir: string) {
  const pick = (length: number) => random.int(0, length - 1);
  let generation = 0;
  let dir = join(baseDir, '0');
  let nowMs = START_MS;
  let process_: SimulatedProcess | undefined;
  let sentCount = 0;

  const current = () => process_!;

  async function turns(count: number): Promise<void> {
    for (let index = 0; index < count; index++) await turn();
  }

  /** Runs everything that does not need time to pass. */
  async function settle(): Promise<void> {
    const { clock } = current();
    let quiet = 0;
    for (let index = 0; quiet < QUIET_TURNS && index < MAX_TURNS; index++) {
      await turn();
      if (clock.runOneAtTurnEnd()) quiet = 0;
      else if ((clock.nextTimerMs() ?? Number.POSITIVE_INFINITY) <= nowMs) {
        clock.jumpTo(nowMs);
        quiet = 0;
      } else quiet += 1;
    }
  }

  /** Copies the files as a process that ends now leaves them. */
  function copyFiles(to: string): void {
    mkdirSync(to);
    for (const name of DATABASE_FILES) if (existsSync(join(dir, name))) copyFileSync(join(dir, name), join(to, name));
  }

  return {
    nowMs: () => current().emulator.core.clock.nowMs(),
    log: () => current().log,
    takeEvents: () => current().takeEvents(),
    async open(templateDir: string): Promise<void> {
      mkdirSync(baseDir, { recursive: true });
      rmSync(dir, { recursive: true, force: true });
      mkdirSync(dir);
      copyFileSync(join(templateDir, DATABASE_FILES[0]!), join(dir, DATABASE_FILES[0]!));
      process_ = await startProcess({ storage, pick, dir, nowMs });
      await settle();
    },
    rows: {
      all: (sql, ...parameters) =>
        storage.quietly(() =>
          current()
            .prepare(sql)
            .all(...parameters),
        ),
    } as Rows,

    /** Sends a request and lets the emulator process it; its response waits for the end of the turn. */
    async send(operation: Operation): Promise<Sent> {
      sentCount += 1;
      const sent: Sent = { operation, id: `r${sentCount}` };
      const { method, path, key, body, headers } = operation;
      const owner = current();
      const remoteAddress = `127.${sentCount >> 16}.${(sentCount >> 8) & 255}.${sentCount & 255}`;
      const isDropped = () => owner !== process_ || storage.isDead();
      clients.set(remoteAddress, () => {
        if (!isDropped()) sent.response ??= { status: 0, headers: {}, text: 'connection closed', json: undefined };
      });
      owner.emulator.app
        .inject({
          ...{ method, url: path, remoteAddress },
          headers: {
            'x-request-id': sent.id,
            ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
            ...headers,
          },
          ...(body === undefined ? {} : { payload: body }),
        })
        .then(
          (response) => {
            clients.delete(remoteAddress);
            if (isDropped() || sent.response) return;
            const { statusCode: status, payload } = response;
            // The memory of this process and the time that it takes are not part of the simulation.
            const text = payload
              .replace(/^(nanophoto_\w+_bytes|nanophoto_memory_bytes\{use="responses"\}) \d+$/gm, '$1')
              .replace(/"durationMs":[\d.]+/g, '"durationMs":0');
            const kept = HEADERS.map((name) => [name, response.headers[name]]).filter(
              ([, value]) => value !== undefined,
            );
            const isJson = String(response.headers['content-type']).startsWith('application/json') && text !== '';
            const json = isJson ? JSON.parse(text) : undefined;
            sent.response = {
              status,
              text,
              json,
              headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])),
            };
          },
          (error) => {
            clients.delete(remoteAddress);
            if (isDropped() || sent.response) return;
            sent.response = { status: 0, headers: {}, text: String(error), json: undefined };
          },
        );
      await turns(QUIET_TURNS);
      return sent;
    },
    settle,
    /** Lets time pass, in one jump: timers on the way fire late, as in a busy process. */
    async jump(ms: number): Promise<void> {
      nowMs += ms;
      current().clock.jumpTo(nowMs);
      await settle();
    },
    /** Ends the process at once, and copies its files for the next one. */
    die(): void {
      generation += 1;
      const next = join(baseDir, String(generation));
      copyFiles(next);
      current().end();
    },
    /** Starts a process on the files that the last one left. */
    async reopen(): Promise<void> {
      const { emulator } = current();
      storage.observe(undefined);
      emulator.core.db.close();
      rmSync(dir, { recursive: true });
      dir = join(baseDir, String(generation));
      process_ = await startProcess({ storage, pick, dir, nowMs });
      await settle();
    },
    /** Stops the process gracefully and starts another one. */
    async close(): Promise<void> {
      const { emulator, clock } = current();
      // Real connections are closed when their responses have been sent.
      await runUntil(clock, emulator.app.close());
      await settle();
      await runUntil(clock, emulator.close());
      storage.observe(undefined);
      current().end();
    },
    async start(): Promise<void> {
      process_ = await startProcess({ storage, pick, dir, nowMs });
      await settle();
    },
    /** Applies what is due for an account, as the worker does. */
    applyDue(key: string): void {
      const { core } = current().emulator;
      storage.quietly(() => {
        const account = core.accounts.find(key);
        if (account) core.timeline.applyDue(account.id);
      });
    },
    /** Returns the requests that an account has made in the current hour. */
    window(key: string): { startedAt: number; count: number } | undefined {
      const { core } = current().emulator;
      return storage.quietly(() => {
        const account = core.accounts.find(key);
        if (!account) return undefined;
        const { count, resetAtMs } = core.rateLimiter.peek(account.id, core.timeline.nowMs(account));
        return resetAtMs === null ? undefined : { startedAt: resetAtMs - WINDOW_MS, count };
      });
    },
    remove(): void {
      rmSync(baseDir, { recursive: true, force: true });
    },
  };
}
