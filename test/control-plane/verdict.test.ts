import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { FINDING_CODES, type FindingCode } from '../../src/control-plane/client-lint/findings.ts';
import type { AccountProfile } from '../../src/core/accounts/accounts.ts';
import type { Effect, Rule } from '../../src/core/faults/fault-rules.ts';
import { createTestEmulator } from '../support/emulator.ts';

const GENERATE = '/api/sora-2/generate';
const CHECK = '/api/sora-2/check-status';
const TEXT = '/api/sora-2/generate-prompt';
const REVERSE = '/api/sora-2/reverse-prompt';
const VIDEO = { prompt: 'a dog', mode: 'textToVideo' };
const TOPIC = { topic: 'a lighthouse' };
const UPLOAD = readFileSync(join(import.meta.dirname, '../uploads/tiny.mp4'));
const HOUR_MS = 3_600_000;
const KEY = 'np_linted';

const waitUntil = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { interval: 5, timeout: 30_000 });

interface Options {
  flags?: string[];
  account?: Partial<AccountProfile>;
}

interface Response {
  status: number;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: responses of every shape
  body: any;
}

/** A client over HTTP, on a test clock and an account whose clock is frozen unless `account` says otherwise. */
async function createClient({ flags = [], account = {} }: Options = {}) {
  const emulator = await createTestEmulator(['--port', '0', ...flags]);
  const { id } = emulator.createAccount(KEY, { clock: { mode: 'frozen' }, rateLimit: null, ...account });
  const url = await emulator.listen();
  let closedConnections = 0;
  emulator.app.server.on('connection', (socket) => socket.on('close', () => closedConnections++));

  const start = (path: string, body: object, signal: AbortSignal | null = null) =>
    fetch(url + path, {
      ...{ method: 'POST', body: JSON.stringify(body), signal },
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    });

  async function send(path: string, body: object): Promise<Response> {
    const response = await start(path, body);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json');
    return { status: response.status, text, body: isJson ? JSON.parse(text) : undefined };
  }

  /** Resolves to undefined if the response is incomplete or unreadable. */
  const attempt = (path: string, body: object): Promise<Response | undefined> =>
    send(path, body).catch(() => undefined);

  const countRequests = async () => (await emulator.get(`/__admin/accounts/${KEY}/requests/count`)).body.count;

  /** Sends a request and disconnects before there is a response. */
  async function leave(path: string, body: object): Promise<void> {
    const [requestsBefore, closedBefore] = [await countRequests(), closedConnections];
    const controller = new AbortController();
    const response = start(path, body, controller.signal).catch(() => undefined);
    await waitUntil(async () => (await countRequests()) > requestsBefore);
    controller.abort();
    await response;
    await waitUntil(() => closedConnections > closedBefore);
  }

  /** Sends a request and disconnects after the head of the response. */
  async function leaveBody(path: string, body: object): Promise<void> {
    const closedBefore = closedConnections;
    const controller = new AbortController();
    await start(path, body, controller.signal);
    controller.abort();
    await waitUntil(() => closedConnections > closedBefore);
  }

  const download = (fileUrl: string, init: RequestInit = {}) =>
    fetch(fileUrl, init).then(async (response) => ({
      status: response.status,
      bytes: (await response.arrayBuffer()).byteLength,
    }));

  const advance = (ms: number) => emulator.core.timeline.advance(id, ms);

  const client = {
    ...{ emulator, send, attempt, leave, leaveBody, download, countRequests, advance },
    /** Waits in wall time. */
    sleep: (ms: number) => emulator.clock.advance(ms),
    inject: (at: Rule['at'], effect: Effect, rule: Partial<Rule> = {}) =>
      emulator.core.faults.add(id, { match: {}, at, effect, ...rule }),
    complete: (taskId: string) => emulator.core.tasks.complete(id, taskId),
    submit: async (body: object = VIDEO): Promise<string> => (await send(GENERATE, body)).body.taskId,
    poll: (taskId: string) => send(CHECK, { taskId }),
    verdict: async () => (await emulator.get(`/__admin/accounts/${KEY}/verdict`)).body,
    /** Completes a video, and polls it once. */
    async createVideo(body: object = VIDEO): Promise<{ taskId: string; videoUrl: string }> {
      const taskId = await client.submit(body);
      client.complete(taskId);
      return { taskId, videoUrl: (await client.poll(taskId)).body.videoUrl };
    },
    /** Polls every 5 s until the task has ended, like the sample of the Sora 2 page. */
    async waitForEnd(taskId: string): Promise<string> {
      for (;;) {
        advance(5000);
        const { status } = (await client.poll(taskId)).body;
        if (status !== 'processing') return status;
      }
    },
  };
  return client;
}

type Client = Awaited<ReturnType<typeof createClient>>;

interface Guilty extends Options {
  title: string;
  /** Returns what the findings must match. Their code is that of the case unless it is given. */
  run: (client: Client) => Promise<object[]>;
}

interface Innocent extends Options {
  title: string;
  run: (client: Client) => Promise<void>;
}

const uploadOf = (video: Buffer) => ({
  videoSource: 'file',
  videoFile: video.toString('base64'),
  videoFileName: 'a.mp4',
});
const shot = (id: string) => ({ id, prompt: 'p', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' });

/** Submits two shots and polls both until both have ended, like the sample of the Veo 3.1 page. */
async function createShots({ send, advance, complete }: Client) {
  const { shots } = (await send('/api/veo-3/generate', { shots: [shot('a'), shot('b')], resolution: '720p' })).body;
  const taskIds = shots.map(({ shotId, taskId }: Record<string, string>) => ({ shotId, taskId }));
  const pollAll = async () => (await send('/api/veo-3/check-status', { taskIds, resolution: '720p' })).body.status;
  for (const { taskId } of taskIds) {
    advance(5000);
    expect(await pollAll()).toBe('processing');
    complete(taskId);
  }
  advance(5000);
  expect(await pollAll()).toBe('completed');
  return { pollAll };
}

/** Repeats a request that always fails, with these waits in wall time before the retries. */
async function retryFailing(client: Client, waitsMs: readonly number[], path = CHECK, body: object = { taskId: 'x' }) {
  client.inject('request', { errorCode: 'INTERNAL_ERROR' });
  await client.send(path, body);
  for (const ms of waitsMs) {
    client.sleep(ms);
    expect((await client.send(path, body)).status).toBe(500);
  }
}

const TTL = { flags: ['--result-ttl-seconds', '600'] };

const CASES: Record<FindingCode, { guilty: Guilty[]; innocent: Innocent[] }> = {
  POLLED_TOO_OFTEN: {
    guilty: [
      {
        title: 'polls three times in a row at less than half the recommended interval',
        async run({ submit, poll, advance }) {
          const taskId = await submit();
          for (const gap of [0, 2499, 2499, 2500, 100, 100, 2500, 2499, 2499, 2499]) {
            advance(gap);
            await poll(taskId);
          }
          const message = `Task ${taskId} was polled 4 times in a row at less than half the recommended interval of 5 s.`;
          return [{ message, requests: ['8', '9', '10', '11'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'polls twice in a row at less than half the recommended interval',
        async run({ submit, poll, advance }) {
          const taskId = await submit();
          for (const gap of [0, 2499, 2499, 2500, 100, 100, 2500]) {
            advance(gap);
            await poll(taskId);
          }
        },
      },
      {
        title: 'polls images every 1.5 s',
        async run({ send, advance }) {
          const { body } = await send('/api/nano-banana-2/generate', { prompt: 'a', mode: 'generate' });
          for (let n = 0; n < 5; n++) {
            advance(1500);
            await send('/api/nano-banana-2/check-status', { generationId: body.generationId });
          }
        },
      },
      {
        title: 'polls without a wait on an auto clock',
        account: { clock: { mode: 'auto' } },
        async run({ send }) {
          const { taskId } = (await send('/api/sora-2-tvc/generate', { adTheme: 'a' })).body;
          for (let n = 0; n < 3; n++) await send('/api/sora-2-tvc/check-status', { taskId });
        },
      },
    ],
  },

  POLLED_AFTER_END: {
    guilty: [
      {
        title: 'polls a completed task again',
        async run({ createVideo, poll, advance }) {
          const { taskId } = await createVideo();
          advance(10_000);
          await poll(taskId);
          const message = `Task ${taskId} was polled after a response had reported the end.`;
          return [{ message, requests: ['3'] }];
        },
      },
      {
        title: 'polls a completed task again, twice at the same time',
        async run({ createVideo, poll, inject, sleep, countRequests }) {
          const { taskId } = await createVideo();
          inject('request', { delayMs: 10 });
          const polls = [poll(taskId), poll(taskId)];
          await waitUntil(async () => (await countRequests()) === 4);
          sleep(10);
          await Promise.all(polls);
          return [{ requests: ['3', '4'] }];
        },
      },
      {
        title: 'polls shots again after all of them have ended',
        async run(client) {
          const { pollAll } = await createShots(client);
          client.advance(10_000);
          await pollAll();
          const message = expect.stringMatching(
            /^Task task_\w+ and 1 more were polled after a response had reported the end\.$/,
          );
          return [{ message, requests: ['5'] }];
        },
      },
      {
        title: 'polls a failed task, which has status 500, six times more',
        flags: ['--failed-task-status', '500'],
        async run({ submit, poll, advance }) {
          const taskId = await submit({ ...VIDEO, prompt: 'a @emulator(fail)' });
          advance(HOUR_MS);
          expect((await poll(taskId)).status).toBe(500);
          for (let n = 0; n < 6; n++) await poll(taskId);
          return [{ code: 'POLLED_TOO_OFTEN' }, { requests: ['3', '4', '5', '6', '7', '8'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'polls all shots until the last one has ended',
        run: async (client) => void (await createShots(client)),
      },
    ],
  },

  IGNORED_RETRY_AFTER: {
    guilty: [
      {
        title: 'sends requests during the wait, however often they fail',
        account: { rateLimit: 1 },
        async run({ send }) {
          for (let n = 0; n < 8; n++) await send(CHECK, { taskId: 'x' });
          const message = 'Requests were sent before the delay in Retry-After had passed.';
          return [{ message, requests: ['3', '4', '5', '6', '7', '8'] }];
        },
      },
      {
        title: 'waits a millisecond less than its first response demands',
        async run({ send, inject, advance }) {
          inject('request', { errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' }, { times: 1 });
          await send(CHECK, { taskId: 'x' });
          advance(HOUR_MS - 1);
          await send(CHECK, { taskId: 'x' });
          return [{ requests: ['2'] }];
        },
      },
      {
        title: 'sends two requests at the same time during the wait',
        async run({ send, inject, sleep, countRequests }) {
          inject('request', { errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' }, { times: 1 });
          await send(CHECK, { taskId: 'x' });
          inject('request', { delayMs: 10 });
          const responses = ['x', 'y'].map((taskId) => send(CHECK, { taskId }));
          await waitUntil(async () => (await countRequests()) === 3);
          sleep(10);
          await Promise.all(responses);
          return [{ requests: ['2', '3'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'waits until the end of the hour',
        account: { rateLimit: 1 },
        async run({ send, advance }) {
          for (let n = 0; n < 2; n++) await send(CHECK, { taskId: 'x' });
          advance(HOUR_MS);
          await send(CHECK, { taskId: 'x' });
        },
      },
      {
        title: 'sends a request before the 429 to an earlier one arrives',
        async run({ send, inject, sleep, countRequests }) {
          inject('request', { delayMs: 1000, errorCode: 'API_KEY_RATE_LIMIT_EXCEEDED' }, { times: 1 });
          const refused = send(CHECK, { taskId: 'x' });
          await waitUntil(async () => (await countRequests()) === 1);
          await send(CHECK, { taskId: 'y' });
          sleep(1000);
          expect((await refused).status).toBe(429);
        },
      },
      {
        title: 'downloads a result during the wait',
        account: { rateLimit: 2 },
        async run({ createVideo, send, download }) {
          const { videoUrl } = await createVideo();
          expect((await send(CHECK, { taskId: 'x' })).status).toBe(429);
          expect((await download(videoUrl)).status).toBe(200);
        },
      },
    ],
  },

  RETRIED_WITHOUT_BACKOFF: {
    guilty: [
      {
        title: 'repeats a poll three times in a row without a wait',
        async run(client) {
          await retryFailing(client, [500, 49, 0, 49, 500, 0, 0, 0]);
          const message =
            'A request was repeated 3 times in a row without a wait, although each earlier attempt had failed.';
          return [{ message, requests: ['2', '3', '4', '5'] }];
        },
      },
      {
        title: 'repeats a text until it succeeds',
        async run({ inject, attempt }) {
          inject('request', { reset: true }, { times: 10 });
          for (let n = 0; n < 10; n++) expect(await attempt(TEXT, TOPIC)).toBeUndefined();
          expect(await attempt(TEXT, TOPIC)).toMatchObject({ status: 200 });
          return [{ requests: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11'] }];
        },
      },
      {
        title: 'repeats a poll whose response is truncated, on a real clock',
        account: { clock: { mode: 'real' } },
        async run({ submit, inject, attempt }) {
          const taskId = await submit();
          inject('request', { truncateAfter: 5 });
          for (let n = 0; n < 4; n++) expect(await attempt(CHECK, { taskId })).toBeUndefined();
          return [{ requests: ['2', '3', '4', '5'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'repeats a poll twice in a row without a wait',
        run: (client) => retryFailing(client, [0, 49, 50, 0, 0, 50, 0]),
      },
      {
        title: 'repeats a poll of an unknown task without a wait',
        async run({ poll }) {
          for (let n = 0; n < 5; n++) expect((await poll('task_unknown')).status).toBe(404);
        },
      },
      {
        title: 'sends ten equal requests without a wait, which all fail',
        run: (client) => retryFailing(client, Array(9).fill(0), TEXT, TOPIC),
      },
      ...Object.entries({
        'OpenAI and Stripe, with their jitter': [375, 750, 1500, 3000, 6000, 6000],
        'axios-retry with exponentialDelay': [200, 400, 800, 1600, 3200, 6400],
        got: [1000, 2000, 4000, 8000, 16_000, 32_000],
        'urllib3 with a factor of 0.1, whose first retry is immediate': [0, 200, 400, 800, 1600, 3200],
        'a constant wait of 0.1 s': [100, 100, 100, 100, 100, 100],
        'full jitter from 0.1 s': [3, 90, 20, 99, 800, 5],
      }).map(
        ([sdk, waitsMs]): Innocent => ({
          title: `waits in wall time like ${sdk}`,
          run: (client) => retryFailing(client, waitsMs),
        }),
      ),
      {
        title: 'waits in wall time on a real clock',
        account: { clock: { mode: 'real' } },
        run: (client) => retryFailing(client, [100, 200, 400, 800, 1600, 3200]),
      },
      {
        title: 'advances the frozen clock instead of waiting',
        async run(client) {
          client.inject('request', { errorCode: 'INTERNAL_ERROR' });
          for (let n = 0; n < 8; n++) {
            await client.send(CHECK, { taskId: 'x' });
            client.advance(500);
          }
        },
      },
      {
        title: 'does not wait on an auto clock',
        account: { clock: { mode: 'auto' } },
        run: (client) => retryFailing(client, [0, 0, 0, 0, 0, 0, 0, 0]),
      },
      {
        title: 'sends twelve equal requests at the same time, which all fail',
        async run({ send, inject, sleep, countRequests }) {
          inject('request', { delayMs: 10, errorCode: 'INTERNAL_ERROR' });
          const responses = Array.from({ length: 12 }, () => send(TEXT, TOPIC));
          await waitUntil(async () => (await countRequests()) === 12);
          sleep(10);
          for (const { status } of await Promise.all(responses)) expect(status).toBe(500);
        },
      },
      {
        title: 'sends twelve different requests, which all fail',
        async run({ send, inject }) {
          inject('request', { errorCode: 'INTERNAL_ERROR' });
          for (let n = 0; n < 12; n++) await send(GENERATE, { ...VIDEO, prompt: `dog ${n}` });
        },
      },
      {
        title: 'sends twelve long requests that differ at their ends, and all fail',
        async run({ send, inject }) {
          inject('request', { errorCode: 'INTERNAL_ERROR' });
          for (let n = 0; n < 12; n++)
            await send(GENERATE, { ...VIDEO, prompt: `${'x'.repeat(20_000)}${n.toString(36)}` });
        },
      },
      {
        title: 'uploads twelve files with the same name, which all fail',
        async run({ send, inject }) {
          inject('request', { errorCode: 'AI_SERVICE_ERROR' });
          for (let n = 0; n < 12; n++) await send(REVERSE, uploadOf(Buffer.concat([UPLOAD, Buffer.alloc(8 * n)])));
        },
      },
      {
        title: 'disconnects from twelve equal requests in a row',
        account: { clock: { mode: 'real' }, rateLimit: null },
        async run({ leave }) {
          for (let n = 0; n < 12; n++)
            await leave('/api/sora/remove-watermark', { share_link: 'sora.chatgpt.com/p/1' });
        },
      },
    ],
  },

  DUPLICATE_SUBMIT: {
    guilty: [
      {
        title: 'submits a job again while the first one is running',
        async run({ submit, poll, advance }) {
          const ids = [await submit(), await submit({ ...VIDEO, prompt: 'another' })];
          advance(HOUR_MS);
          for (const id of ids) await poll(id);
          await submit();
          await submit();
          const message = 'The same job was submitted again while the first one was running.';
          return [{ message, requests: ['1', '6'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'submits a job again after the first one has ended',
        async run({ createVideo }) {
          await createVideo();
          await createVideo();
        },
      },
      {
        title: 'submits a job again while the first one is running, and is refused',
        async run({ submit, inject, send }) {
          await submit();
          inject('request', { errorCode: 'INTERNAL_ERROR' });
          expect((await send(GENERATE, VIDEO)).status).toBe(500);
        },
      },
      {
        title: 'submits long jobs that differ at their ends',
        async run({ submit }) {
          for (const end of ['one', 'two']) await submit({ ...VIDEO, prompt: `${'x'.repeat(20_000)}${end}` });
        },
      },
    ],
  },

  PAID_TWICE: {
    guilty: [
      ...(
        [
          ['reset', { reset: true }],
          ['closed', { empty: true }],
          ['truncated', { truncateAfter: 20 }],
        ] as const
      ).map(
        ([loss, effect]): Guilty => ({
          title: `repeats a text whose response was ${loss} after the charge`,
          async run({ inject, attempt }) {
            inject('accepted', effect, { times: 2 });
            for (let n = 0; n < 2; n++) expect(await attempt(TEXT, TOPIC)).toBeUndefined();
            expect(await attempt(TEXT, TOPIC)).toMatchObject({ status: 200 });
            // It has its text now; this is another version.
            await attempt(TEXT, TOPIC);
            const message = 'The same request was paid for again after the response to the first one had been lost.';
            return [{ message, requests: ['1', '2', '3'] }];
          },
        }),
      ),
      {
        title: 'requests a lost text again after five minutes',
        async run({ inject, attempt, advance }) {
          inject('accepted', { reset: true }, { times: 1 });
          await attempt(TEXT, TOPIC);
          advance(300_000);
          await attempt(TEXT, TOPIC);
          return [{ requests: ['1', '2'] }];
        },
      },
      {
        title: 'disconnects from a text on the way, and requests it again',
        account: { clock: { mode: 'real' } },
        async run({ leaveBody, attempt, sleep }) {
          await leaveBody(TEXT, TOPIC);
          let isReceived = false;
          const response = attempt(TEXT, TOPIC).finally(() => {
            isReceived = true;
          });
          await waitUntil(() => {
            sleep(1000);
            return isReceived;
          });
          expect(await response).toMatchObject({ status: 200 });
          return [{ requests: ['1', '2'] }];
        },
      },
      {
        title: 'disconnects from a text that hangs, and requests it again',
        async run({ inject, leaveBody, attempt }) {
          inject('stream', { hang: true }, { times: 1 });
          await leaveBody(REVERSE, uploadOf(UPLOAD));
          await attempt(REVERSE, uploadOf(UPLOAD));
          return [{ requests: ['1', '2'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'requests another version of a text that it has received',
        async run({ send }) {
          for (let n = 0; n < 3; n++) await send(TEXT, TOPIC);
        },
      },
      {
        title: 'requests two versions at the same time and loses one',
        async run({ inject, attempt, sleep, countRequests }) {
          inject('accepted', { delayMs: 10, reset: true }, { times: 1 });
          const lost = attempt(TEXT, TOPIC);
          await waitUntil(async () => (await countRequests()) === 1);
          const received = attempt(TEXT, TOPIC);
          expect(await received).toMatchObject({ status: 200 });
          sleep(10);
          expect(await lost).toBeUndefined();
        },
      },
      {
        title: 'requests another text after it has lost one',
        async run({ inject, attempt }) {
          inject('accepted', { reset: true }, { times: 1 });
          await attempt(TEXT, TOPIC);
          await attempt(TEXT, { topic: 'a harbor' });
        },
      },
      {
        title: 'uploads another file of the same name after it has lost a text',
        async run({ inject, attempt }) {
          inject('accepted', { reset: true }, { times: 1 });
          await attempt(REVERSE, uploadOf(UPLOAD));
          await attempt(REVERSE, uploadOf(Buffer.concat([UPLOAD, Buffer.alloc(8)])));
        },
      },
      {
        title: 'requests a lost text again after more than five minutes',
        async run({ inject, attempt, advance }) {
          inject('accepted', { reset: true }, { times: 1 });
          await attempt(TEXT, TOPIC);
          advance(300_001);
          await attempt(TEXT, TOPIC);
        },
      },
      {
        title: 'repeats a removal of a watermark, which costs nothing',
        async run({ inject, attempt }) {
          inject('accepted', { reset: true }, { times: 1 });
          for (let n = 0; n < 2; n++)
            await attempt('/api/sora/remove-watermark', { share_link: 'sora.chatgpt.com/p/1' });
        },
      },
      ...(
        [
          ['fails before the charge', 'charge', { errorCode: 'AI_SERVICE_ERROR' }],
          ['is reset before the charge', 'request', { reset: true }],
          ['breaks off and is refunded', 'stream', { fail: true }],
          ['is reset on the way and refunded', 'stream', { reset: true }],
          ['is truncated and refunded', 'request', { truncateAfter: 20 }],
          ['gets a complete response that is an error', 'accepted', { errorCode: 'AI_SERVICE_ERROR' }],
          ['gets a complete response that is not text', 'accepted', { malformed: true }],
          ['gets a canned response', 'accepted', { answer: { status: 200, text: '' } }],
        ] as const
      ).map(
        ([failure, at, effect]): Innocent => ({
          title: `repeats a text that ${failure}`,
          async run({ inject, attempt }) {
            inject(at, effect, { times: 1 });
            for (let n = 0; n < 2; n++) await attempt(TEXT, TOPIC);
          },
        }),
      ),
    ],
  },

  NEVER_COLLECTED: {
    guilty: [
      {
        title: 'does not poll a task within a minute of its end',
        async run({ submit, poll, complete, advance }) {
          const taskId = await submit();
          await poll(taskId);
          complete(taskId);
          advance(60_001);
          return [{ message: `No poll received the outcome of ${taskId}.`, requests: ['1'] }];
        },
      },
      {
        title: 'never polls the shots that it has ordered',
        async run({ send, advance }) {
          const { body } = await send('/api/veo-3/generate', { shots: [shot('a'), shot('b')], resolution: '720p' });
          advance(HOUR_MS);
          const ids = body.shots.map(({ taskId }: { taskId: string }) => taskId);
          return [{ message: `No poll received the outcome of ${ids.join(', ')}.`, requests: ['1'] }];
        },
      },
      {
        title: 'never receives a readable response about the end',
        async run({ submit, complete, inject, attempt, advance }) {
          const taskId = await submit();
          complete(taskId);
          inject('request', { malformed: true });
          await attempt(CHECK, { taskId });
          advance(60_001);
          return [{ requests: ['1'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'does not poll a task that has been evicted',
        async run({ submit, complete, advance, emulator }) {
          complete(await submit());
          expect(emulator.core.tasks.evictOldest()).toBe(true);
          advance(HOUR_MS);
        },
      },
      {
        title: 'has had a minute only',
        async run({ submit, complete, advance }) {
          complete(await submit());
          advance(60_000);
        },
      },
      {
        title: 'polls late',
        async run({ submit, poll, advance }) {
          const taskId = await submit();
          advance(HOUR_MS);
          await poll(taskId);
        },
      },
    ],
  },

  FETCHED_AFTER_EXPIRY: {
    guilty: [
      {
        title: 'downloads a file after it has expired',
        ...TTL,
        async run({ createVideo, download, advance }) {
          const { taskId, videoUrl } = await createVideo();
          advance(600_000);
          for (let n = 0; n < 2; n++) expect((await download(videoUrl)).status).toBe(404);
          const message = `The file of task ${taskId} was requested after it had expired.`;
          return [{ message, requests: ['3', '4'] }];
        },
      },
      {
        title: 'receives the URL when half of the lifetime is left, and again when less is left',
        ...TTL,
        async run({ submit, complete, poll, download, advance }) {
          const taskId = await submit();
          complete(taskId);
          advance(300_000);
          const { videoUrl } = (await poll(taskId)).body;
          advance(1);
          await poll(taskId);
          advance(299_999);
          await download(videoUrl);
          return [{ code: 'POLLED_AFTER_END' }, { requests: ['4'] }];
        },
      },
      {
        title: 'revalidates a file before it expires, and downloads it afterwards',
        ...TTL,
        async run({ createVideo, download, advance }) {
          const { videoUrl } = await createVideo();
          // Without a Cache-Control of its own, fetch would ask for a complete response.
          const headers = { 'if-none-match': '*', 'cache-control': 'max-age=0' };
          expect((await download(videoUrl, { headers })).status).toBe(304);
          advance(600_000);
          await download(videoUrl);
          return [{ requests: ['4'] }];
        },
      },
      {
        title: 'uses the URL of a file that it has downloaded before',
        ...TTL,
        async run({ createVideo, download, advance }) {
          const { videoUrl } = await createVideo();
          expect((await download(videoUrl)).status).toBe(200);
          advance(600_000);
          await download(videoUrl);
          return [{ requests: ['4'] }];
        },
      },
    ],
    innocent: [
      {
        title: 'downloads a file before it expires',
        ...TTL,
        async run({ createVideo, download, advance }) {
          const { videoUrl } = await createVideo();
          advance(599_999);
          expect((await download(videoUrl)).status).toBe(200);
        },
      },
      {
        title: 'downloads a file after an hour if files do not expire',
        async run({ createVideo, download, advance }) {
          const { videoUrl } = await createVideo();
          advance(HOUR_MS);
          expect((await download(videoUrl)).status).toBe(200);
        },
      },
      {
        title: 'receives the URL when less than half of the lifetime is left',
        ...TTL,
        async run({ submit, complete, poll, attempt, inject, download, advance }) {
          const taskId = await submit();
          await poll(taskId);
          complete(taskId);
          inject('request', { malformed: true }, { times: 1 });
          await attempt(CHECK, { taskId });
          advance(300_001);
          const { videoUrl } = (await poll(taskId)).body;
          advance(299_999);
          expect((await download(videoUrl)).status).toBe(404);
        },
      },
      ...(
        [
          ['is truncated', { truncateAfter: 100 }],
          ['is reset', { reset: true }],
          ['fails', { errorCode: 'INTERNAL_ERROR' }],
        ] as const
      ).map(
        ([failure, effect]): Innocent => ({
          title: `repeats a download that ${failure} before the file expires`,
          ...TTL,
          async run({ createVideo, inject, download, advance }) {
            const { videoUrl } = await createVideo();
            inject('media', effect, { times: 1 });
            const first = await download(videoUrl).catch(() => undefined);
            expect(first?.status).not.toBe(200);
            advance(600_000);
            for (let n = 0; n < 2; n++) expect((await download(videoUrl)).status).toBe(404);
          },
        }),
      ),
      {
        title: 'continues a download of which it has a part',
        ...TTL,
        async run({ createVideo, download, advance }) {
          const { videoUrl } = await createVideo();
          expect(await download(videoUrl, { headers: { range: 'bytes=0-99' } })).toEqual({ status: 206, bytes: 100 });
          advance(600_000);
          expect((await download(videoUrl, { headers: { range: 'bytes=100-' } })).status).toBe(404);
        },
      },
      {
        title: 'repeats a download that was delayed until the file expired',
        ...TTL,
        async run({ createVideo, inject, download, countRequests, advance, sleep }) {
          const { videoUrl } = await createVideo();
          advance(599_999);
          inject('media', { delayMs: 10 }, { times: 1 });
          const delayed = download(videoUrl);
          await waitUntil(async () => (await countRequests()) === 3);
          advance(1);
          sleep(10);
          expect((await delayed).status).toBe(404);
          expect((await download(videoUrl)).status).toBe(404);
        },
      },
      {
        title: 'checks with HEAD whether a file still exists',
        ...TTL,
        async run({ createVideo, download, advance }) {
          const { videoUrl } = await createVideo();
          advance(600_000);
          expect((await download(videoUrl, { method: 'HEAD' })).status).toBe(404);
        },
      },
      {
        title: 'asks for the file of a task that has been evicted',
        ...TTL,
        async run({ createVideo, download, emulator }) {
          const { videoUrl } = await createVideo();
          expect(emulator.core.tasks.evictOldest()).toBe(true);
          expect((await download(videoUrl)).status).toBe(404);
        },
      },
      {
        title: 'asks for the file of a task that has not ended',
        ...TTL,
        async run({ submit, download, emulator }) {
          const taskId = await submit();
          const { address, port } = emulator.app.server.address() as { address: string; port: number };
          expect((await download(`http://${address}:${port}/media/sora/${taskId}.mp4`)).status).toBe(404);
        },
      },
    ],
  },

  UNDOCUMENTED_FIELD: {
    guilty: [
      {
        title: 'sends fields that are not documented, also nested ones',
        async run({ send }) {
          const shots = Array.from({ length: 11 }, (_, index) => ({
            ...shot(`${index}`),
            ...(index % 10 === 0 && { fps: 24 }),
          }));
          await send('/api/veo-3/generate', { shots, quality: 'high' });
          await send(CHECK, { taskId: 'x', shotId: 'y' });
          return [
            { message: '/api/veo-3/generate has no field shots[].fps.', requests: ['1'] },
            { message: '/api/veo-3/generate has no field quality.', requests: ['1'] },
            { message: '/api/sora-2/check-status has no field shotId.', requests: ['2'] },
          ];
        },
      },
      {
        title: 'sends more than ten such fields in a request, and more than a hundred in all',
        async run({ send }) {
          const fields = (from: number, to: number) =>
            Object.fromEntries(Array.from({ length: to - from }, (_, index) => [`f${from + index}`, 0]));
          await send(CHECK, { taskId: 'x', ...fields(0, 11) });
          for (let from = 10; from < 100; from += 10) await send(CHECK, { taskId: 'x', ...fields(from, from + 10) });
          await send(CHECK, { taskId: 'x', ...fields(99, 101) });
          const toRequest = (field: number) => String(Math.floor(field / 10) + 1);
          return [
            ...Array.from({ length: 100 }, (_, field) => ({
              message: `/api/sora-2/check-status has no field f${field}.`,
              requests: field === 99 ? ['10', '11'] : [toRequest(field)],
            })),
            { message: 'Requests have further undocumented fields.', requests: ['1', '11'] },
          ];
        },
      },
    ],
    innocent: [
      {
        title: 'sends every documented field',
        async run({ send }) {
          const imageUrls = ['https://example.com/landscape.jpg'];
          const prompt = { technique: 'long-take', duration: 10, model: 'm', locale: 'en', mode: 'imageToVideo' };
          await send(TEXT, { ...TOPIC, ...prompt, imageUrls });
          const video = { modelTier: 'sora2', aspectRatio: 'landscape', videoDuration: '10', mode: 'imageToVideo' };
          await send(GENERATE, { prompt: 'p', ...video, imageUrls });
        },
      },
    ],
  },
};

const titled = <Case extends { title: string }>(cases: readonly Case[]) =>
  cases.map((one): [string, Case] => [one.title, one]);

describe('verdict', () => {
  it('has a guilty and an innocent client for every finding, and a row in the docs', () => {
    expect(Object.keys(CASES)).toEqual(FINDING_CODES);
    for (const { guilty, innocent } of Object.values(CASES)) expect([guilty, innocent]).not.toContainEqual([]);
    const page = readFileSync(join(import.meta.dirname, '../../docs/reference/control-plane.md'), 'utf8');
    const [, rows] = /^\| code \| finding \|\n.*\n((?:\|.*\n)+)/m.exec(page)!;
    expect(rows!.match(/(?<=^\| `)[A-Z_]+/gm)).toEqual(FINDING_CODES);
  });

  describe.each(FINDING_CODES)('%s', (code) => {
    it.each(titled(CASES[code].guilty))('is found for a client that %s', async (_title, { run, ...options }) => {
      const client = await createClient(options);
      const expected = await run(client);
      const { ok, findings } = await client.verdict();
      expect({ ok, findings }).toMatchObject({
        ok: false,
        findings: expected.map((finding) => ({ code, ...finding })),
      });
    });

    it.each(titled(CASES[code].innocent))('is not found for a client that %s', async (_title, { run, ...options }) => {
      const client = await createClient(options);
      await run(client);
      expect(await client.verdict()).toEqual({ ok: true, findings: [] });
    });
  });

  it.each<[page: string, run: (client: Client) => Promise<unknown>]>([
    [
      'Sora 2',
      async ({ submit, waitForEnd, advance }) => {
        expect(await waitForEnd(await submit())).toBe('completed');
        advance(HOUR_MS);
      },
    ],
    [
      'Sora 2, for a task that fails',
      async ({ submit, waitForEnd }) => {
        expect(await waitForEnd(await submit({ ...VIDEO, prompt: 'a @emulator(fail)' }))).toBe('failed');
      },
    ],
    ['Veo 3.1', createShots],
    ['Sora 2, with a task id of an example', ({ poll }) => poll('task_abc123')],
    [
      'Sora 2 Prompt Generator',
      ({ send }) => send(TEXT, { ...TOPIC, technique: 'slow-motion', duration: 15, locale: 'en' }),
    ],
    ['Video Reverse Prompt', ({ send }) => send(REVERSE, { ...uploadOf(UPLOAD), locale: 'en' })],
  ])('has no findings about the sample of the vendor page: %s', async (_page, run) => {
    const client = await createClient();
    await run(client);
    expect(await client.verdict()).toEqual({ ok: true, findings: [] });
  });

  const LOSSES: [title: string, effect: Effect, leaves?: 'leaves'][] = [
    ['reset', { reset: true }],
    ['closed', { empty: true }],
    ['truncated', { truncateAfter: 5 }],
    ['malformed', { malformed: true }],
    ['replaced by a canned response', { answer: { status: 200, text: '' } }],
    ['replaced by an error', { errorCode: 'INTERNAL_ERROR' }],
    ['missing until a timeout', { hang: true }, 'leaves'],
    ['delayed until the client disconnects', { delayMs: HOUR_MS }, 'leaves'],
  ];
  const LOST_REQUESTS = [CHECK, GENERATE].flatMap((path) =>
    (path === CHECK ? (['request'] as const) : (['request', 'charge', 'accepted'] as const)).flatMap((at) =>
      LOSSES.map(([title, effect, leaves]) => [path, at, title, { effect, leaves }] as const),
    ),
  );

  it.each(LOST_REQUESTS)('accepts two retries at once of %s after a response that was, at %s, %s', async (...args) => {
    const [path, at, , { effect, leaves }] = args;
    const client = await createClient();
    const { advance, attempt, leave, inject, poll, submit, verdict } = client;
    const isPoll = path === CHECK;
    const polledId = isPoll ? await submit() : '';
    advance(HOUR_MS);
    const body = isPoll ? { taskId: polledId } : VIDEO;
    inject(at, effect, { times: 2, match: { endpoint: path } });
    for (let n = 0; n < 2; n++) {
      if (leaves) await leave(path, body);
      else expect((await attempt(path, body))?.body?.success).not.toBe(true);
    }
    if (isPoll) expect((await verdict()).findings).toMatchObject([{ code: 'NEVER_COLLECTED' }]);
    const response = await attempt(path, body);
    expect(response).toMatchObject({ status: 200, body: { success: true } });
    advance(HOUR_MS);
    if (!isPoll) await poll(response!.body.taskId);
    advance(HOUR_MS);
    expect(await verdict()).toEqual({ ok: true, findings: [] });
  });
});
