import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { hasProgram, startCommand } from '../support/command.ts';
import {
  accountPath,
  addFourthEmulator,
  CONF,
  openRequest,
  startNginxCluster,
  TOKEN,
} from '../support/nginx-cluster.ts';
import { sendRawBytes } from '../support/raw-http.ts';
import { tempDir } from '../support/temp-dir.ts';
import { box, makeMp4 } from '../uploads/make-mp4.ts';

const DOCKER = join(import.meta.dirname, '../../docker');
const read = (file: string) => readFileSync(join(DOCKER, file), 'utf8');
const VIDEO = { prompt: 'A lighthouse in a storm', mode: 'textToVideo' };

/** Keys with all visible ASCII characters and of many lengths, the same in each run. */
const ODD_KEYS = [
  ...['a/b', 'a/../b', '//', '%2F', '%', 'a%41', 'a?b#c', 'a;b=c&d', 'a+b', '"q"', "'", 'a\\b', '~^$1`', '{', '}'],
  ...['{}', '{a', 'a{b/c}d', '<a>,[b]|@!', 'suite:case (1)'.replace(' ', '-'), '1/2/3/4/5/6/7/8/9/10'],
  ...Array.from({ length: 24 }, (_, n) =>
    Array.from({ length: 1 + n * 4 }, (_, at) => String.fromCharCode(0x21 + ((n * 37 + at * (n + 7)) % 94))).join(''),
  ),
].map((odd) => `np_test_${odd}`);

describe('files for several emulators', () => {
  const { services, volumes } = parse(read('compose.scale.yaml'), { merge: true });

  it('name the same emulators', () => {
    const { balancer, ...emulators } = services;
    const names = Object.keys(emulators);
    expect(names).toEqual(['emulator-1', 'emulator-2', 'emulator-3']);
    for (const name of names) {
      const n = name.at(-1);
      expect(CONF.match(new RegExp(`server ${name}:6266 max_fails=0;`, 'g'))).toHaveLength(2);
      expect(CONF).toContain(`\n    ${n} ${name};\n`);
      expect(emulators[name].environment.NANOPHOTO_EMULATOR_PUBLIC_URL).toBe(
        `\${BALANCER_URL:-http://127.0.0.1:6266}/nodes/${n}`,
      );
      // Volumes and ports are not shared.
      expect(emulators[name].volumes).toEqual([`data-${n}:/data`]);
      expect(emulators[name]).not.toHaveProperty('ports');
    }
    expect(Object.keys(balancer.depends_on)).toEqual(names);
    expect(Object.keys(volumes)).toHaveLength(names.length);
  });

  it('configure the emulators like the Compose file for one', () => {
    const one = parse(read('compose.yaml'), { merge: true }).services.emulator;
    for (const field of ['build', 'image', 'read_only', 'tmpfs', 'cap_drop', 'security_opt', 'environment'])
      expect(services['emulator-1'][field], field).toEqual(
        typeof one[field] === 'object' && !Array.isArray(one[field]) ? expect.objectContaining(one[field]) : one[field],
      );
    for (const { healthcheck } of [services['emulator-1'], one]) expect(healthcheck).not.toHaveProperty('test');
    expect(services.balancer.ports).toEqual(one.ports);
  });
});

describe.skipIf(!hasProgram('nginx', '-v'))('several emulators behind nginx', () => {
  it('route each key to one emulator, whatever its characters', async () => {
    const { sendRequest, findNodesByKey } = await startNginxCluster();
    const keys = [...Array.from({ length: 60 }, (_, n) => `np_test_${n}`), ...ODD_KEYS];
    await Promise.all(
      keys.map(async (key) => {
        // Twice by the header, in different spellings, and twice by the path.
        const authorization = `bEARER   ${key} `;
        for (const headers of [{ authorization: `Bearer ${key}` }, { authorization }])
          expect((await sendRequest('POST', '/api/sora-2/check-status', { headers, body: {} })).status).toBe(400);
        expect((await sendRequest('GET', accountPath(key))).body).toMatchObject({ key });
        expect((await sendRequest('GET', `${accountPath(key)}/requests/count?status=400`)).body).toEqual({
          count: 2,
        });
      }),
    );
    const nodesOf = await findNodesByKey();
    for (const key of keys) expect(nodesOf(key), key).toHaveLength(1);
    expect(new Set(keys.slice(0, 60).flatMap(nodesOf))).toEqual(new Set([1, 2, 3]));
    // Odd keys are distributed as well.
    expect(new Set(ODD_KEYS.flatMap(nodesOf))).toEqual(new Set([1, 2, 3]));
  });

  it('create accounts by the key in a header, and keep forks together that share a part in braces', async () => {
    const { sendRequest, findNodesByKey } = await startNginxCluster();
    for (const key of ['team-a', 'team-b', 'team-c', 'team/d', '%2F', '{"e"}']) {
      const created = await sendRequest('POST', '/__admin/accounts', {
        headers: { 'x-emulator-key': key },
        body: { key, credits: 7 },
      });
      expect(created).toMatchObject({ status: 201, body: { key, credits: 7 } });
      expect((await sendRequest('GET', accountPath(key))).body).toMatchObject({ credits: 7 });
      expect((await sendRequest('POST', '/api/sora-2/generate', { key, body: VIDEO })).body).toMatchObject({
        success: true,
      });
      expect((await findNodesByKey())(key)).toHaveLength(1);
    }
    for (const shop of ['a', 'b', 'c', 'd']) {
      const [key, to] = [`np_test_{${shop}}`, `{${shop}}/2`];
      await sendRequest('POST', '/api/sora-2/generate', { key, body: VIDEO });
      expect(await sendRequest('POST', `${accountPath(key)}/fork`, { body: { to } })).toMatchObject({
        status: 201,
      });
      expect((await sendRequest('GET', `${accountPath(to)}/tasks`)).body.tasks).toHaveLength(1);
      expect((await sendRequest('POST', '/api/sora-2/generate', { key: to, body: VIDEO })).status).toBe(200);
      const nodesOf = await findNodesByKey();
      expect(nodesOf(to)).toEqual(nodesOf(key));
    }
  });

  it('behave like a single emulator: tasks, ledger, clock, events, files', async () => {
    const { url, sendRequest, findNodesByKey } = await startNginxCluster();
    const keys = ['np_test_one', 'np_test_two/2', 'np_test_three', 'np_test_four', 'np_test_five%'];
    await Promise.all(
      keys.map(async (key) => {
        const account = accountPath(key);
        const post = (path: string, body: object) => sendRequest('POST', path, { key, body });
        await post('/api/sora-2/check-status', {});
        await sendRequest('PUT', `${account}/clock`, { body: { mode: 'frozen' } });
        const events = await openRequest(url, 'GET', `/__admin/events?key=${encodeURIComponent(key)}`);
        const { taskId } = (await post('/api/sora-2/generate', VIDEO)).body;
        expect((await post('/api/sora-2/check-status', { taskId })).body).toMatchObject({
          status: 'processing',
        });
        const waited = sendRequest('GET', `${account}/wait?task=${taskId}`);
        const timedOut = await sendRequest('GET', `${account}/wait?task=${taskId}&timeoutMs=1`);
        expect(timedOut).toMatchObject({ status: 408, body: { code: 'WAIT_TIMEOUT' } });
        expect((await sendRequest('POST', `${account}/clock/advance`, { body: { toNext: true } })).body).toMatchObject({
          transitions: [{ taskId, to: 'completed' }],
        });
        expect((await waited).body).toMatchObject({ id: taskId, status: 'completed' });
        const { videoUrl } = (await post('/api/sora-2/check-status', { taskId })).body;
        const [node] = (await findNodesByKey())(key);
        expect(videoUrl).toBe(`${url}/nodes/${node}/media/sora/${taskId}.mp4`);

        const { pathname } = new URL(videoUrl);
        const file = await sendRequest('GET', pathname);
        expect(file).toMatchObject({ status: 200, headers: { 'content-type': 'video/mp4' } });
        expect(file.bytes.subarray(4, 8).toString()).toBe('ftyp');
        const part = await sendRequest('GET', pathname, { headers: { range: 'bytes=4-7' } });
        expect([part.status, part.bytes.toString()]).toEqual([206, 'ftyp']);
        const etag = file.headers.etag!;
        expect((await sendRequest('GET', pathname, { headers: { 'if-none-match': etag } })).status).toBe(304);

        const ledger = (await sendRequest('GET', `${account}/ledger`)).body;
        expect(ledger.entries.map(({ kind }: { kind: string }) => kind)).toEqual(['grant', 'hold', 'capture']);
        expect((await sendRequest('GET', `${account}/requests/count`)).body).toEqual({ count: 7 });
        let received = '';
        for await (const chunk of events) {
          received += chunk;
          if (received.includes('"kind":"capture"')) break;
        }
        expect(received).toContain('event: task');
      }),
    );
  });

  it.skipIf(!hasProgram('curl', '--version'))('run the examples of docs/guides/scaling.md', async () => {
    const { url } = await startNginxCluster();
    const page = readFileSync(join(DOCKER, '../docs/guides/scaling.md'), 'utf8');
    const [start, ...blocks] = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, lines]) => lines!);
    expect(start).toContain('compose.scale.yaml');
    const lines = blocks
      .join('')
      .replace('http://127.0.0.1:6266', url)
      .replaceAll(/(?<=curl -s)(?= .*__admin)/g, ` -H 'x-admin-token: ${TOKEN}'`);
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', lines], {
      cwd: tempDir(),
    });
    expect(stdout).toContain('200 video/mp4\n');
    expect(stdout).toContain('"key":"team-a","credits":50,');
    expect(stdout).toContain('"key":"np_test_{shop}-2"');
    expect(stdout).toContain('{"balance":1000,"held":0,');
    expect(stdout.match(/\{"accounts":\d\}nanophoto_accounts \d\n/g)).toHaveLength(3);
  });

  it('reject calls that concern all accounts unless they name an emulator', async () => {
    const { sendRequest, port } = await startNginxCluster();
    const globalCalls = [
      ...['GET /__admin/accounts', 'POST /__admin/accounts', 'POST /__admin/reset', 'GET /__admin/faults'],
      ...['GET /__admin/events', 'GET /__admin/events?after=1', 'GET /metrics', 'GET /ca.pem'],
      ...['GET /media/sora/task_x.mp4', 'GET /__admin', 'GET /__admin/accounts/', 'GET /nodes'],
    ];
    for (const call of globalCalls) {
      const [method, path] = call.split(' ') as [string, string];
      expect(await sendRequest(method, path), call).toMatchObject({
        status: 400,
        body: { code: 'NODE_REQUIRED' },
      });
    }
    // A reset of all accounts does not concern a single key.
    expect(
      (await sendRequest('POST', '/__admin/reset', { headers: { 'x-emulator-key': 'np_test_a' } })).body.code,
    ).toBe('NODE_REQUIRED');

    await sendRequest('POST', '/nodes/2/api/sora-2/generate', { key: 'np_test_only_here', body: VIDEO });
    const listed = await Promise.all(
      [1, 2, 3].map(async (n) => (await sendRequest('GET', `/nodes/${n}/__admin/accounts`)).body.accounts.length),
    );
    expect(listed[1]).toBe(listed[0] + 1);
    expect(listed[2]).toBe(listed[0]);
    expect((await sendRequest('POST', '/nodes/2/__admin/reset')).body).toEqual({ accounts: listed[0] });
    expect((await sendRequest('GET', '/nodes/3/metrics')).bytes.toString()).toContain('nanophoto_accounts');
    expect(await sendRequest('GET', '/nodes/4/ready')).toMatchObject({
      status: 404,
      body: { code: 'NODE_NOT_FOUND' },
    });

    // Any emulator can answer these.
    expect(await sendRequest('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } });
    for (const key of [undefined, 'unknown', 'two words'])
      expect(await sendRequest('POST', '/api/sora-2/generate', { ...(key && { key }), body: VIDEO })).toMatchObject({
        status: 401,
        body: { errorCode: 'LOGIN_REQUIRED' },
      });
    const noToken = { headers: { 'x-admin-token': '' } };
    expect(await sendRequest('GET', accountPath('np_test_default'), noToken)).toMatchObject({
      status: 401,
      body: { code: 'ADMIN_TOKEN_REQUIRED' },
    });

    // nginx rejects requests that it cannot route.
    expect(await sendRequest('GET', '/__admin/accounts/np_%74est')).toMatchObject({
      status: 400,
      body: { code: 'KEY_ENCODING' },
    });
    expect(await sendRequest('GET', accountPath('../../../..'))).toMatchObject({
      status: 400,
      body: { code: 'MALFORMED_REQUEST' },
    });
    const { bytes } = await sendRawBytes(port, 'this is not HTTP\r\n\r\n');
    expect(bytes.toString()).toContain('"code":"MALFORMED_REQUEST"');
  });

  it('pass streams, uploads and injected faults through', async () => {
    const { url, port, sendRequest } = await startNginxCluster();
    const key = 'np_test_stream';
    const account = accountPath(key);
    await sendRequest('POST', '/api/sora-2/check-status', { key, body: {} });
    // The whole text takes more than ten seconds, one chunk of it less than one.
    await sendRequest('PATCH', account, { body: { speed: 1 } });
    const stream = await openRequest(url, 'POST', '/api/sora-2/generate-prompt', {
      key,
      body: { topic: 'Tea' },
    });
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    expect(chunk.length).toBeLessThan(200);
    const [{ id, status }] = (await sendRequest('GET', `${account}/tasks`)).body.tasks;
    expect(status).toBe('processing');
    // The emulator notices that the client has disconnected.
    stream.destroy();
    expect((await sendRequest('GET', `${account}/wait?task=${id}`)).body).toMatchObject({ status: 'completed' });

    await sendRequest('PATCH', account, { body: { speed: 1000000 } });
    const mp4 = makeMp4({ duration: 7500, mdatBytes: 0 }).subarray(0, -8);
    const upload = (bytes: number) =>
      sendRequest('POST', '/api/sora-2/reverse-prompt', {
        key,
        body: {
          videoSource: 'file',
          videoFile: Buffer.concat([mp4, box('mdat', Buffer.alloc(bytes - mp4.length - 8))]).toString('base64'),
        },
      });
    const MIB = 1024 * 1024;
    expect((await upload(30 * MIB)).bytes.toString()).toMatch(/\|.*\|/);
    expect(await upload(32 * MIB)).toMatchObject({ status: 400, body: { errorCode: 'FILE_TOO_LARGE' } });

    const sendWithFault = (fault: string) =>
      sendRawBytes(
        port,
        [
          'POST /api/sora-2/check-status HTTP/1.1',
          `Authorization: Bearer ${key}`,
          ...['Host: a', 'Content-Type: application/json', 'Content-Length: 2'],
          ...(fault ? [`x-emulator-fault: ${fault}`] : []),
          ...['Connection: close', '', '{}'],
        ].join('\r\n'),
      );
    for (const effect of [{ reset: true }, { empty: true }]) {
      await sendRequest('POST', `${account}/faults`, { body: { at: 'request', effect, times: 1 } });
      // Neither a 502 nor a retry.
      expect((await sendWithFault('')).bytes.toString()).toBe('');
    }
    await sendRequest('POST', `${account}/faults`, {
      body: { at: 'request', effect: { truncateAfter: 9 }, times: 1 },
    });
    expect((await sendWithFault('')).bytes.toString()).toMatch(/content-length: \d\d[\s\S]*\r\n\r\n.{9}$/i);
    expect((await sendWithFault('fail=INTERNAL_ERROR')).bytes.toString()).toContain('"errorCode":"INTERNAL_ERROR"');
    const { requests } = (await sendRequest('GET', `${account}/requests?path=/api/sora-2/check-status`)).body;
    expect(requests).toHaveLength(5);
  });

  it('move only its share of the keys to a fourth emulator', async () => {
    const { sendRequest, emulators, startEmulator, findNodesByKey, reload } = await startNginxCluster();
    const keys = Array.from({ length: 240 }, (_, n) => `np_test_move_${n}`);
    const use = (key: string) => sendRequest('POST', '/api/sora-2/check-status', { key, body: {} });
    emulators.push(await startEmulator(4));
    await Promise.all(keys.map(use));
    const before = await findNodesByKey();
    for (const key of keys) expect(before(key)).toEqual([expect.toBeOneOf([1, 2, 3])]);

    await reload(addFourthEmulator(CONF));
    await Promise.all(keys.map(use));
    const after = await findNodesByKey();
    const moved = keys.filter((key) => after(key).includes(4));
    // The data of moved keys stays in the old emulator.
    for (const key of keys) expect(after(key)).toEqual([...before(key), ...(moved.includes(key) ? [4] : [])]);
    const counted = await Promise.all(keys.map((key) => sendRequest('GET', `${accountPath(key)}/requests/count`)));
    expect(counted.map(({ body }) => body.count)).toEqual(keys.map((key) => (moved.includes(key) ? 1 : 2)));
    expect(moved.length).toBeGreaterThan(keys.length * 0.05);
    expect(moved.length).toBeLessThan(keys.length * 0.45);
    expect((await sendRequest('GET', '/nodes/4/ready')).status).toBe(200);
  });

  it('keep serving other keys while one emulator is down, and its own after it is back', async () => {
    const kept = ['--data-dir', tempDir()];
    const started: Awaited<ReturnType<typeof startCommand>>[] = [];
    const { sendRequest, startEmulator, findNodesByKey } = await startNginxCluster({
      async 2(flags) {
        const port = started.length > 0 ? ['--port', new URL(started[0]!.url).port] : [];
        const command = await startCommand([...flags, ...kept, ...port]);
        started.push(command);
        return command;
      },
    });
    const [second] = started;
    const { port } = new URL(second!.url);
    const keys = Array.from({ length: 60 }, (_, n) => `np_test_${n}`);
    const use = (key: string) => sendRequest('POST', '/api/sora-2/generate', { key, body: VIDEO });
    await Promise.all(keys.map(use));
    const before = await findNodesByKey();
    const belongsToSecond = (key: string) => before(key)[0] === 2;

    second!.child.kill('SIGKILL');
    await second!.ended;
    for (let round = 0; round < 2; round++) {
      await Promise.all(
        keys.map(async (key) => {
          const isDown = belongsToSecond(key);
          const response = await use(key);
          expect(response.status, key).toBe(isDown ? 502 : 200);
          if (!isDown) return;
          expect(response.body).toEqual({
            success: false,
            error: `The emulator that has this account cannot be reached: 127.0.0.1:${port}.`,
            errorCode: 'EMULATOR_DOWN',
            code: 'EMULATOR_DOWN',
          });
          expect((await sendRequest('GET', accountPath(key))).body).toMatchObject({ code: 'EMULATOR_DOWN' });
        }),
      );
      const keyless = await Promise.all(Array.from({ length: 12 }, () => sendRequest('GET', '/health')));
      expect(keyless.map(({ status }) => status)).toEqual(keyless.map(() => 200));
      expect((await sendRequest('GET', '/nodes/2/ready')).status).toBe(502);
    }

    await startEmulator(2);
    for (const key of keys) {
      const { entries } = (await sendRequest('GET', `${accountPath(key)}/ledger`)).body;
      const holds = entries.filter(({ kind }: { kind: string }) => kind === 'hold');
      expect(holds, key).toHaveLength(belongsToSecond(key) ? 1 : 3);
    }
    const after = await findNodesByKey();
    for (const key of keys) expect(after(key)).toEqual(before(key));
  });
});
