import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startEmulator } from '../../src/index.ts';
import { lastingTempDir } from '../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../..');
const TOOLS = join(ROOT, 'test/node_modules');
const EXAMPLE = join(ROOT, 'docs/examples/typed-client/client.ts');
const page = readFileSync(join(ROOT, 'docs/reference/contract.md'), 'utf8');
const run = promisify(execFile);

const dir = lastingTempDir();
const client = join(dir, 'client');

async function generateTypes() {
  const emulator = await startEmulator();
  const [, line] = /^npx (openapi-typescript .*)$/m.exec(page)!;
  const [, ...args] = line!.replace('http://127.0.0.1:6266', emulator.url).split(' ');
  await run(process.execPath, [join(TOOLS, 'openapi-typescript/bin/cli.js'), ...args], { cwd: client });
  await emulator.close();
}

/** Compiles all files with our settings, which are stricter than `strict`, and returns the errors. */
function compile(): Promise<string> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  return run(process.execPath, [tsc, '--pretty', 'false'], { cwd: client }).then(
    () => '',
    ({ stdout }) => stdout,
  );
}

/** The errors of `mistaken.ts`, and those of all other files. */
let mistakes: string[];
let others: string[];

beforeAll(async () => {
  mkdirSync(client);
  symlinkSync(TOOLS, join(dir, 'node_modules'));
  writeFileSync(join(client, 'package.json'), '{"type":"module"}');
  const compilerOptions = { noEmit: false, outDir: 'out', allowImportingTsExtensions: false };
  writeFileSync(
    join(client, 'tsconfig.json'),
    JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'], exclude: [] }),
  );
  await generateTypes();
  cpSync(EXAMPLE, join(client, 'client.ts'));
  writeFileSync(join(client, 'expected.ts'), MISTAKEN);
  writeFileSync(join(client, 'mistaken.ts'), MISTAKEN.replaceAll('// @ts-expect-error\n', ''));
  const errors = (await compile()).match(/^.*error TS.*$/gm) ?? [];
  mistakes = errors.filter((error) => error.startsWith('mistaken.ts('));
  others = errors.filter((error) => !mistakes.includes(error));
});

/** Correct code, and a mistake in its place. */
const MISTAKES: [string, string][] = [
  [`api.POST('/api/sora-2/generate', { body })`, `api.POST('/api/sora-2/generat', { body })`],
  [`api.POST('/api/sora-2/generate', { body })`, `api.GET('/api/sora-2/generate', {})`],
  [`video({ prompt, mode: 'textToVideo' })`, `video({ promt: prompt, mode: 'textToVideo' })`],
  [`video({ prompt, mode: 'textToVideo' })`, `video({ prompt })`],
  [`video({ ...body, videoDuration: '10' })`, `video({ ...body, videoDuration: 10 })`],
  [`video({ ...body, videoDuration: '10' })`, `video({ ...body, duration: '10' })`],
  [`video({ ...body, aspectRatio: 'landscape' })`, `video({ ...body, aspectRatio: '16:9' })`],
  [`veo({ shots: [shot] })`, `veo({ shots: [{ ...shot, aspectRatio: '1:1' }] })`],
  [`veo({ shots: [shot] })`, `veo({ shots: [{ ...shot, generationType: 'textToVideo' }] })`],
  [`poll.status === 'completed' && poll.videoUrl.length`, `poll.videoUrl`],
  [`poll.status === 'failed' && poll.error.length`, `poll.status === 'completed' && poll.error`],
  [`poll.status === 'processing' && poll.progress`, `poll.status === 'pending'`],
  [`ad.status === 'completed' && ad.storyboardImageUrl.length`, `ad.storyboardImageUrl`],
  [`image.status === 'pending' || image.status === 'generating'`, `image.status === 'processing'`],
  [`shots.status === 'completed' && shots.shots[0]?.videoUrl`, `shots.shots[0]?.videoUrl`],
  [`shots.shots[0]?.status === 'failed' && shots.shots[0].error`, `shots.success`],
  [`text.length`, `text.status`],
  [`refused.errorCode === 'IMAGE_REQUIRED'`, `refused.errorCode === 'MISSING_INPUT_IMAGE'`],
  [`refused.errorCode === 'INSUFFICIENT_CREDITS' && refused.requiredCredits`, `refused.requiredCredits`],
  [`unpolled.errorCode === 'TASK_NOT_FOUND'`, `unpolled.errorCode === 'INSUFFICIENT_CREDITS'`],
];

const MISTAKEN = `
import createClient from 'openapi-fetch';
import type { operations, paths } from './nanophoto.js';

const api = createClient<paths>();
const prompt = 'a cat';
const body = { prompt, mode: 'textToVideo' } as const;
const shot = { id: 'a', prompt, generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' } as const;

type Body<Id extends keyof operations> = operations[Id]['requestBody']['content']['application/json'];
const video = (_: Body<'sora2Generate'>) => {};
const veo = (_: Body<'veo3Generate'>) => {};

const taskId = 'task_1';
const poll = (await api.POST('/api/sora-2/check-status', { body: { taskId } })).data!;
const ad = (await api.POST('/api/sora-2-tvc/check-status', { body: { taskId } })).data!;
const image = (await api.POST('/api/nano-banana-2/check-status', { body: { generationId: 'gen_1' } })).data!;
const shots = (await api.POST('/api/veo-3/check-status', { body: { taskIds: [{ shotId: 'a', taskId }] } })).data!;
const response = await api.POST('/api/sora-2/generate-prompt', { body: { topic: prompt }, parseAs: 'text' });
const text = response.data!;
const refused = (await api.POST('/api/sora-2/generate', { body })).error!;
const unpolled = (await api.POST('/api/sora-2/check-status', { body: { taskId } })).error!;

${MISTAKES.map(([right, wrong]) => `void (${right});\n// @ts-expect-error\nvoid (${wrong});`).join('\n')}
`;

describe('typed client', () => {
  it('is quoted on docs/reference/contract.md without changes', () => {
    expect(page).toContain(`\n\`\`\`ts\n${readFileSync(EXAMPLE, 'utf8')}\`\`\``);
  });

  it('compiles, and gets a result and each kind of error', async () => {
    expect(others).toEqual([]);
    const emulator = await startEmulator();
    onTestFinished(() => emulator.close());
    const env = { PATH: process.env.PATH!, NANOPHOTO_API_BASE_URL: emulator.url };
    const { stdout } = await run(process.execPath, [join(client, 'out/client.js')], { env });
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/media\/sora\/task_\w+\.mp4$/),
      'Error: Video generation failed',
      'Error: a video costs 4 credits',
      'Error: LOGIN_REQUIRED',
    ]);
  });

  it('does not compile with unknown names, values and paths', () => {
    // Exactly the lines that expected.ts declares to be mistakes.
    expect(mistakes).toHaveLength(MISTAKES.length);
    expect(others).toEqual([]);
  });
});
