import { execFile, spawn } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { tempDir } from '../support/temp-dir.ts';
import { verifyServer } from '../support/verify.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A mistake, and the cases that it is to be found by. */
interface Mutation {
  file: string;
  from: string;
  to: string;
  expectedCases: RegExp;
}

/** In single answers. */
const RESPONSE_MUTATIONS: Mutation[] = [
  {
    file: 'families/sora-2.ts',
    from: "'15': 100",
    to: "'15': 101",
    expectedCases: /^sora-2\/(generate\/(price|short-of)|file)-sora2-pro-standard-15(-landscape)?$/,
  },
  {
    file: 'families/seedance-1-5-pro.ts',
    from: "audio: { '4': 8, '8': 16, '12': 24 }",
    to: "audio: { '4': 8, '8': 16, '12': 23 }",
    expectedCases: /^seedance-1-5-pro\/(generate\/(price|short-of)|file)-720p-true-12(-landscape)?$/,
  },
  {
    file: 'families/veo-3.ts',
    from: 'MOST_SHOTS = 21',
    to: 'MOST_SHOTS = 22',
    expectedCases: /^veo-3\/generate\/shots-too-many$/,
  },
  {
    file: 'families/shared/video-task.ts',
    from: "message: 'Video generation in progress'",
    to: "message: 'Video generation has begun'",
    expectedCases: /^(sora-2|seedance-1-5-pro|sora-2-tvc)\/generate-?[a-z-]*$/,
  },
  {
    file: 'families/shared/video-task.ts',
    from: 'TASK_NOT_FOUND: { status: 404',
    to: 'TASK_NOT_FOUND: { status: 400',
    expectedCases:
      /^(sora-2|seedance-1-5-pro|sora-2-tvc)\/(check-status-not-found|task-of-another|check-status\/unknown-task)$|\/task-elsewhere$/,
  },
  {
    file: 'http/pipeline/error-table.ts',
    from: 'Contact support@nanophoto.ai for higher limits.',
    to: 'Contact us for higher limits.',
    expectedCases: /^overview\/rate-limited$/,
  },
  {
    file: 'families/prompt-generator.ts',
    from: 'MOST_TOPIC_CHARACTERS = 500',
    to: 'MOST_TOPIC_CHARACTERS = 499',
    expectedCases: /^sora-2\/generate-prompt\/topic-(longest(-in-chinese)?|most-emoji)$/,
  },
  {
    file: 'core/tasks/task-engine.ts',
    from: 'else ledger.refund(account.id, task.holdSeq, task.id, errorCode, atMs);',
    to: 'else ledger.capture(account.id, task.holdSeq, task.id, atMs);',
    expectedCases: /^[\w-/]+\/((failure|broken-stream)-is-refunded|check-status-failed|failed-shot|no-video)$/,
  },
  {
    file: 'families/sora-2.ts',
    from: "z.enum(['portrait', 'landscape']).default('portrait')",
    to: "z.enum(['portrait', 'landscape']).default('landscape')",
    expectedCases: /^sora-2\/generate\/aspectRatio-default$/,
  },
  {
    file: 'families/shared/image-task.ts',
    from: "status: 'completed', ...urls(), generationId, progress: 100",
    to: "status: 'completed', generationId, ...urls(), progress: 100",
    expectedCases: /^nano-banana-(2|pro)\/check-status-completed$/,
  },
];

/** In files, texts and links, and in what can only be seen over several answers. */
const STATEFUL_MUTATIONS: Mutation[] = [
  {
    file: 'families/sora-2.ts',
    from: 'oriented(SIZES[modelTier], aspectRatio)',
    to: "oriented(SIZES[modelTier], 'portrait')",
    expectedCases: /^sora-2\/(file-[\w-]+-landscape|task-completes)$/,
  },
  {
    file: 'families/veo-3.ts',
    from: 'const size = VIDEO_SIZES[resolution];',
    to: "const size = VIDEO_SIZES['720p'];",
    expectedCases: /^veo-3\/file-(1080p|4k)-/,
  },
  {
    file: 'families/sora-2-tvc.ts',
    from: 'aspectRatio), videoDuration, true)',
    to: "aspectRatio), '10', true)",
    expectedCases: /^sora-2-tvc\/file-15-/,
  },
  {
    file: 'families/shared/image-task.ts',
    from: "'4:3': [1200, 896]",
    to: "'4:3': [896, 1200]",
    expectedCases: /^nano-banana-(2|pro)\/file-\dK-4x3$/,
  },
  {
    file: 'families/shared/image-task.ts',
    from: "'4K': 4 } as const;\n\ntype Input",
    to: "'4K': 2 } as const;\n\ntype Input",
    expectedCases: /^nano-banana-(2|pro)\/file-4K-/,
  },
  {
    file: 'families/seedance-1-5-pro.ts',
    from: 'duration, generateAudio)',
    to: 'duration, true)',
    expectedCases: /^seedance-1-5-pro\/(file-\d+p-false-|task-completes$)/,
  },
  {
    file: 'families/shared/image-task.ts',
    from: 'Math.floor(share * 100)',
    to: 'Math.floor((share * 300) % 100)',
    expectedCases: /^nano-banana-(2|pro)\/progress-never-falls$/,
  },
  {
    file: 'families/shared/image-task.ts',
    from: "switch (task.status) {\n    case 'processing': {\n      const status",
    // The second poll that finds it completed is told otherwise.
    to: `const ended: Set<string> = ((globalThis as any).ended ??= new Set());
  if (task.status === 'completed' && ended.size === ended.add(task.id).size)
    return { success: true, status: 'generating', generationId, progress: 99 };
  switch (task.status) {\n    case 'processing': {\n      const status`,
    expectedCases: /^nano-banana-(2|pro)\/finished-for-good$/,
  },
  {
    file: 'families/shared/video-task.ts',
    from: 'Math.round(task.simulatedMs! / 1000)',
    to: 'task.simulatedMs!',
    expectedCases: /^(sora-2|seedance-1-5-pro|sora-2-tvc)\/generation-time$/,
  },
  {
    file: 'families/veo-3.ts',
    from: '{ chained: true }',
    to: '{ chained: false }',
    expectedCases: /^veo-3\/(shots-one-after-another|failed-shot)$/,
  },
  {
    file: 'families/veo-3.ts',
    from: "statuses.includes('failed') ? 'failed'",
    to: "statuses.every((one) => one === 'failed') ? 'failed'",
    expectedCases: /^veo-3\/failed-shot$/,
  },
  {
    file: 'families/veo-3.ts',
    from: 'if (task?.clientRef !== shotId)',
    to: 'if (!task)',
    expectedCases: /^veo-3\/wrong-shot$/,
  },
  {
    file: 'families/prompt-generator.ts',
    from: 'phrasesOf(input.locale, fixturesDir)',
    to: "phrasesOf(input.locale === 'fr' ? 'en' : input.locale === 'zh-TW' ? 'zh' : input.locale, fixturesDir)",
    expectedCases: /^sora-2\/generate-prompt\/language-(fr|zh-TW)$/,
  },
  {
    file: 'families/reverse-prompt.ts',
    from: 'youtu\\.be$/',
    to: 'youtube\\.be$/',
    expectedCases: /^sora-2\/reverse-prompt\/youtube-youtu\.be$/,
  },
  {
    file: 'families/reverse-prompt.ts',
    from: '!MP4_NAME.test(new URL(videoUrl).pathname)',
    to: '!MP4_NAME.test(videoUrl)',
    expectedCases: /^sora-2\/reverse-prompt\/mp4-(link-with|in)-query$/,
  },
  {
    file: 'families/reverse-prompt.ts',
    from: 'MOST_FILE_BYTES = 30 * 1024 * 1024',
    to: 'MOST_FILE_BYTES = 30 * 1024 * 1024 - 1',
    expectedCases: /^sora-2\/reverse-prompt\/largest$/,
  },
  {
    file: 'families/seedance-1-5-pro.ts',
    from: 'const task = pollVideo(emulator, request, FAMILY);',
    to: `const find = (family: string) => pollVideo(emulator, request, family);
      const task = (() => { try { return find(FAMILY); } catch { return find('sora-2'); } })();`,
    expectedCases: /^sora-2\/task-elsewhere$/,
  },
  {
    file: 'families/prompt-generator.ts',
    from: 'z.string().trim().min(1)',
    to: 'z.string()',
    expectedCases: /^sora-2\/generate-prompt\/model-blank$/,
  },
  {
    file: 'families/prompt-generator.ts',
    from: 'technique: input.technique',
    to: "technique: 'montage'",
    expectedCases: /^(sora-2\/generate-prompt\/long-take|prompt-generator\/[\w-]+-form)$/,
  },
  {
    file: 'uploads/upload.ts',
    from: 'if (found.ok) this.durationMs = found.durationMs;',
    to: 'if (found.ok) this.durationMs = 10_000;',
    expectedCases: /^(sora-2\/reverse-prompt\/rows-add-up|reverse-prompt\/file-upload-form)$/,
  },
];

it.each([
  ['ten mistakes in single answers', 10, RESPONSE_MUTATIONS],
  ['twenty in files, texts, links and over several answers', 20, STATEFUL_MUTATIONS],
])('verify finds each of %s of a wrong copy, and none that is not there', async (_what, count, mutations) => {
  expect(mutations).toHaveLength(count);
  const url = await startMutant((dir) => {
    for (const { file, from, to } of mutations) {
      const path = join(dir, 'src', file);
      const text = readFileSync(path, 'utf8');
      expect(text.split(from), `${file}: ${from}`).toHaveLength(2);
      writeFileSync(path, text.replace(from, to));
    }
  });
  const { outcomes } = await verifyServer(url);
  const mismatched = outcomes.filter(({ result }) => result === 'differs').map(({ id }) => id);
  for (const { expectedCases, to } of mutations)
    expect(mismatched, to).toContainEqual(expect.stringMatching(expectedCases));
  expect(mismatched.filter((id) => !mutations.some(({ expectedCases }) => expectedCases.test(id)))).toEqual([]);
});

/** An emulator built from other sources. */
async function startMutant(mutate: (dir: string) => void): Promise<string> {
  const dir = tempDir();
  for (const name of ['src', 'scripts', 'migrations', 'fixtures', 'package.json', 'tsconfig.json'])
    cpSync(join(ROOT, name), join(dir, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  mutate(dir);
  await promisify(execFile)(process.execPath, ['scripts/build.mjs'], { cwd: dir });
  const child = spawn(process.execPath, [join(dir, 'dist/main.js'), '--port', '0'], {
    env: { PATH: process.env.PATH! },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line);
    if (url) {
      child.stdout.resume();
      return url;
    }
  }
  throw new Error('the copy ended before it was ready');
}
