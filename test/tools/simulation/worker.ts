import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createTemplate } from './emulator/process.ts';
import { type Failure, installSimulatedStorage } from './emulator/storage.ts';
import { runtimeDir } from './runtime-dir.ts';
import { type SeedResult, simulateSeed } from './seed.ts';

/** A schedule to run. */
export interface Job {
  seed: number;
  steps: number;
  failing?: { at: number; failure: Failure };
  /** Returns the lines of the transcript as well. */
  keepsLines?: boolean;
}

export interface JobResult extends SeedResult {
  lines: string[];
}

/** Returns a function that runs jobs in this process, one after the other. */
export async function createJobRunner() {
  const baseDir = mkdtempSync(join(runtimeDir(), 'nanophoto-simulation-'));
  process.on('exit', () => rmSync(baseDir, { recursive: true, force: true }));
  const templateDir = join(baseDir, 'template');
  const storage = installSimulatedStorage();
  await createTemplate(templateDir);
  return async ({ keepsLines, ...job }: Job): Promise<JobResult> => {
    const lines: string[] = [];
    const onLine = (line: string) => void lines.push(line);
    const options = { ...job, storage, templateDir, workDir: join(baseDir, 'seed'), ...(keepsLines ? { onLine } : {}) };
    return { ...(await simulateSeed(options)), lines };
  };
}

if (process.send && process.argv[1] === import.meta.filename) {
  const run = await createJobRunner();
  process.on('message', async (job: Job) => void process.send?.(await run(job)));
  process.on('disconnect', () => process.exit());
  process.send('ready');
}
