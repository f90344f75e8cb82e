import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadContractDocument } from '../../src/cli/verify.ts';
import { type ContractValidator, createContractValidator } from '../../src/conformance/contract-validator.ts';
import { compareSample, formatDriftReport } from '../../src/conformance/recordings/drift.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { serveEmulator } from '../support/emulator.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { runToolCommand } from '../support/tools.ts';

const runDrift = (...args: string[]) => runToolCommand('drift', ...args);

/** Records the responses of a new emulator to these cases. */
async function recordEmulator(only: string): Promise<{ dir: string; url: string }> {
  const url = await serveEmulator();
  const dir = tempDir();
  const { code } = await runToolCommand('verify', '--base-url', url, '--only', only, '--record', dir);
  expect(code).toBe(0);
  return { dir, url };
}

type Edit = (sample: Json) => void;

function editRecording(dir: string, id: string, edit: Edit): void {
  const file = join(dir, `${id}.json`);
  const sample = JSON.parse(readFileSync(file, 'utf8'));
  edit(sample);
  writeFileSync(file, JSON.stringify(sample));
}

const PATH = '/api/sora-2/check-status';
let validator: ContractValidator;

/** Compares a recorded response with one of the emulator. */
function compareBodies(
  recorded: Json,
  emulated: Json,
  { status = 200, emulatedStatus = 200, method = 'POST', path = PATH, hasCase = false, body = {} as Json } = {},
) {
  const request = { path, ...(method !== 'POST' && { method }), body };
  const metadata = { name: 'a request', source: 'Recorded', provenance: 'recorded' as const, recordedAt: '2026' };
  const contentType = 'application/json';
  const row = compareSample(
    { id: 'a', ...metadata, request, response: { status, contentType, body: recorded } },
    {
      emulated: {
        ...{ ...metadata, case: 'a', exchange: 1, request },
        response: { status: emulatedStatus, contentType, body: emulated },
      },
      ...{ hasCase, outcome: undefined, documented: undefined },
    },
    validator,
  );
  const report = { dir: 'd', emulator: 'in memory', version: '1', at: '2026', rows: [row] };
  return { ...row, contractLine: /^ +contract {4}(.*)$/m.exec(formatDriftReport(report, 'human'))?.[1] };
}

describe('drift', () => {
  beforeAll(async () => {
    validator = createContractValidator(await loadContractDocument());
  });

  it('finds no difference in recordings of an emulator, although ids, times and URLs differ', async () => {
    const { dir } = await recordEmulator(
      'sora-2/check,veo-3/generate,veo-3/task,nano-banana-2/generate,nano-banana-2/check,overview',
    );
    // Without its case, the recording is replayed as a sample of the project.
    editRecording(dir, 'nano-banana-2/generate', (sample) => {
      sample.case = 'nano-banana-2/not-there';
    });
    const { code, stdout, stderr } = await runDrift(dir);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/\n\n\d{3,} agree, 0 differ\n$/);

    const other = await recordEmulator('veo-3/check,sora-2/generate-prompt/languages');
    const withUrl = await runDrift(other.dir, '--base-url', other.url, '--format', 'json');
    expect(JSON.parse(withUrl.stdout)).toMatchObject({ emulator: other.url, differ: 0, rows: [] });
  });

  it('prints contract, emulator and recording for each difference, and exits with 1', async () => {
    const { dir } = await recordEmulator('sora-2/check-status,sora-2/generate/prompt,sora-2/task-completes');
    const edits: Record<string, Edit> = {
      'sora-2/check-status/unknown-task': ({ response }) => {
        Object.assign(response, { status: 418, body: { errorCode: 'TEAPOT' } });
      },
      'sora-2/check-status-completed-2': ({ response }) => {
        response.body.videoUrl = response.body.videoUrl.replace('.mp4', '.webm');
      },
      'sora-2/task-completes': ({ response }) => {
        const { success, ...rest } = response.body;
        response.body = { ...rest, success };
      },
      'sora-2/check-status/no-object': ({ response }) => {
        response.body.error = 'Other words';
        response.body.more = 1;
      },
      'sora-2/check-status/without-key': ({ response }) => {
        Object.assign(response, { contentType: 'text/html', text: '<h1>', body: undefined });
      },
    };
    for (const [id, edit] of Object.entries(edits)) editRecording(dir, id, edit);
    const { code, stdout } = await runDrift(dir, '--format', 'json');
    const { rows, agree, differ } = JSON.parse(stdout);
    expect([code, differ]).toEqual([1, Object.keys(edits).length]);
    expect(agree).toBeGreaterThan(10);
    const differences = Object.fromEntries(rows.map((row: Json) => [row.id, row.difference]));
    expect(differences).toEqual({
      'sora-2/check-status/unknown-task': 'status: recorded 418, emulator 404',
      'sora-2/check-status-completed-2': expect.stringMatching(
        /^videoUrl: recorded "http.*\.webm", emulator "http.*\.mp4"$/,
      ),
      'sora-2/task-completes': 'the order of the fields of the body',
      'sora-2/check-status/no-object': expect.stringMatching(/^error: recorded "Other words", emulator "/),
      'sora-2/check-status/without-key': 'errorCode: recorded null, emulator "LOGIN_REQUIRED"',
    });
    expect(rows.find(({ id }: Json) => id === 'sora-2/check-status/unknown-task')).toMatchObject({
      contract: {
        expected: '404 TASK_NOT_FOUND',
        problem: expect.stringMatching(/^expected one of the statuses 200, 400/),
      },
      emulator: { status: 404, errorCode: 'TASK_NOT_FOUND' },
      recorded: { status: 418, errorCode: 'TEAPOT', at: expect.stringMatching(/^20\d\d-/) },
    });
    const human = await runDrift(dir);
    expect(human.stdout).toMatch(
      new RegExp(
        'DIFFERS {2}sora-2/check-status/unknown-task: .*\\n +contract {4}404 TASK_NOT_FOUND; expected .*\\n' +
          ' +emulator {4}404 TASK_NOT_FOUND\\n +recorded {4}418 TEAPOT, 20\\d\\d-.*Z, Recorded from http.*\\n' +
          ' +difference {2}status: recorded 418, emulator 404\\n',
      ),
    );
  });

  it('reports an emulator that matches the recording but not the contract', async () => {
    const url = await serveEmulator(['--failed-task-status', '500']);
    const dir = tempDir();
    await runToolCommand('verify', '--base-url', url, '--only', 'sora-2/check-status-failed', '--record', dir);
    const { rows, agree } = JSON.parse((await runDrift(dir, '--base-url', url, '--format', 'json')).stdout);
    expect([agree, rows.length]).toEqual([1, 1]);
    expect(rows[0]).toMatchObject({
      contract: { expected: '200 GENERATION_FAILED' },
      emulator: { status: 500 },
      recorded: { status: 500 },
      difference: expect.stringContaining('the emulator does not conform to the contract: expected '),
    });
  });

  it('replays a recording of a case that does not exist any more', async () => {
    const dir = tempDir();
    const sample = {
      name: 'an old case',
      source: 'Recorded from somewhere',
      provenance: 'documented',
      recordedAt: '2026-01-01T00:00:00.000Z',
      case: 'sora-2/gone',
      exchange: 3,
      request: { path: '/api/sora-2/check-status', body: { taskId: 'task_nobody' } },
      response: { status: 404, contentType: 'application/json', body: { errorCode: 'TASK_NOT_FOUND' } },
    };
    writeFileSync(join(dir, 'a.json'), JSON.stringify(sample));
    const [row] = JSON.parse((await runDrift(dir, '--format', 'json')).stdout).rows;
    expect(row).toMatchObject({ emulator: { status: 404 }, difference: expect.stringMatching(/^success: /) });
  });

  it('repeats what it can, and names the other samples without counting them as differences', async () => {
    const dir = tempDir();
    const request = { path: '/api/sora-2/check-status', body: { taskId: 'task_nobody' } };
    const notFound = { success: false, error: 'Task not found', errorCode: 'TASK_NOT_FOUND' };
    const wrongType = { success: false, error: 'Content-Type must be application/json', errorCode: 'INVALID_INPUT' };
    const tooLarge = { success: false, error: 'File exceeds 30MB', errorCode: 'FILE_TOO_LARGE' };
    const failed = { success: false, error: 'down', errorCode: 'UPSTREAM_FAILED' };
    const upload = {
      videoSource: 'file',
      locale: 'en',
      videoFile: '{{file of 32000000 bytes}}',
      videoFileName: 'a.mp4',
    };
    const samples: Record<string, [request: object, status: number, body: object, more?: object]> = {
      'text-plain': [{ ...request, contentType: 'text/plain' }, 415, wrongType],
      'no-type': [{ ...request, contentType: '' }, 415, wrongType],
      upload: [{ path: '/api/sora-2/reverse-prompt', body: upload }, 400, tooLarge],
      compressed: [request, 415, wrongType, { notRepeatable: 'its body was compressed with gzip' }],
      'down-1': [request, 502, failed, { failure: 'ECONNREFUSED', notRepeatable: 'unused' }],
      'get-with-body': [{ ...request, method: 'GET' }, 405, {}],
      trace: [{ path: request.path, method: 'TRACE' }, 405, {}],
      // After the ones that cannot be repeated, which must not end the run.
      'z-same': [request, 404, notFound],
      'z-forbidden': [request, 418, notFound, { notRepeatable: 'no reason' }],
    };
    for (const [id, [sent, status, body, more]] of Object.entries(samples)) {
      const response = { status, contentType: 'application/json', body };
      const metadata = { name: id, source: 'Recorded', provenance: 'recorded', recordedAt: '2026' };
      writeFileSync(join(dir, `${id}.json`), JSON.stringify({ ...metadata, ...more, request: sent, response }));
    }
    const { code, stdout } = await runDrift(dir, '--format', 'json');
    const { rows, notRepeated, agree, differ } = JSON.parse(stdout);
    expect(Object.fromEntries(notRepeated.map(({ id, reason }: Json) => [id, reason]))).toEqual({
      upload: 'its upload is not recorded',
      compressed: 'its body was compressed with gzip',
      'down-1': 'the service gave no usable response: ECONNREFUSED',
      'get-with-body': 'fetch cannot send GET requests with a body',
      trace: 'fetch cannot send TRACE requests',
    });
    // The contract applies to each response of the service.
    expect(rows.map(({ id, difference }: Json) => [id, difference])).toEqual([
      ['z-forbidden', expect.stringMatching(/^the contract: expected one of the statuses/)],
    ]);
    expect([code, agree, differ]).toEqual([1, 3, 1]);
    const human = await runDrift(dir);
    expect(human.stdout).toContain('\nSKIPPED  upload: upload; its upload is not recorded\n');
    expect(human.stdout).toContain('  emulator    not compared: no reason\n');
    expect(human.stdout).toMatch(/\n\n3 agree, 1 differs, 5 cannot be repeated\n$/);
  });

  it('compares an upload that the service and the emulator accept', () => {
    const body = { success: true };
    const upload = { videoFile: '{{file of 9 bytes}}' };
    expect(compareBodies({ ...body, more: 1 }, body, { path: '/api/x', body: upload })).toMatchObject({
      ...{ difference: 'more: recorded 1, emulator nothing', notRepeated: null },
    });
    expect(compareBodies(body, body, { path: '/api/x', body: upload, emulatedStatus: 400 })).toMatchObject({
      ...{ difference: null, notRepeated: 'its upload is not recorded', emulator: null },
    });
    const ofCase = { path: '/api/x', body: upload, emulatedStatus: 400, hasCase: true };
    expect(compareBodies(body, body, ofCase).difference).toBe('status: recorded 200, emulator 400');
  });

  it('exits with one sentence when there is nothing to compare', async () => {
    const empty = tempDir();
    const foreign = tempDir();
    writeFileSync(join(foreign, 'a.json'), '{"request":{"path":"/api/x"}}');
    const broken = tempDir();
    mkdirSync(join(broken, 'b'));
    writeFileSync(join(broken, 'b/c.json'), '{');
    const otherServer = await startService((_body, _request, response) => response.end('{}'));
    const validDir = tempDir();
    writeFileSync(
      join(validDir, 'a.json'),
      '{"name":"","source":"","provenance":"documented","request":{"path":"/api/x"},"response":{"status":200}}',
    );
    const adminPathDir = tempDir();
    const reset = '{"request":{"path":"/__admin/reset"},"response":{"status":200}}';
    writeFileSync(join(adminPathDir, 'a.json'), reset);
    for (const [args, sentence] of [
      [[adminPathDir], `${adminPathDir} contains an invalid sample: a has no request.path below /api/.`],
      [[], 'drift needs one directory'],
      [[empty, foreign], 'drift needs one directory'],
      [[empty], `${empty} has no samples; exec --record and verify --record create them.`],
      [[join(empty, 'nowhere')], 'nowhere cannot be read: ENOENT'],
      [[foreign], `${foreign} contains an invalid sample: a has no response.status.`],
      [[broken], `${broken}/b/c.json cannot be read: `],
      [
        [validDir, '--base-url', otherServer],
        `${otherServer} is not an emulator: it has no control plane; check --base-url.`,
      ],
      [[validDir, '--base-url', 'http://127.0.0.1:1'], 'No server responds at http://127.0.0.1:1'],
      [[validDir, '--base-url', 'x'], '--base-url must be an http or https URL, not "x".'],
      [[validDir, '--format', 'xml'], '--format must be human or json, not "xml".'],
      [[validDir, '--key', 'x'], 'Unknown flag --key; nanophoto-emulator drift --help lists the flags.'],
    ] as const) {
      const { code, stdout, stderr } = await runDrift(...args);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(/^nanophoto-emulator: [^\n]+\.\n$/);
      expect(stderr).toContain(sentence);
    }
    expect(readdirSync(empty)).toEqual([]);
    expect((await runDrift('--help')).stdout).toContain('--base-url');
  });
});

describe('a sample without a case', () => {
  beforeAll(async () => {
    validator ??= createContractValidator(await loadContractDocument());
  });

  const NOT_FOUND = { success: false, error: 'Task not found', errorCode: 'TASK_NOT_FOUND' };
  const compare = ({ status, ...recorded }: Json, { status: emulatedStatus, ...emulated }: Json, request = {}) =>
    compareBodies(recorded, emulated, { status, emulatedStatus, ...request });

  it.each<[string, Json, string]>([
    ['another code', { errorCode: 'NO_SUCH_TASK' }, 'a body in which the body/errorCode must be "TASK_NOT_FOUND"'],
    ['an undocumented status', { status: 99 }, 'one of the statuses 200, 400,'],
    ['an undocumented field', { more: 1 }, 'a body in which the body must not have the field "more"'],
  ])('is compared with what the contract says, not with itself: %s', (_, edit, expected) => {
    const { contract, contractLine } = compare({ status: 404, ...NOT_FOUND, ...edit }, { status: 404, ...NOT_FOUND });
    expect(contract).toEqual({
      ...{ expected: null, isDescribed: true },
      problem: expect.stringMatching(new RegExp(`^expected ${expected}`)),
    });
    expect(contractLine).toBe(contract.problem);
  });

  it.each([{ path: '/api/nope' }, { method: 'DELETE' }])(
    'is not compared with a contract that does not describe its request: %o',
    (request) => {
      const { contract, contractLine } = compare(
        { status: 200, success: true },
        { status: 404, ...NOT_FOUND },
        request,
      );
      expect(contract).toEqual({ expected: null, isDescribed: false, problem: null });
      expect(contractLine).toBe('/openapi.json does not describe this request');
    },
  );

  it('is compared with the closest alternative of a response', () => {
    const body = { success: true, taskId: 'task_1', creditsUsed: 4 };
    const completed = { status: 'completed', videoUrl: 'https://a.b/c.mp4', generationTime: 9, ...body };
    const difference = (recorded: object) =>
      compareBodies({ ...completed, ...recorded }, completed).contract.problem?.replace(
        'expected a body in which ',
        '',
      );
    expect(difference({})).toBeUndefined();
    expect(difference({ extra: 1 })).toBe('the body must not have the field "extra"');
    expect(difference({ extra: 1, creditsUsed: 'x' })).toBe(
      'the body must not have the field "extra", the body/creditsUsed must be integer',
    );
    expect(difference({ status: 'done' })).toBe('the body/status must be "completed"');
  });

  it('differs if recording and emulator agree on a response that the contract does not allow', () => {
    const wrong = { status: 404, ...NOT_FOUND, errorCode: 'NO_SUCH_TASK' };
    expect(compare({ status: 404, ...NOT_FOUND }, { status: 404, ...NOT_FOUND }).difference).toBeNull();
    expect(compare(wrong, wrong).difference).toMatch(/^the contract: expected .*"TASK_NOT_FOUND"/);
  });
});
