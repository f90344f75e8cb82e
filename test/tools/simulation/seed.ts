import { createHash } from 'node:crypto';
import { seededRandom } from '../../../src/core/random.ts';
import { type Failure, ProcessDeath, type SimulatedStorage } from './emulator/storage.ts';
import { createWorld } from './emulator/world.ts';
import { Model } from './model/model.ts';
import { createSimulation } from './simulation.ts';

export interface SeedOptions {
  seed: number;
  /** Number of steps to run before the final checks. */
  steps: number;
  storage: SimulatedStorage;
  /** A data directory to start from. */
  templateDir: string;
  /** A directory that does not exist. */
  workDir: string;
  /** The only statement that fails, counted from the start; if absent, the seed decides. */
  failing?: { at: number; failure: Failure };
  /** Receives each line of the transcript. */
  onLine?: (line: string) => void;
}

export interface SeedResult {
  hash: string;
  findings: string[];
  steps: number;
  requests: number;
  statements: number;
  /** Statements that failed, and processes that died. */
  failures: number;
  deaths: number;
}

export const MAX_STEPS = 30;

const UNHANDLED = ['unhandledRejection', 'uncaughtException'] as const;

/** Runs the schedule of a seed. It ends with the first finding. */
export async function simulateSeed(options: SeedOptions): Promise<SeedResult> {
  const { seed, storage, workDir, templateDir, failing } = options;
  const random = seededRandom('simulation', seed);
  const world = createWorld(storage, random, workDir);
  const hash = createHash('sha256');
  const result = { requests: 0, failures: 0, deaths: 0 };
  const findings: string[] = [];
  const line = (text: string) => {
    hash.update(`${text}\n`);
    options.onLine?.(text);
  };
  const find = (text: string) => {
    line(`finding: ${text}`);
    findings.push(text);
  };
  let step = 0;
  let statements = 0;
  const drawsFailures = failing === undefined && random.next() < 0.5;
  const onUnhandled = (error: unknown) => {
    if (!(error instanceof ProcessDeath)) find(`nothing handles ${error instanceof Error ? error.stack : error}`);
  };
  for (const name of UNHANDLED) process.on(name, onUnhandled);
  await world.open(templateDir);
  const firstStatement = storage.count();
  const model = new Model(world.nowMs);
  const simulation = createSimulation({
    ...{ world, model, random, storage, find, line, result },
    isFaulty: failing !== undefined || drawsFailures,
    drawsFailures,
    failure: failing?.failure,
  });
  if (failing) storage.arm(failing.at, failing.failure, world.die);
  try {
    await simulation.createAccounts();
    const count = Math.min(options.steps, MAX_STEPS);
    while (step < count && findings.length === 0) {
      step += 1;
      line(`step ${step}`);
      await simulation.step();
    }
    storage.disarm();
    statements = storage.count() - firstStatement;
    if (findings.length === 0) await simulation.check();
    if (!storage.isDead()) await world.close();
  } catch (error) {
    find(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  storage.observe(undefined);
  world.remove();
  for (const name of UNHANDLED) process.off(name, onUnhandled);
  return { hash: hash.digest('hex'), findings, steps: step, statements, ...result };
}
