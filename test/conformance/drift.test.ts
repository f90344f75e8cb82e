import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

describe('drift', () => {
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
      [[empty], `${empty} has no samples; verify --record creates them.`],
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
