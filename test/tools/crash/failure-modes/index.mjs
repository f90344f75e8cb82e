// Failures of the disk, the clock and the database file, one scene each.
import PQueue from 'p-queue';
import { scenes as clock } from './clock.mjs';
import { scenes as corrupt } from './corrupt.mjs';
import { createScene, Skipped } from './scene.mjs';
import { scenes as start } from './start.mjs';
import { scenes as writesFail } from './writes-fail.mjs';

const SCENES = [...writesFail, ...corrupt, ...clock, ...start];

/** Scenes spend most of their time waiting. */
const CONCURRENCY = 3;

export async function runFailureModes(print) {
  const sum = { passed: 0, skipped: 0, checks: 0, problems: [] };
  const queue = new PQueue({ concurrency: CONCURRENCY });
  await queue.addAll(SCENES.map((scene) => () => runScene(scene, sum, print)));
  return sum;
}

async function runScene({ name, run }, sum, print) {
  const scene = createScene();
  const { problems } = scene;
  const startedMs = performance.now();
  try {
    await run(scene);
  } catch (error) {
    if (error instanceof Skipped) {
      sum.skipped += 1;
      return print(`${name}: SKIPPED, ${error.message}`);
    }
    problems.push(error.stack);
  }
  sum.checks += scene.checks();
  if (problems.length === 0) sum.passed += 1;
  const ms = Math.round(performance.now() - startedMs);
  const result = problems.length === 0 ? 'passed' : `${problems.length} PROBLEMS`;
  print(`${name}: ${result}, ${scene.checks()} checks in ${ms} ms`);
  for (const problem of problems) sum.problems.push(`${name}: ${problem}`);
}
