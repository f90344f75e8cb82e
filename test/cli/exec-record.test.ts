import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/openapi/json-schema.ts';
import { readSamples } from '../../src/openapi/wire-samples.ts';
import { findFreePort, postJson, runCommand, startCommand } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { execHere } from '../support/exec.ts';
import { startService } from '../support/service.ts';
import { tempDir } from '../support/temp-dir.ts';
import { readSentence, runToolCommand } from '../support/tools.ts';

/** A client of the real service that uses most of it, and gets most of its errors. */
const CLIENT = `
const send = async (path, body, key = process.env.NANOPHOTO_API_KEY) => {
  const headers = { authorization: 'Bearer ' + key, 'content-type': 'application/json' };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await (await fetch('https://nanophoto.ai/api/' + path, { method: 'POST', headers, body: text })).text();
  return response.startsWith('{') ? JSON.parse(response) : response;
};
const run = async (family, body, toPoll) => {
  const accepted = await send(family + '/generate', body);
  for (let polls = 0; polls < 9; polls++) {
    const { status } = await send(family + '/check-status', toPoll(accepted));
    if (['completed', 'failed'].includes(status)) return;
  }
  throw new Error(family + ' did not end: ' + JSON.stringify(accepted));
};
const task = ({ taskId }) => ({ taskId });
await run('sora-2', { prompt: 'a dog', mode: 'textToVideo' }, task);
await run('sora-2', { prompt: 'a dog @emulator(fail)', mode: 'textToVideo' }, task);
await run('sora-2-tvc', { adTheme: 'water' }, task);
await run('seedance-1-5-pro',
  { prompt: 'a dog', mode: 'textToVideo', aspectRatio: 'landscape', resolution: '720p', duration: '8' }, task);
await run('nano-banana-2', { prompt: 'a cat', mode: 'generate' }, ({ generationId }) => ({ generationId }));
const shots = ['one', 'two'].map((prompt) => ({ id: prompt, prompt, generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' }));
await run('veo-3', { shots, resolution: '720p' }, ({ shots }) => ({ taskIds: shots, resolution: '720p' }));
await send('sora-2/generate-prompt', { topic: 'a garden', technique: 'slow-motion', duration: 15, locale: 'en' });
await send('sora/remove-watermark', { share_link: 'https://sora.chatgpt.com/p/s_68e1f0a2b3c4?psh=HXVzZXItTUpXU1hCQW45' });
await send('sora-2/generate', { mode: 'textToVideo' });
await send('sora-2/generate', '{"prompt":');
await send('sora-2/check-status', { taskId: 'task_of_nobody' });
await send('sora-2/check-status', { taskId: 'task_of_nobody' }, 'unknown-key');
await send('sora-2/generate', { prompt: 'a dog', mode: 'textToVideo' }, 'np_test_empty');
const { status } = await fetch('https://example.com/').catch(() => ({ status: 'not reached' }));
console.log(status);
`;

/** Records the client with an emulator as the real service. */
async function record(upstream: string) {
  const dir = join(tempDir(), 'recorded');
  const ended = await runCommand(
    ['exec', '--record', dir, '--upstream', upstream, '--spend', '1000', '--log-level', 'silent', '--'].concat([
      process.execPath,
      '--input-type=module',
      '-e',
      CLIENT,
    ]),
    { NANOPHOTO_API_KEY: 'np_test_default' },
  ).ended;
  return { dir, ended };
}

const UPSTREAM = ['--clock', 'auto', '--rate-limit', 'off'];
const startUpstream = (...flags: string[]) => serveEmulator([...UPSTREAM, ...flags]);
const runDrift = (dir: string) => runToolCommand('drift', dir, '--format', 'json');

const readAll = (dir: string) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .map((file) => readFileSync(join(dir, file), 'utf8'));

describe('exec --record', () => {
  it('records samples in which drift finds no difference, without the key', async () => {
    const { url, lines } = await startCommand(UPSTREAM);
    const { dir, ended } = await record(url);
    expect(ended).toEqual({
      ...{ code: 0, signal: null, stdout: 'not reached\n' },
      stderr: expect.stringMatching(
        /^nanophoto-emulator: \d+ samples in \S+\. The requests cost at most \d+ credits \(--spend 1000\)\.\n$/,
      ),
    });
    const count = Number(/\d+/.exec(ended.stderr)![0]);
    expect(readSamples(dir)).toHaveLength(count);
    expect(count).toBeGreaterThan(20);
    // Each request is forwarded once, and nothing else is sent. Polls of the same step share a sample.
    const forwarded = lines().filter(({ path }) => path !== undefined);
    expect(forwarded.length).toBeGreaterThanOrEqual(count);
    expect(forwarded.every(({ path }) => path.startsWith('/api/'))).toBe(true);
    expect(readAll(dir).join('\n')).not.toMatch(/np_test_|unknown-key|HXVzZXI|task_(?!abc123|of_nobody)/);

    const drift = await runDrift(dir);
    expect(JSON.parse(drift.stdout)).toMatchObject({ agree: count, differ: 0, rows: [] });
    expect(drift.code).toBe(0);
    const imported = await runToolCommand('import', dir);
    expect(JSON.parse(imported.stdout).length).toBeGreaterThan(count - 3);
  });

  it('records samples in which drift finds exactly the differences of another service', async () => {
    const url = await startUpstream();
    const json = (body: unknown, status = 200) => ({ status, contentType: 'application/json', body });
    const planted = [
      // Another status, another error code, another content type, another field and another sentence.
      ['/api/sora-2-tvc/generate', 'water', json({ success: false, error: 'No', errorCode: 'TEAPOT' }, 418)],
      ['/api/sora-2/generate', 'a dog', json({ success: false, error: 'No', errorCode: 'OUT_OF_DOGS' }, 400)],
      ['/api/sora-2/generate-prompt', 'a garden', { status: 200, contentType: 'text/html', text: '<p>A garden' }],
      [
        '/api/sora/remove-watermark',
        's_68e1',
        json({ success: true, status: 'completed', url: 'https://x.com/a.mp4', more: 1 }),
      ],
      [
        '/api/sora-2/check-status',
        'task_of_nobody',
        json({ success: false, error: 'Gone', errorCode: 'TASK_NOT_FOUND' }, 404),
      ],
    ] as const;
    for (const [endpoint, contains, answer] of planted) {
      const rule = { at: 'request', match: { endpoint, contains }, effect: { answer }, times: 1 };
      expect((await postJson(url, '/__admin/accounts/np_test_default/faults', rule)).status).toBe(201);
    }
    const dir = join(tempDir(), 'recorded');
    const script = CLIENT.replace(
      "await run('sora-2-tvc', { adTheme: 'water' }, task);",
      "await send('sora-2-tvc/generate', { adTheme: 'water' });",
    ).replace(
      "await run('sora-2', { prompt: 'a dog', mode: 'textToVideo' }, task);",
      "await send('sora-2/generate', { prompt: 'a dog', mode: 'textToVideo' });",
    );
    const command = [process.execPath, '--input-type=module', '-e', script];
    const flags = ['--record', dir, '--upstream', url, '--spend', '1000', '--log-level', 'silent'];
    const ended = await execHere(command, flags, { NANOPHOTO_API_KEY: 'np_test_default' });
    expect(ended).toMatchObject({ code: 0 });
    const drift = await runDrift(dir);
    expect(drift.code).toBe(1);
    const { rows, differ } = JSON.parse(drift.stdout);
    expect(differ).toBe(5);
    expect(rows.map(({ path, difference }: Record<string, string>) => [path, difference]).sort()).toEqual([
      ['/api/sora-2-tvc/generate', 'status: recorded 418, emulator 200'],
      ['/api/sora-2/check-status', 'error: recorded "Gone", emulator "Task not found"'],
      ['/api/sora-2/generate', 'status: recorded 400, emulator 200'],
      ['/api/sora-2/generate-prompt', expect.stringContaining('content type: recorded "text/html"')],
      ['/api/sora/remove-watermark', 'more: recorded 1, emulator nothing'],
    ]);
    const problems = Object.fromEntries(rows.map(({ path, contract }: Json) => [path, contract.problem]));
    expect(rows.every(({ contract }: Json) => contract.expected === null && contract.isDescribed)).toBe(true);
    expect(problems).toMatchObject({
      '/api/sora-2/generate': expect.stringMatching(/^expected a body in which the body\/errorCode must be "/),
      '/api/sora/remove-watermark': 'expected a body in which the body must not have the field "more"',
    });
  });

  it('records samples in which drift finds no difference, although they have no headers and no uploads', async () => {
    const url = await startUpstream();
    const dir = join(tempDir(), 'recorded');
    const script = `
      const send = (path, headers, body) => fetch('https://nanophoto.ai/api/' + path, {
        method: 'POST', headers: { authorization: 'Bearer ' + process.env.NANOPHOTO_API_KEY, ...headers }, body,
      });
      const json = { 'content-type': 'application/json' };
      const body = '{"taskId":"task_of_nobody"}';
      await send('sora-2/check-status', { 'content-type': 'text/plain' }, body);
      await send('sora-2/check-status', {}, Buffer.from(body));
      await send('sora-2/check-status', { ...json, 'content-encoding': 'gzip' }, body);
      await send('sora-2/check-status', { ...json, 'x-emulator-fault': 'status=503' }, body);
      await send('sora-2/check-status', json, Buffer.from('7b22e9227d', 'hex'));
      const videoFile = Buffer.from('Not 1 video '.repeat(99)).toString('base64');
      await send('sora-2/reverse-prompt', json, JSON.stringify({ videoSource: 'file', videoFile, videoFileName: 'a.mp4' }));
      await fetch('https://nanophoto.ai/api/sora-2/check-status');
    `;
    const command = [process.execPath, '--input-type=module', '-e', script];
    const flags = ['--record', dir, '--upstream', url, '--spend', '1000', '--log-level', 'silent'];
    const ended = await execHere(command, flags, { NANOPHOTO_API_KEY: 'np_test_default' });
    expect(ended).toMatchObject({ code: 0 });
    expect(readSamples(dir)).toHaveLength(7);
    const { code, stdout } = await runDrift(dir);
    const { rows, notRepeated } = JSON.parse(stdout);
    expect({ code, rows }).toEqual({ code: 0, rows: [] });
    expect(notRepeated.map(({ reason }: Json) => reason).sort()).toEqual([
      'it had the header x-emulator-fault',
      'its body was compressed with gzip',
      'its body was not valid UTF-8',
      'its upload is not recorded',
    ]);
  });

  it('verifies the certificate of the service with the usual authorities and NODE_EXTRA_CA_CERTS', async () => {
    const httpsPort = await findFreePort();
    const url = await startUpstream('--https-port', String(httpsPort));
    const caFile = join(tempDir(), 'ca.pem');
    writeFileSync(caFile, await (await fetch(`${url}/ca.pem`)).text());
    const upstream = `https://127.0.0.1:${httpsPort}`;
    const script = `fetch('https://nanophoto.ai/api/sora-2/check-status', { method: 'POST', body: '{}' })
      .then(async (response) => console.log(response.status, await response.text()))`;
    const recordPoll = async (env: Record<string, string>) => {
      const dir = tempDir();
      const command = [process.execPath, '-e', script];
      const flags = ['--record', dir, '--upstream', upstream];
      const { stdout } = await runCommand(['exec', ...flags, '--', ...command], env).ended;
      return { stdout, samples: readSamples(dir) };
    };
    const trusted = await recordPoll({ NODE_EXTRA_CA_CERTS: caFile });
    expect(trusted.stdout).toMatch(/^401 /);
    expect(trusted.samples).toMatchObject([{ response: { status: 401 } }]);
    const untrusted = await recordPoll({ NODE_TLS_REJECT_UNAUTHORIZED: '0' });
    expect(untrusted.stdout).toMatch(/^502 .*certificate/);
    expect(untrusted.samples).toMatchObject([{ response: { status: 502 } }]);
  });

  it('counts the result files, which bypass the proxy unless the upstream has --public-url vendor', async () => {
    const script = `
      const send = async (path, body) => (await fetch('https://nanophoto.ai/api/sora-2/' + path, {
        method: 'POST', body: JSON.stringify(body),
        headers: { authorization: 'Bearer ' + process.env.NANOPHOTO_API_KEY, 'content-type': 'application/json' },
      })).json();
      const { taskId } = await send('generate', { prompt: 'a dog', mode: 'textToVideo' });
      for (;;) {
        const { videoUrl } = await send('check-status', { taskId });
        if (videoUrl === undefined) continue;
        await (await fetch(videoUrl)).arrayBuffer();
        break;
      }
    `;
    const recordFiles = async (...flags: string[]) => {
      const url = await startUpstream(...flags);
      const recordFlags = ['--record', tempDir(), '--record-files', '--upstream', url, '--spend', '9'];
      const command = [process.execPath, '--input-type=module', '-e', script];
      const env = { NANOPHOTO_API_KEY: 'np_test_default' };
      const { stderr } = await execHere(command, recordFlags, env);
      return / samples and (\d result files?) in /.exec(stderr)?.[1] ?? stderr;
    };
    expect(await recordFiles('--public-url', 'vendor')).toBe('1 result file');
    expect(await recordFiles()).toBe('0 result files');
  });

  it('spends nothing without --spend', async () => {
    let requests = 0;
    const url = await startService((_body, _request, response) => {
      requests += 1;
      response.end();
    });
    const script = `fetch(process.env.NANOPHOTO_API_BASE_URL + '/api/sora-2/generate', { method: 'POST', body: '{}' })
      .then(async (response) => console.log(response.status, await response.text()))`;
    const command = [process.execPath, '-e', script];
    const { stdout } = await execHere(command, ['--record', tempDir(), '--upstream', url]);
    expect(stdout).toMatch(/^402 .*"SPEND_LIMIT_REACHED"/);
    expect(requests).toBe(0);
  });

  it('exits with the code of the command, and with 2 if a sample could not be written', async () => {
    const url = await startService((_body, _request, response) => response.end('{}'));
    const dir = tempDir();
    const run = (script: string) => execHere([process.execPath, '-e', script], ['--record', dir, '--upstream', url]);
    expect(await run('process.exit(7)')).toMatchObject({ code: 7, stderr: expect.stringContaining(': 0 samples in ') });
    writeFileSync(join(dir, 'sora-2'), '');
    const { code, stderr } = await run(`fetch('https://nanophoto.ai/api/sora-2/check-status', { method: 'POST' })`);
    expect(code).toBe(2);
    expect(stderr).toMatch(/The recording is not complete: a sample cannot be written: .*; choose a directory\.\n$/);
  });

  it('is rejected before the command runs if the directory is not writable', async () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    const flags = ['--record', file, '--upstream', 'http://127.0.0.1:9'];
    const ran = join(tempDir(), 'ran');
    expect(await readSentence(() => execHere(['touch', ran], flags))).toBe(`${file} is a file; choose a directory.`);
    expect(existsSync(ran)).toBe(false);
  });
});
