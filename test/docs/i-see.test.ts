import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { connectEmulator } from '../../src/index.ts';
import { hasProgram, postJson, runCommand } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { tempDir } from '../support/temp-dir.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/guides/i-see.md'), 'utf8');
const DEFAULT_URL = 'http://127.0.0.1:6266';
const listCommands = (text: string) => [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, lines]) => lines!);
const [contents, ...sections] = page.split(/^## /m);
const SECTIONS = sections.map((text) => ({ title: text.slice(0, text.indexOf('\n')), text }));
const [VARIABLES, SUMMARY] = listCommands(contents!) as [string, string];
const VIDEO = { prompt: 'a dog', mode: 'textToVideo' };

/** The output of the commands of a section, as far as it shows the cause of the symptom. */
const SHOWN: Record<string, RegExp> = {
  '429 again and again': /"remaining":9\d,"resetAt":"[^"]+".*\{"count":\d\}/,
  'I was charged twice': /"code":"DUPLICATE_SUBMIT".*"kind":"hold".*"kind":"hold"/,
  'A poll that never ends': /"clock":\{"mode":"frozen","now".*"status":"processing".*"dueAt":null.*"mode":"auto"/s,
  'Certificate errors': /^\{"status":"ok"\}$/,
  'Broken pipe or connection reset': /"fault":"\d+"/,
  '401 with a key that should work': /^"unauthorized":\[\{.*"path":"\/api\/.*"reason":"unknown".*"key":"unkn…"/,
  '402 although the account had credits': /"held":12.*"credits":1488/s,
  'The real service answers': /^\{"count":\d+\}$/,
  'My fault does not happen':
    /"warnings":\["@emulator\(explode\) is not a valid directive.*"nearMisses":\[\{.*"reason":/s,
  'Another result in each run': /"credits":1000/,
};

describe('docs/guides/i-see.md', () => {
  it.skipIf(!hasProgram('curl', '--version'))('has commands that show the cause of each symptom', async () => {
    const url = await serveEmulator();
    const account = connectEmulator(url).account('np_test_default');
    await account.clock.set('frozen');
    // The same video twice, neither of which ends, and a request with an unknown key.
    for (let n = 0; n < 2; n++) {
      await postJson(url, '/api/sora-2/generate', { ...VIDEO, prompt: 'a cat @emulator(hang)' });
    }
    await postJson(url, '/api/sora-2/generate', VIDEO, 'unknown');
    // A connection that is closed, a misspelled directive, and a rule that does not fire for it.
    const rule = await account.faults.add({ at: 'request', effect: { reset: true }, times: 1 });
    await expect(postJson(url, '/api/sora-2/check-status', { taskId: 'task_x' })).rejects.toThrow('fetch failed');
    await account.faults.remove(rule.id);
    await account.faults.add({ at: 'charge', match: { contains: 'a kitten' }, effect: { fail: true } });
    await postJson(url, '/api/sora-2/generate', { ...VIDEO, prompt: 'a dog @emulator(explode)' });

    const cwd = tempDir();
    const run = async (lines: string) =>
      (
        await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', VARIABLES.replace(DEFAULT_URL, url) + lines], {
          cwd,
        })
      ).stdout;
    expect(await run(SUMMARY)).toContain('DUPLICATE_SUBMIT');
    const outputs: Record<string, string> = {};
    for (const { title, text } of SECTIONS) {
      const lines = listCommands(text).join('');
      if (lines !== '') outputs[title] = await run(lines);
    }
    expect(Object.keys(outputs)).toEqual(Object.keys(SHOWN));
    for (const [title, shown] of Object.entries(SHOWN)) expect(outputs[title], title).toMatch(shown);
  });

  it('has a cause and a fix for each symptom, and a link to each in its table of contents', () => {
    expect(SECTIONS.length).toBeGreaterThan(13);
    for (const { title, text } of SECTIONS) {
      expect(text, title).toMatch(/\*\*Cause\.\*\*[\s\S]*\*\*(Fix|Check and fix)\.\*\*/);
      const anchor = title
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-');
      expect(contents).toContain(`](#${anchor})`);
    }
  });

  it('quotes the message about a port in use', async () => {
    const { port } = new URL(await serveEmulator());
    const { code, stderr } = await runCommand(['--port', port]).ended;
    expect(code).toBe(2);
    const [, quoted] = /`(Port 6266 [^`]*)`/.exec(page)!;
    expect(stderr).toContain(quoted!.replace('6266', port));
  });
});
