import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { hasProgram, MAIN, startCommand } from '../support/command.ts';
import { tempDir } from '../support/temp-dir.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/drop-in.md'), 'utf8');
const [first, second, third] = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, lines]) => lines!);

/** What a person sees who pastes these lines. */
async function paste(lines: string): Promise<string> {
  const pasted = lines.replaceAll('node dist/main.js', `${process.execPath} ${MAIN}`);
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', pasted], {
    cwd: tempDir(),
  });
  return stdout;
}

describe('the page on clients that stay as they are', () => {
  it.skipIf(!hasProgram('python3', '--version'))('has an example of exec that runs', async () => {
    expect(await paste(first!)).toContain("'status': 'completed', 'videoUrl': 'https://nanophoto.ai/media/sora/task_");
  });

  it.skipIf(!hasProgram('curl', '--version'))('has lines for a proxy that work', async () => {
    const { url } = await startCommand();
    expect(await paste(second!.replace('http://127.0.0.1:6266', url))).toContain('"status":"processing"');
  });

  it.skipIf(!hasProgram('curl', '--version'))('has lines for HTTPS that work', async () => {
    const port = String(20_000 + (process.pid % 20_000));
    expect(await paste(third!.replaceAll('7443', port))).toContain('{"status":"ok"}');
  });
});
