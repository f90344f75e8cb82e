// The troubles of a disk, a clock and a file, one scene after the other.

import PQueue from 'p-queue';
import { scenes as clock } from './clock.mjs';
import { scenes as corrupt } from './corrupt.mjs';
import { createScene, Skipped } from './scene.mjs';
import { scenes as start } from './start.mjs';
import { scenes as writesFail } from './writes-fail.mjs';

const SCENES = [...writesFail, ...corrupt, ...clock, ...start];

/** A scene is mostly waiting; so many are played at once. */
const AT_ONCE = 3;

export async function playTroubles(say) {
  const sum = { passed: 0, skipped: 0, checks: 0, problems: [] };
  const queue = new PQueue({ concurrency: AT_ONCE });
  await queue.addAll(SCENES.map((scene) => () => play(scene, sum, say)));
  return sum;
}

async function play({ name, run }, sum, say) {
  const scene = createScene();
  const { problems } = scene;
  const begin = performance.now();
  try {
    await run(scene);
  } catch (error) {
    if (error instanceof Skipped) {
      sum.skipped += 1;
      return say(`${name}: SKIPPED, ${error.message}`);
    }
    problems.push(error.stack);
  }
  sum.checks += scene.checks();
  if (problems.length === 0) sum.passed += 1;
  const ms = Math.round(performance.now() - begin);
  say(
    `${name}: ${problems.length === 0 ? 'held' : `${problems.length} PROBLEMS`}, ${scene.checks()} checks in ${ms} ms`,
  );
  for (const problem of problems) sum.problems.push(`${name}: ${problem}`);
}
