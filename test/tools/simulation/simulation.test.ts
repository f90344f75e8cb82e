import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createTemplate } from './emulator/process.ts';
import { installSimulatedStorage } from './emulator/storage.ts';
import { runtimeDir } from './runtime-dir.ts';
import { MAX_STEPS, type SeedOptions, simulateSeed } from './seed.ts';

const baseDir = mkdtempSync(join(runtimeDir(), 'nanophoto-simulation-'));
const templateDir = join(baseDir, 'template');
const storage = installSimulatedStorage();
await createTemplate(templateDir);
afterAll(() => rmSync(baseDir, { recursive: true, force: true }));

const run = (seed: number, options: Partial<SeedOptions> = {}) =>
  simulateSeed({ seed, steps: MAX_STEPS, storage, templateDir, workDir: join(baseDir, 'seed'), ...options });

describe('the simulation', () => {
  it('has the same transcript for the same seed, also when statements fail and the process dies', async () => {
    const totals = { failures: 0, deaths: 0 };
    const hashes = new Set<string>();
    for (let seed = 1; seed <= 5; seed++) {
      const first = await run(seed);
      expect(await run(seed), `seed ${seed}`).toEqual(first);
      expect(first.findings).toEqual([]);
      totals.failures += first.failures;
      totals.deaths += first.deaths;
      hashes.add(first.hash);
    }
    expect(hashes.size).toBe(5);
    expect(totals.failures).toBeGreaterThan(0);
    expect(totals.deaths).toBeGreaterThan(0);
  });

  it('fails the statement that was chosen', async () => {
    const { statements } = await run(1, { failing: { at: Number.MAX_SAFE_INTEGER, failure: 'error' } });
    for (const at of [5, statements >> 1, statements]) {
      expect(await run(1, { failing: { at, failure: 'death' } })).toMatchObject({ findings: [], deaths: 1 });
      expect(await run(1, { failing: { at, failure: 'fullRolledBack' } })).toMatchObject({ findings: [], deaths: 0 });
    }
  });

  it('finds storage that loses commits, and the transcript ends with the finding', async () => {
    storage.loseCommits(true);
    try {
      // Only a seed with a death shows it.
      for (let seed = 1; seed <= 50; seed++) {
        const lines: string[] = [];
        const { findings } = await run(seed, { onLine: (line) => void lines.push(line) });
        if (findings.length === 0) continue;
        expect(lines.join('\n')).toContain(`finding: ${findings[0]}`);
        return;
      }
      expect.unreachable('no seed found the lost commits');
    } finally {
      storage.loseCommits(false);
    }
  });
});
