import { EventEmitter } from 'node:events';
import { type PoolOptions, type PoolWorker, ThreadsPoolWorker, type WorkerRequest } from 'vitest/node';

/** Number of mutants per thread. What their tests leave behind disappears with the thread. */
const MAX_RUNS = 40;

let thread: { worker: ThreadsPoolWorker; runs: number; current: EventEmitter } | undefined;

async function startThread(options: PoolOptions) {
  const started = { worker: new ThreadsPoolWorker(options), runs: 0, current: new EventEmitter() };
  await started.worker.start();
  for (const event of ['message', 'error', 'exit']) {
    started.worker.on(event, (value) => started.current.emit(event, value));
  }
  return started;
}

/**
 * A worker whose thread, with the modules it has loaded, also runs the next mutants: Stryker switches mutants on while the
 * code runs. Vitest ends its own workers after each run, and loading the modules again takes longer than most tests.
 */
export class KeptThread implements PoolWorker {
  readonly name = 'kept-thread';
  readonly #options: PoolOptions;
  readonly #events = new EventEmitter();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  on(event: string, callback: (value: unknown) => void): void {
    this.#events.on(event, callback);
  }

  off(event: string, callback: (value: unknown) => void): void {
    this.#events.off(event, callback);
  }

  send(message: WorkerRequest): void {
    if (message.type !== 'stop') thread!.worker.send(message);
    else this.#events.emit('message', { type: 'stopped', __vitest_worker_response__: true });
  }

  async start(): Promise<void> {
    thread ??= await startThread(this.#options);
    thread.runs += 1;
    thread.current = this.#events;
  }

  async stop(): Promise<void> {
    if (!thread || thread.runs < MAX_RUNS) return;
    const { worker } = thread;
    thread = undefined;
    await worker.stop();
  }

  deserialize(data: unknown): unknown {
    return data;
  }
}
