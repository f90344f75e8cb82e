import { readFileSync } from 'node:fs';
import { type RunnerTestFile, type RunnerTestSuite, TestRunner } from 'vitest';

const sources = process.env.MUTATED_FILES!.split(',').map((file) => readFileSync(file, 'utf8'));

/** Runs the suites that are named after something in the mutated code first: they are likely to fail. */
export default class RelatedFirst extends TestRunner {
  onBeforeRunFiles(files: RunnerTestFile[]): void {
    files.forEach(sort);
  }
}

function sort(suite: RunnerTestSuite): void {
  const isUnrelated = ({ name }: { name: string }) => Number(!sources.some((source) => source.includes(name)));
  suite.tasks.sort((one, other) => isUnrelated(one) - isUnrelated(other));
  for (const task of suite.tasks) if (task.type === 'suite') sort(task);
}
