import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Job, JobResult } from './worker.ts';

/**
 * Runs jobs in several processes, in order; `onResult` returns false to skip the rest. `dir` is the folder of the
 * simulation, which may be that of a copy of the repository.
 */
export async function runJobs(
  jobs: Iterable<Job>,
  workers: number,
  onResult: (job: Job, result: JobResult) => boolean,
  dir = import.meta.dirname,
): Promise<void> {
  const iterator = jobs[Symbol.iterator]();
  let isStopped = false;

  async function work(): Promise<void> {
    const child = fork(join(dir, 'worker.ts'), { stdio: 'inherit' });
    try {
      await next(child);
      for (let { done, value: job } = iterator.next(); !done && !isStopped; { done, value: job } = iterator.next()) {
        child.send(job);
        const result = (await next(child)) as JobResult;
        if (!onResult(job, result)) isStopped = true;
      }
    } finally {
      child.disconnect();
    }
  }

  await Promise.all(Array.from({ length: workers }, work));
}

/** Returns the next message of a worker. @throws when it exits instead */
async function next(child: ChildProcess): Promise<unknown> {
  const exit = new AbortController();
  const [message] = await Promise.race([
    once(child, 'message', { signal: exit.signal }),
    once(child, 'exit', { signal: exit.signal }).then(([code]) => {
      throw new Error(`a worker exited with code ${code}`);
    }),
  ]).finally(() => exit.abort());
  return message;
}
