import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { getFourSecondVideo, loadContractDocument, WIRE_DIR } from '../../src/cli/verify.ts';
import type { Exchange } from '../../src/conformance/case-context.ts';
import { type ContractValidator, createContractValidator } from '../../src/conformance/contract-validator.ts';
import { loadSamples } from '../../src/conformance/recordings/load-samples.ts';
import { createRunRecorder, type RunRecorderOptions } from '../../src/conformance/recordings/run-recorder.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { readSamples, type WireSample } from '../../src/openapi/wire-samples.ts';
import { tempDir } from '../support/temp-dir.ts';

const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const REQUEST = { prompt: 'a dog', mode: 'textToVideo' };
const ACCEPTED = { success: true, status: 'processing', taskId: 'task_0001', message: 'Video generation in progress' };

let validator: ContractValidator;
beforeAll(async () => {
  validator = createContractValidator(await loadContractDocument());
});

function startRecorder(options: Partial<RunRecorderOptions> = {}) {
  const dir = options.dir ?? tempDir();
  let nowMs = START_MS;
  const onIncomplete = vi.fn();
  const recorder = createRunRecorder({
    ...{ dir, url: 'https://nanophoto.ai', credentials: ['np_live_0123456789'], getFourSecondVideo, validator },
    nowMs: () => nowMs++,
    documented: readSamples(WIRE_DIR),
    onIncomplete,
    ...options,
  });
  return {
    ...{ dir, recorder, onIncomplete },
    add: (path: string, requestBody: Json, body: Json, status = 200) =>
      recorder.add(createExchange(path, requestBody, body, status)),
    samples: () => loadSamples(dir),
    sampleOf: (match: (sample: WireSample) => boolean) => loadSamples(dir).find(match),
  };
}

function createExchange(path: string, requestBody: Json, body: Json, status = 200): Exchange {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
  const response = {
    ...{ status, headers: new Headers({ 'content-type': type }), text },
    ...{ body: typeof body === 'string' ? undefined : body, isWhole: true, isCut: false },
  };
  return { method: 'POST', path, requestBody, isRawText: typeof requestBody === 'string', key: null, response };
}

describe('recording of a run', () => {
  it('writes a dated sample without the ids of the account', () => {
    const { dir, add } = startRecorder();
    add(GENERATE, REQUEST, ACCEPTED);
    const file = 'sora-2/generate/2026-01-02T030405.000Z-0001.json';
    expect(JSON.parse(readFileSync(join(dir, file), 'utf8'))).toEqual({
      name: 'POST /api/sora-2/generate gets 200',
      source: 'Recorded from https://nanophoto.ai',
      provenance: 'recorded',
      recordedAt: '2026-01-02T03:04:05.000Z',
      request: { path: GENERATE, body: REQUEST },
      response: { status: 200, contentType: 'application/json', body: { ...ACCEPTED, taskId: 'task_abc123' } },
    });
  });

  it.each<[string, Json, number, WireSample['given']]>([
    ['a completed task', { status: 'completed', taskId: 'task_0001' }, 200, { ended: 'completed' }],
    ['a failed task', { status: 'failed', taskId: 'task_0001' }, 200, { ended: 'failed' }],
    ['a first step', { status: 'processing', progress: 'generating' }, 200, {}],
    ['a task of another account', { errorCode: 'FORBIDDEN' }, 403, { submittedBy: 'np_another' }],
    ['an error that no request can cause', { errorCode: 'INTERNAL_ERROR' }, 500, { refusal: 'INTERNAL_ERROR' }],
  ])('adds the submit to a poll of %s', (_, body, status, given) => {
    const { add, sampleOf } = startRecorder();
    add(GENERATE, REQUEST, ACCEPTED);
    add(CHECK, { taskId: 'task_0001' }, body, status);
    expect(sampleOf(({ request }) => request.path === CHECK)).toMatchObject({
      given: { submitted: { path: GENERATE, body: REQUEST }, ...given },
      request: { path: CHECK, body: { taskId: 'task_abc123' } },
    });
  });

  it('adds no submit to polls of a task of another run', () => {
    const { add, samples } = startRecorder();
    for (let n = 0; n < 2; n++) add(CHECK, { taskId: 'task_0001' }, { status: 'completed', taskId: 'task_0001' });
    add(CHECK, { taskId: 'task_0001' }, { errorCode: 'FORBIDDEN' }, 403);
    add(CHECK, { taskId: 'task_0001' }, { errorCode: 'TASK_NOT_FOUND' }, 404);
    expect(samples().map(({ given }) => given)).toEqual(Array(4).fill(undefined));
    const reason = 'another run or another account submitted its task';
    expect(samples().map(({ notRepeatable }) => notRepeatable)).toEqual([reason, reason, reason, undefined]);
    expect(JSON.stringify(samples().slice(0, 2))).not.toContain('task_0001');
  });

  it('knows the later steps of a task from the samples of the project', () => {
    const { add, samples } = startRecorder();
    add('/api/sora-2-tvc/generate', { adTheme: 'water' }, ACCEPTED);
    const poll = (progress: string) =>
      add('/api/sora-2-tvc/check-status', { taskId: 'task_0001' }, { status: 'processing', progress });
    for (const progress of ['storyboard_script', 'video_generation', 'video_generation', 'of another version']) {
      poll(progress);
    }
    const polls = samples().filter(({ request }) => request.path.endsWith('check-status'));
    expect(polls.map(({ given, response }) => [response.body.progress, given?.changes])).toEqual([
      ['storyboard_script', undefined],
      ['video_generation', 2],
      ['of another version', undefined],
    ]);
  });

  it('states which of several tasks have ended', () => {
    const { add, samples } = startRecorder();
    const shots = ['task_0001', 'task_0002', 'task_0003'].map((taskId) => ({ taskId, status: 'processing' }));
    add('/api/veo-3/generate', { shots: [{}, {}, {}] }, { status: 'processing', shots });
    const poll = (status: string, ...statuses: string[]) => {
      const taskIds = shots.map(({ taskId }) => ({ taskId }));
      const polled = shots.map((shot, index) => ({ ...shot, status: statuses[index] }));
      add('/api/veo-3/check-status', { taskIds }, { status, shots: polled });
    };
    poll('processing', 'processing', 'processing', 'processing');
    poll('processing', 'processing', 'completed', 'failed');
    poll('failed', 'completed', 'completed', 'failed');
    poll('completed', 'completed', 'completed', 'completed');
    const polls = samples().filter(({ request }) => request.path.endsWith('check-status'));
    expect(polls.map(({ given: { submitted: _, ...rest } = {} }) => rest)).toEqual([
      {},
      { endedTasks: { task_abc123_2: 'completed', task_abc123_3: 'failed' } },
      { endedTasks: { task_abc123: 'completed', task_abc123_2: 'completed', task_abc123_3: 'failed' } },
      { ended: 'completed' },
    ]);
  });

  it.each([
    [401, 'LOGIN_REQUIRED', { unauthorized: true }],
    [402, 'INSUFFICIENT_CREDITS', { credits: 0 }],
    [429, 'API_KEY_RATE_LIMIT_EXCEEDED', { requestsBefore: 1 }],
    [400, 'PROMPT_REQUIRED', undefined],
    [500, 'NOT_IN_THE_CONTRACT', undefined],
  ])('states why a request got %i', (status, errorCode, given) => {
    const { add, samples } = startRecorder();
    add(GENERATE, REQUEST, { success: false, errorCode }, status);
    expect(samples()[0]).toMatchObject({ name: `POST ${GENERATE} gets ${status} ${errorCode}` });
    expect(samples()[0]!.given).toEqual(given);
  });

  // id: recorded-run-has-no-credentials
  it('contains no credentials of any request, and no signed URLs', () => {
    const { dir, recorder, add } = startRecorder();
    const secrets = ['np_live_0123456789', 'sk-second-key', 'session-cookie-1', 'me:pass-word-9', 'pass-word-9'];
    recorder.addCredentials({ authorization: 'Bearer sk-second-key', cookie: 'a=session-cookie-1; b=2' });
    recorder.addCredentials({ authorization: `Basic ${Buffer.from('me:pass-word-9').toString('base64')}` });
    const url = 'https://video.nanophoto.ai/a.mp4?X-Amz-Signature=5ec7e7&X-Amz-Expires=60';
    for (const secret of secrets) {
      const base64 = Buffer.from(secret).toString('base64');
      add(GENERATE, { prompt: `${secret} ${url}`, [secret]: base64 }, { error: `no ${secret}`, url, base64 }, 400);
      add(GENERATE, `{"prompt": ${secret}`, `text ${secret} ${base64} ${url}`, 400);
      recorder.createFile('video.nanophoto.ai', `/${secret}/${base64}.mp4`)?.end(true);
    }
    const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
    const everything = files
      .filter((file) => file.endsWith('.json'))
      .map((file) => readFileSync(join(dir, file), 'utf8'));
    expect(everything).toHaveLength(10);
    for (const secret of [...secrets, '5ec7e7']) {
      expect([...files, ...everything].join('\n')).not.toContain(secret);
      expect([...files, ...everything].join('\n')).not.toContain(Buffer.from(secret).toString('base64').slice(0, 10));
    }
    expect(everything[0]).toContain('a.mp4?[key]');
  });

  it('does not redact the scheme of a request without a key', () => {
    const { add, recorder, samples } = startRecorder();
    for (const authorization of ['Bearer', 'bearer ', 'Basic']) recorder.addCredentials({ authorization });
    const body = { error: 'Send a Bearer token, not Basic credentials' };
    add(GENERATE, REQUEST, body, 401);
    expect(samples()).toMatchObject([{ response: { body } }]);
  });

  it('states what else a replay needs, and marks the responses of the recorder, all without credentials', () => {
    const { dir, recorder } = startRecorder();
    const secret = 'np_live_0123456789';
    const exchange = createExchange(GENERATE, REQUEST, { errorCode: 'UPSTREAM_FAILED' }, 502);
    recorder.add({
      ...exchange,
      contentType: `text/${secret}`,
      notRepeatable: `its ${secret}`,
      failure: `no ${secret}`,
    });
    expect(loadSamples(dir)).toMatchObject([
      {
        source: 'The response of exec --record',
        ...{ notRepeatable: 'its [key]', failure: 'no [key]' },
        request: { path: GENERATE, contentType: 'text/[key]', body: REQUEST },
      },
    ]);
  });

  it('never overwrites files of another run', () => {
    const first = startRecorder();
    first.add(GENERATE, REQUEST, ACCEPTED);
    const second = startRecorder({ dir: first.dir });
    second.add(GENERATE, { prompt: 'another' }, ACCEPTED);
    expect(second.onIncomplete).toHaveBeenCalledWith(expect.stringMatching(/^a sample cannot be written: EEXIST/));
    expect(second.recorder.count()).toBe(0);
    expect(first.samples().map(({ request }) => request.body.prompt)).toEqual(['a dog']);
  });

  it('records only what can be replayed: requests below /api/, with bodies that are not nested too deep', () => {
    const { add, samples, onIncomplete } = startRecorder();
    add('/account', {}, {});
    add('/api/np_live_0123456789', {}, {});
    add('/api/../__admin', {}, {});
    const deep = JSON.parse('['.repeat(64) + ']'.repeat(64));
    add(GENERATE, REQUEST, deep);
    add(GENERATE, REQUEST, { errorCode: 'a\nline', taskId: 'a' });
    expect(samples().map(({ name }) => name)).toEqual([`POST ${GENERATE} gets 200`]);
    expect(onIncomplete).not.toHaveBeenCalled();
  });

  // id: recorded-run-is-bounded
  it.each([
    ['samples', 'this run has reached the limit of 2 samples'],
    ['bytes', 'the samples of this run have reached the limit of 1000 bytes'],
    ['credentials', 'this run has used more than 2 different credentials'],
    ['files', 'this run has reached the limit of 2 files'],
  ] as const)('ends at the limit of %s', (name, reason) => {
    const limits = { samples: 3000, bytes: 100_000, credentials: 100, files: 100, [name]: name === 'bytes' ? 1000 : 2 };
    const { dir, add, recorder, onIncomplete, samples } = startRecorder({ limits });
    for (let n = 0; n < 5; n++) {
      recorder.addCredentials({ authorization: `Bearer key-number-${n}` });
      recorder.createFile('video.nanophoto.ai', `/${n}.mp4`)?.end(true);
      add(GENERATE, { ...REQUEST, prompt: `dog ${n}` }, ACCEPTED);
    }
    expect(onIncomplete.mock.calls).toEqual([[reason]]);
    expect(samples().length).toBeLessThan(3);
    expect(readdirSync(dir, { recursive: true }).length).toBeLessThan(12);
  });

  it('counts the polls of one step once', () => {
    const { add, samples, recorder } = startRecorder({
      limits: { samples: 2, bytes: 2000, credentials: 9, files: 9 },
    });
    add(GENERATE, REQUEST, ACCEPTED);
    for (let n = 0; n < 100; n++) add(CHECK, { taskId: 'task_0001' }, { status: 'processing', progress: n });
    expect(recorder.count()).toBe(2);
    expect(samples().map(({ response }) => response.body.progress)).toEqual([99, undefined]);
  });

  it('keeps equal submits', () => {
    const { add, samples } = startRecorder();
    for (let n = 0; n < 2; n++) add(GENERATE, REQUEST, { ...ACCEPTED, taskId: `task_000${n}` });
    expect(samples()).toHaveLength(2);
  });

  it('keeps whole result files only, under names that cannot leave the directory', () => {
    const { dir, recorder } = startRecorder();
    const write = (path: string, isWhole = true) => {
      const file = recorder.createFile('video.nanophoto.ai', path);
      file?.write(Buffer.from('abc'));
      file?.end(isWhole);
      return file !== undefined;
    };
    expect(write('/sora/task_1.mp4')).toBe(true);
    expect(write('/sora/task_1.mp4')).toBe(false);
    expect(write('/sora/cut.mp4', false)).toBe(true);
    expect(write('/../../..//x/%2e%2e/a b.json')).toBe(true);
    expect(recorder.fileCount()).toBe(2);
    const files = readdirSync(join(dir, 'files'), { recursive: true, encoding: 'utf8' }).filter(
      (one) => one.includes('.m') || one.includes('json'),
    );
    expect(files.sort()).toEqual(['video.nanophoto.ai/sora/task_1.mp4', 'video.nanophoto.ai/x/_2e_2e/a_b.json.txt']);
  });

  it('ends when a result file cannot be created or written, and removes the file', () => {
    const unwritable = startRecorder();
    const file = unwritable.recorder.createFile('video.nanophoto.ai', '/task_1.mp4');
    // Like a full disk: each write fails.
    file?.write(undefined as never);
    file?.write(Buffer.from('abc'));
    file?.end(true);
    expect(unwritable.onIncomplete.mock.calls).toEqual([[expect.stringMatching(/task_1\.mp4 cannot be written: /)]]);
    expect(readdirSync(join(unwritable.dir, 'files/video.nanophoto.ai'))).toEqual([]);

    const uncreatable = startRecorder();
    writeFileSync(join(uncreatable.dir, 'files'), '');
    expect(uncreatable.recorder.createFile('video.nanophoto.ai', '/task_1.mp4')).toBeUndefined();
    expect(uncreatable.onIncomplete.mock.calls).toEqual([[expect.stringMatching(/cannot be written: .* is a file/)]]);
  });

  it('rejects a directory that is not writable', () => {
    const dir = tempDir();
    writeFileSync(join(dir, 'file'), '');
    expect(() => startRecorder({ dir: join(dir, 'file') })).toThrow(/file is a file; choose a directory\.$/);
    mkdirSync(join(dir, 'new'));
    expect(() => startRecorder({ dir: join(dir, 'new/one') })).not.toThrow();
  });
});
