import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EmulatorError } from '../src/core/errors.ts';
import { FIXTURES_DIR } from '../src/paths.ts';
import { makeMp4 } from './media/make-mp4.ts';
import { type TestEmulator, testEmulator } from './support/emulator.ts';

interface Sample {
  name: string;
  /** Where it is documented. */
  source: string;
  mark: 'D' | 'C' | 'X';
  /** What has to be so before the request. */
  given?: {
    credits?: number;
    requestsBefore?: number;
    submitted?: { path: string; body: unknown };
    submittedBy?: 'np_another';
    /** How often the submitted task has moved on to its next step. */
    changes?: number;
    ended?: 'completed' | 'failed';
    /** A code that no request can provoke: the domain is made to throw it. */
    refusal?: string;
  };
  request: { path: string; body: unknown };
  /** `text`: patterns that a streamed text matches. */
  response: { status: number; body?: unknown; contentType?: string; text?: string[] };
}

const KEY = 'np_wire';
/** The page's own sample id, and one like it; they stand for whatever the emulator gave. */
const SAMPLE_IDS = { taskId: 'task_abc123', generationId: 'gen_abc123' };
type Ids = Partial<typeof SAMPLE_IDS>;

/** Values that differ from run to run, by the name of their field. */
const VARIABLE: Record<string, RegExp> = {
  taskId: /^task_[0-9a-z]+$/,
  generationId: /^gen_[0-9a-z]+$/,
  generationTime: /^[1-9]\d*$/,
  // 0 and 100 have a meaning of their own.
  progress: /^[1-9]\d?$/,
};

const WIRE_DIR = join(FIXTURES_DIR, 'wire');
const families = readdirSync(WIRE_DIR);

describe.each(families)('documented samples of %s', (family) => {
  const files = readdirSync(join(WIRE_DIR, family)).filter((name) => name.endsWith('.json'));
  const samples = files.map((file): Sample => JSON.parse(readFileSync(join(WIRE_DIR, family, file), 'utf8')));

  it.each(samples)('$name', async ({ given = {}, request, response }) => {
    const emulator = await testEmulator();
    const account = emulator.createAccount(KEY, {
      credits: given.credits ?? 1000,
      clock: { mode: 'frozen' },
    });
    emulator.createAccount('np_another', { clock: { mode: 'frozen' } });
    for (let n = 0; n < (given.requestsBefore ?? 0); n++)
      await emulator.post(request.path, request.body, KEY);
    const ids = given.submitted ? await submit(emulator, given.submitted, given.submittedBy) : {};
    for (let n = 0; n < (given.changes ?? 0); n++) emulator.core.timeline.advanceToNext(account.id);
    if (given.ended === 'completed') emulator.core.timeline.advance(account.id, 86_400_000);
    if (given.ended === 'failed') emulator.core.tasks.fail(account.id, ids.taskId!, 'GENERATION_FAILED');
    if (given.refusal) refuse(emulator, given.refusal);

    const answer = await emulator.post(request.path, withValues(request.body, ids), KEY);

    expect(answer.status).toBe(response.status);
    expect(answer.headers['content-type']).toBe(response.contentType ?? 'application/json; charset=utf-8');
    // As text, because the order of keys counts.
    if (response.body) expect(asSampled(answer.text, response.body)).toBe(JSON.stringify(response.body));
    for (const pattern of response.text ?? []) expect(answer.text).toMatch(new RegExp(pattern));
    for (const [url, extension] of answer.text.matchAll(/http:[^"]+\.(mp4|jpg)/g)) {
      const { status, headers } = await emulator.get(new URL(url).pathname);
      expect([status, headers['content-type']]).toEqual([
        200,
        { mp4: 'video/mp4', jpg: 'image/jpeg' }[extension!],
      ]);
    }
  });
});

async function submit(
  emulator: TestEmulator,
  { path, body }: { path: string; body: unknown },
  key = KEY,
): Promise<Ids> {
  const { text } = await emulator.post(path, body, key);
  const found = Object.entries({ taskId: /task_\w+/, generationId: /gen_\w+/ }).map(([name, pattern]) => [
    name,
    pattern.exec(text)?.[0],
  ]);
  return Object.fromEntries(found);
}

function refuse({ core }: TestEmulator, code: string): void {
  vi.spyOn(core.tasks, 'submitInRequest').mockImplementationOnce(() => {
    throw new EmulatorError(code, 'as asked for by the test');
  });
}

function withValues(body: unknown, { taskId, generationId }: Ids): unknown {
  const text = JSON.stringify(body)
    .replaceAll(SAMPLE_IDS.taskId, taskId ?? SAMPLE_IDS.taskId)
    .replaceAll(SAMPLE_IDS.generationId, generationId ?? SAMPLE_IDS.generationId)
    .replace('{{mp4 of 7.5 s}}', makeMp4({ duration: 7500 }).toString('base64'));
  return JSON.parse(text);
}

/** The answer with its variable values replaced by the sample's, wherever they have the form they should have. */
function asSampled(answer: string, sample: unknown): string {
  const sampled = new Map<string, unknown>();
  JSON.stringify(sample, (name, value) => {
    if (name in VARIABLE || isUrl(value)) sampled.set(name, value);
    return value;
  });
  const isAlike = (name: string, value: unknown) =>
    isUrl(value) ? leadsAlike(value, sampled.get(name)) : VARIABLE[name]?.test(String(value));
  return JSON.stringify(JSON.parse(answer), (name, value) =>
    isAlike(name, value) ? sampled.get(name) : value,
  );
}

const isUrl = (value: unknown): value is string =>
  typeof value === 'string' && /^https?:\/\/[^/]+\/.+/.test(value);
const endingOf = (url: string) => /\.\w+$/.exec(url)?.[0];
/** To the same kind of file; some of the vendor's addresses end in dots. */
const leadsAlike = (url: string, sample: unknown) =>
  isUrl(sample) && (sample.endsWith('...') || endingOf(url) === endingOf(sample));
