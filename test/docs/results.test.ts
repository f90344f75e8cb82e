import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { hasProgram } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/reference/results.md'), 'utf8');
const hasCurl = hasProgram('curl', '--version');

describe('docs/reference/results.md', () => {
  it.skipIf(!hasCurl)('has examples that run one after the other', async () => {
    const url = await serveEmulator();
    const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, lines]) => lines);
    const pasted = blocks.join('').replaceAll('http://127.0.0.1:6266', url);
    expect(pasted).not.toContain('6266');
    // The last download is truncated on purpose: curl reports that with its exit code.
    const script = `${pasted.trimEnd()} || true`;
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: tempDir(),
    });
    const [fetched, fromVendorHost, rule, cut] = stdout.trim().split('\n');
    expect(fetched).toBe('200 image/jpeg');
    expect(fromVendorHost).toBe('200');
    expect(rule).toMatch(/"at":"media".* 201$/);
    expect(cut).toBe('200 1000 18');
  });

  it('lists the size, length and sound of every video fixture', () => {
    const rows = [...page.matchAll(/^\| .*\| (\d+)×(\d+)(.*?) \| ([\d, ]+) s \| (.+) \|$/gm)];
    const named = rows.flatMap(([, first, second, turned, lengths, sound]) =>
      lengths!.split(', ').flatMap((seconds) =>
        (turned
          ? [[first, second]]
          : [
              [first, second],
              [second, first],
            ]
        ).flatMap(([width, height]) =>
          (sound === 'yes' ? [''] : ['', '-silent']).map((tail) => `${width}x${height}-${seconds}s${tail}.mp4`),
        ),
      ),
    );
    expect(rows).toHaveLength(11);
    expect(named.filter((name) => !existsSync(join(FIXTURES_DIR, 'videos', name)))).toEqual([]);
    expect(new Set(named).size).toBe(50);
  });
});
