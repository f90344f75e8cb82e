import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { toDirName } from '../../src/client/artifacts.ts';
import { hasProgram } from '../support/command.ts';
import { execHere } from '../support/exec.ts';
import { tempDir } from '../support/temp-dir.ts';
import { listCalledEndpoints, readPrograms, VENDOR_PAGES } from './driven-endpoints.ts';

/** The key in all samples, which the pages ask readers to replace. The emulator has an account with it instead. */
const PLACEHOLDER = 'YOUR_API_KEY';

const hasCurl = hasProgram('curl', '--version');

/** Patterns of the output of each page's programs, in the order of the page. */
const OUTPUTS: Record<string, RegExp[]> = {
  'prompt-generator': [/koi pond/, /Animate this landscape/, /\n\nFull prompt: .*futuristic cityscape/s],
  'reverse-prompt': [/\|.*\|/, /\|.*\|/, /\|.*\|/],
  'sora-2': [
    /^\{"success":true,"status":"processing","taskId":"task_\w+"/,
    /^\{"success":true,"status":"processing","taskId":"task_\w+"/,
    /^Video URL: https:\/\/nanophoto\.ai\/\S+\.mp4\n$/m,
    // The page's task id is an example.
    /"errorCode":"TASK_NOT_FOUND"/,
  ],
  'veo-3': [
    /^\{"status":"processing","shots":\[\{/,
    /^\{"status":"processing","shots":\[\{/,
    /^\{"status":"processing","shots":\[(?:\{[^}]*\},?){3}\]/,
    /^Shot shot-1 Video URL: https:\/\/nanophoto\.ai\/\S+\.mp4\n$/m,
    /"errorCode":"TASK_NOT_FOUND"/,
  ],
};

/** Calls of functions that a page defines but does not call. */
const CALLS: Record<string, string> = { 'prompt-generator': `\nawait generatePrompt("${PLACEHOLDER}");\n` };

const PROGRAMS = VENDOR_PAGES.flatMap((page) => {
  const programs = readPrograms(page);
  const outputs = OUTPUTS[page] ?? [];
  expect(programs).toHaveLength(outputs.length);
  return programs.map(({ language, program }, index) => ({
    title: `${page}, program ${index + 1}`,
    language,
    program: language === 'ts' ? `${program}${CALLS[page] ?? ''}` : program,
    output: outputs[index]!,
  }));
});

/** Samples wait for 5 s before each poll. Their timers run a hundred times as fast. */
const FAST_TIMERS = `const { setTimeout } = globalThis;
globalThis.setTimeout = (callback, ms, ...args) => setTimeout(callback, ms / 100, ...args);`;

/** Runs a program under `exec`, in a directory with the video that one of the samples uploads. */
async function run(language: 'sh' | 'ts', program: string, flags: string[]) {
  const dir = tempDir();
  copyFileSync(join(import.meta.dirname, '../uploads/tiny.mp4'), join(dir, 'your-video.mp4'));
  writeFileSync(join(dir, 'seed.json'), JSON.stringify({ accounts: [{ key: PLACEHOLDER }] }));
  const file = join(dir, language === 'ts' ? 'sample.mjs' : 'sample.sh');
  writeFileSync(file, language === 'ts' ? (await transform(program, { loader: 'ts' })).code : program);
  const timers = join(dir, 'timers.cjs');
  writeFileSync(timers, FAST_TIMERS);
  const command = language === 'ts' ? [process.execPath, '--require', timers, file] : ['sh', '-eu', file];
  const artifacts = join(dir, 'artifacts');
  const execFlags = ['--seed-file', join(dir, 'seed.json'), '--report', '--fail-on-verdict', '--artifacts', artifacts];
  const ended = await execHere(['sh', '-euc', 'cd "$0"; exec "$@"', dir, ...command], [...execFlags, ...flags]);
  return { ...ended, endpoints: listSuccessfulEndpoints(artifacts) };
}

/** Lists the endpoints that responded with 200, from the artifacts of the account. */
function listSuccessfulEndpoints(artifacts: string): string[] {
  const { requests } = JSON.parse(readFileSync(join(artifacts, toDirName(PLACEHOLDER), 'account.json'), 'utf8'));
  const successful = requests.filter(({ status }: { status: number }) => status === 200);
  return [...new Set<string>(successful.map(({ path }: { path: string }) => path))].sort();
}

describe('programs of the vendor pages, unchanged, under exec --fail-on-verdict', () => {
  // id: vendor-programs-drive-endpoints
  it.for(PROGRAMS)('exit with 0 and without findings: $title', async ({ language, program, output }, { skip }) => {
    skip(language === 'sh' && !hasCurl, 'curl is not installed');
    // At this speed, every task has ended before the first poll.
    const polls = language === 'ts' && program.includes('check-status');
    const speeds = polls ? [[], ['--clock', 'real', '--speed', '100000']] : [[]];
    for (const flags of speeds) {
      const { code, stdout, stderr, endpoints } = await run(language, program, flags);
      expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^YOUR_API_KEY: [12] requests?, /m) });
      expect(stderr).toContain('verdict: no findings');
      expect(stderr).not.toContain('got 401');
      expect(stdout).toMatch(output);
      if (language === 'ts') expect(endpoints).toEqual(listCalledEndpoints(program));
    }
  });
});
