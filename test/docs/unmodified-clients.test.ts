import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram, MAIN } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/guides/unmodified-clients.md'), 'utf8');
const [first, second, third, fourth] = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, lines]) => lines!);

/** Runs these lines in a shell and returns their output. */
async function paste(lines: string): Promise<string> {
  const pasted = lines.replaceAll('node dist/main.js', `${process.execPath} ${MAIN}`);
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', pasted], {
    cwd: tempDir(),
  });
  return stdout;
}

describe('docs/guides/unmodified-clients.md', () => {
  it.skipIf(!hasProgram('python3', '--version'))('has an exec example that runs', async () => {
    expect(await paste(first!)).toContain("'status': 'completed', 'videoUrl': 'https://nanophoto.ai/media/sora/task_");
  });

  it.skipIf(!hasProgram('curl', '--version'))(
    "has an example with the key of the vendor's samples that runs",
    async () => {
      expect(await paste(second!)).toContain('"errorCode":"TASK_NOT_FOUND"');
    },
  );

  it.skipIf(!hasProgram('curl', '--version'))('has a proxy example that runs', async () => {
    const url = await serveEmulator();
    expect(await paste(third!.replace('http://127.0.0.1:6266', url))).toContain('"status":"processing"');
  });

  it.skipIf(!hasProgram('curl', '--version'))('has an HTTPS example that runs', async () => {
    const port = String(20_000 + (process.pid % 20_000));
    expect(await paste(fourth!.replaceAll('7443', port))).toContain('{"status":"ok"}');
  });
});
