import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ServerProcess } from '../../../support/server-process.ts';
import { call, type Fixture } from '../fixture.ts';
import {
  computePollTimes,
  findPollProblems,
  findResidentProblem,
  findUnaccountedProblem,
  type HeldMemory,
  isSlow,
  type ProbeResult,
} from './limits.ts';
import { type AttackPlan, createPicker } from './plan.ts';
import { SCENARIOS } from './scenarios.ts';
import { createTraffic } from './traffic.ts';

const IDLE_SERVER = fileURLToPath(new URL('../../soak/baseline.mjs', import.meta.url));
const POLL_INTERVAL_MS = 10;
/** Time within which bodies of disconnected clients must be released, except for what other clients send meanwhile. */
const RELEASE_MS = 10_000;
const MAX_HELD_BYTES = 100_000;
/** An attack that slows polls down is repeated this often: only a server that is slow each time is at fault. */
const MAX_ATTEMPTS = 2;

export interface AttackReport {
  problems: string[];
  peakBytes: number | undefined;
  p99Ms: number;
}

export type AttackRunner = Awaited<ReturnType<typeof startAttackRunner>>;

/** Runs attacks against a server, and watches its resident memory and the polls of another client meanwhile. */
export async function startAttackRunner(server: ServerProcess) {
  const idleServer = fork(IDLE_SERVER, { execArgv: [] });
  const [{ port: idlePort }] = await once(idleServer, 'message');
  let accountCount = 0;
  let probe: { taskId: string; worker: Worker } | undefined;

  /** The probe of a fixture; each fixture has the same tasks. */
  async function getProbe({ unchanged: { key, api, taskId, poll } }: Fixture): Promise<Worker> {
    if (probe?.taskId === taskId) return probe.worker;
    await probe?.worker.terminate();
    const worker = new Worker(new URL('./probe.mjs', import.meta.url), {
      execArgv: [],
      workerData: {
        ...{ url: server.url, pid: server.pid, idleUrl: `http://127.0.0.1:${idlePort}`, intervalMs: POLL_INTERVAL_MS },
        ...{ path: `${api}/check-status`, key, body: JSON.stringify(poll) },
      },
    });
    await once(worker, 'online');
    probe = { taskId, worker };
    return worker;
  }

  async function measureHeld(): Promise<HeldMemory> {
    const { text } = await call(server.url, '/metrics');
    const accounted = [...text.matchAll(/^nanophoto_memory_bytes\{.*\} (\d+)$/gm)].map(([, bytes]) => Number(bytes));
    const { memory } = await server.measure();
    return { heapBytes: memory.heapUsed, accountedBytes: accounted.reduce((sum, bytes) => sum + bytes, 0) };
  }

  /** Waits until the bodies of disconnected clients are released. Returns false if that takes over `RELEASE_MS`. */
  async function waitForRelease(): Promise<boolean> {
    for (const deadline = performance.now() + RELEASE_MS; performance.now() < deadline; await sleep(20)) {
      const { text } = await call(server.url, '/metrics');
      const held = Number(/^nanophoto_memory_bytes\{use="bodies"\} (\d+)$/m.exec(text)?.[1]);
      if (held < MAX_HELD_BYTES) return true;
    }
    return false;
  }

  async function createAccounts(count: number): Promise<string[]> {
    const keys = Array.from({ length: count }, () => `attacker-${++accountCount}`);
    for (const key of keys) {
      const body = { key, credits: 1_000_000_000, rateLimit: null, clock: 'frozen' };
      await call(server.url, '/__admin/accounts', { method: 'POST', body });
    }
    return keys;
  }

  async function attempt(plan: AttackPlan, fixture: Fixture): Promise<AttackReport & { result: ProbeResult }> {
    const problems: string[] = [];
    const traffic = createTraffic(server.port);
    const worker = await getProbe(fixture);
    const before = await measureHeld();
    server.resetPeak();
    const connected = once(worker, 'message');
    worker.postMessage('start');
    await connected;
    const report = (problem: string) => problems.push(problem);
    try {
      const pick = createPicker(plan);
      await SCENARIOS[plan.name]({ url: server.url, fixture, traffic, pick, createAccounts, report });
    } catch (error) {
      if (!server.ended()) report(`the attack failed: ${(error as Error).stack}`);
    }
    traffic.closeAll();
    // The work that the server still has to do for the attacker counts, too.
    if (!server.ended()) {
      const isReleased = await waitForRelease().catch(({ message }) => report(message));
      if (isReleased === false) report(`bodies of disconnected clients are still held after ${RELEASE_MS} ms`);
    }
    const reply = once(worker, 'message');
    worker.postMessage('stop');
    const [result] = (await reply) as [ProbeResult];
    const peakBytes = server.peakResidentBytes();
    if (!server.ended()) {
      const problem = findUnaccountedProblem(before, await measureHeld());
      if (problem) report(problem);
    }
    return { problems, peakBytes, p99Ms: computePollTimes(result).p99Ms, result };
  }

  return {
    async run(plan: AttackPlan, fixture: Fixture): Promise<AttackReport> {
      const problems: string[] = [];
      let highest: AttackReport = { problems, peakBytes: undefined, p99Ms: Number.NaN };
      for (let count = 1; count <= MAX_ATTEMPTS; count++) {
        const { result, ...report } = await attempt(plan, fixture);
        if (server.ended() !== undefined) return { ...report, problems: [`the server ${server.ended()}`] };
        highest = { ...report, problems };
        const resident = findResidentProblem(report.peakBytes);
        problems.push(...report.problems, ...findPollProblems(result), ...(resident ? [resident] : []));
        if (problems.length > 0 || !isSlow(result)) break;
        const { p99Ms, limitMs } = computePollTimes(result);
        if (count === MAX_ATTEMPTS)
          problems.push(
            `the 99th percentile of another client's polls was ${Math.round(p99Ms)} ms in each of ` +
              `${MAX_ATTEMPTS} attempts; at most ${Math.round(limitMs)} is allowed`,
          );
      }
      return { ...highest, problems: problems.map((problem) => `${plan.name}: ${problem}`) };
    },
    async stop(): Promise<void> {
      await probe?.worker.terminate();
      idleServer.disconnect();
      await once(idleServer, 'exit');
    },
  };
}
