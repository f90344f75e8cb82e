import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connectEmulator } from '../../src/client/connect.ts';
import { getProperties } from '../../src/conformance/contract-validator.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { postJson } from '../support/command.ts';
import { serveEmulator } from '../support/emulator.ts';
import { writeSeedFile } from '../support/seed-file.ts';
import { createContract, verifyServer } from '../support/verify.ts';
import { type ProxiedRequest, type ProxyHooks, startMutatingProxy } from './mutating-proxy.ts';

/** A mistake that another implementation of the API could make, and the conformance cases that must find it. */
interface Mutation {
  mistake: string;
  expectedCases: RegExp;
  /** Prices that differ from the vendor's, by family, as in a seed file. */
  prices?: Record<string, object>;
  /** Changes requests and responses of a correct emulator so that a client sees the mistake. */
  hooks?: ProxyHooks | ((emulatorUrl: string) => ProxyHooks);
  /** Whether another mistake hides it, or makes the same cases fail. */
  isMasked?: true;
}

const VIDEO_FAMILIES = '(sora-2|seedance-1-5-pro|sora-2-tvc)';
const VIDEO_GENERATE = new RegExp(`^/api/${VIDEO_FAMILIES}/generate$`);
const VIDEO_CHECK_STATUS = new RegExp(`^/api/${VIDEO_FAMILIES}/check-status$`);
const IMAGE_GENERATE = /^\/api\/nano-banana-(2|pro)\/generate$/;
const IMAGE_CHECK_STATUS = /^\/api\/nano-banana-(2|pro)\/check-status$/;
const SORA_GENERATE = /^\/api\/sora-2\/generate$/;
const TVC_GENERATE = /^\/api\/sora-2-tvc\/generate$/;
const SEEDANCE_GENERATE = /^\/api\/seedance-1-5-pro\/generate$/;
const VEO_GENERATE = /^\/api\/veo-3\/generate$/;
const VEO_CHECK_STATUS = /^\/api\/veo-3\/check-status$/;
const GENERATE_PROMPT = /^\/api\/sora-2\/generate-prompt$/;
const REVERSE_PROMPT = /^\/api\/sora-2\/reverse-prompt$/;

const DAY_MS = 86_400_000;
/** Less than the vendor's limit: on their way through the proxy, 40 MB take seconds. */
const MAX_UPLOAD_BYTES = 1024 * 1024;
const readVideo = (name: string) => readFileSync(join(FIXTURES_DIR, 'videos', name)).toString('base64');

/** Changes the JSON objects sent to the matching paths. */
const changingRequests = (path: RegExp, change: (body: Json) => void): ProxyHooks => ({
  onRequest(request) {
    if (path.test(request.path) && isObject(request.body)) change(request.body);
  },
});

/** Changes the JSON objects that the matching paths respond with. */
const changingResponses = (path: RegExp, change: (body: Json, request: ProxiedRequest) => void): ProxyHooks => ({
  onResponse(response, request) {
    if (path.test(request.path) && isObject(response.body)) change(response.body, request);
  },
});

const isObject = (value: Json) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Replaces the result files of a task with those of the same request with other values. Undefined: no replacement. */
const replacingFiles =
  (generatePath: RegExp, changesFor: (body: Json) => object | undefined) =>
  (emulatorUrl: string): ProxyHooks => {
    const submissions = new Map<string, ProxiedRequest>();
    const replacements = new Map<string, Promise<Map<string, string>>>();

    async function generateFiles({ path, body }: ProxiedRequest): Promise<Map<string, string>> {
      const { accounts } = connectEmulator(emulatorUrl);
      const account = await accounts.create({ key: `np_other_${crypto.randomUUID()}`, clock: 'frozen', credits: 1000 });
      const { body: accepted } = await postJson(emulatorUrl, path, { ...body, ...changesFor(body) }, account.key);
      await account.clock.advance(DAY_MS);
      const pollBody = accepted.shots
        ? { taskIds: accepted.shots }
        : { taskId: accepted.taskId, generationId: accepted.generationId };
      const checkStatusPath = path.replace(/generate$/, 'check-status');
      const { body: completed } = await postJson(emulatorUrl, checkStatusPath, pollBody, account.key);
      await account.remove();
      const urls = new Map<string, string>();
      JSON.stringify(completed, (field, value) => {
        if (field.endsWith('Url')) urls.set(field, value);
        return value;
      });
      return urls;
    }

    return {
      async onResponse(response, request) {
        const { path, body } = request;
        if (generatePath.test(path) && response.status === 200 && changesFor(body))
          submissions.set(getTaskId(response.body), request);
        const submission = submissions.get(getTaskId(body) ?? '');
        if (!path.endsWith('/check-status') || response.body?.status !== 'completed' || !submission) return;
        const id = getTaskId(body);
        const urls = await (replacements.get(id) ?? generateFiles(submission));
        replacements.set(id, Promise.resolve(urls));
        response.body = JSON.parse(JSON.stringify(response.body), (field, value) => urls.get(field) ?? value);
      },
    };
  };

/** The id that a task is polled by, in the response to a submission or in the request of a poll. */
const getTaskId = (body: Json): string => {
  const { generationId, taskId, shots, taskIds } = body ?? {};
  return generationId ?? taskId ?? (shots ?? taskIds)?.[0]?.taskId;
};

/** Mistakes that a single response shows. */
const RESPONSE_MUTATIONS: Mutation[] = [
  {
    mistake: 'charges 101 instead of 100 credits for 15 s of Sora 2 Pro Standard',
    prices: { 'sora-2': { 'sora2-pro-standard': { '15': 101 } } },
    expectedCases: /^sora-2\/(generate\/(price|short-of)|file)-sora2-pro-standard-15(-landscape)?$/,
  },
  {
    mistake: 'charges 23 instead of 24 credits for 12 s of SeeDance in 720p with audio',
    prices: { 'seedance-1-5-pro': { '720p': { audio: { '12': 23 } } } },
    expectedCases: /^seedance-1-5-pro\/(generate\/(price|short-of)|file)-720p-true-12(-landscape)?$/,
  },
  {
    mistake: 'accepts 22 shots of Veo',
    hooks: changingRequests(VEO_GENERATE, (body) => {
      if (body.shots?.length === 22) body.shots.pop();
    }),
    expectedCases: /^veo-3\/generate\/shots-too-many$/,
  },
  {
    mistake: 'words the message of an accepted video differently',
    hooks: changingResponses(VIDEO_GENERATE, (body) => {
      if (body.message === 'Video generation in progress') body.message = 'Video generation has begun';
    }),
    expectedCases: /^(sora-2|seedance-1-5-pro|sora-2-tvc)\/generate-?[a-z-]*$/,
  },
  {
    mistake: 'responds with 400 to a poll of an unknown video',
    hooks: {
      onResponse(response, { path }) {
        if (VIDEO_CHECK_STATUS.test(path) && response.body?.errorCode === 'TASK_NOT_FOUND') response.status = 400;
      },
    },
    expectedCases:
      /^(sora-2|seedance-1-5-pro|sora-2-tvc)\/(check-status-not-found|task-of-another|check-status\/unknown-task)$|\/task-elsewhere$/,
  },
  {
    mistake: 'names another contact in the rate limit error',
    hooks: changingResponses(/^\/api\//, (body) => {
      if (typeof body.error === 'string') body.error = body.error.replace('Contact support@nanophoto.ai', 'Contact us');
    }),
    expectedCases: /^overview\/rate-limited$/,
  },
  {
    mistake: 'rejects a topic of 500 characters',
    hooks: changingRequests(GENERATE_PROMPT, (body) => {
      if (body.topic?.length === 500) body.topic += 'x';
    }),
    expectedCases: /^sora-2\/generate-prompt\/topic-(longest(-in-chinese)?|most-emoji)$/,
  },
  {
    mistake: 'captures the credits of a failed task instead of refunding them',
    hooks: changingResponses(/^\/__admin\/accounts\/[^/]+\/ledger\b/, (body) => {
      let refunded = 0;
      for (const entry of body.entries) {
        if (entry.kind === 'refund') {
          refunded += entry.amount;
          Object.assign(entry, { kind: 'capture', amount: 0 });
        }
        entry.balance -= refunded;
      }
      body.balance -= refunded;
    }),
    expectedCases: /^[\w-/]+\/((failure|broken-stream)-is-refunded|failed-shot)$/,
  },
  {
    mistake: 'defaults to landscape for Sora 2',
    isMasked: true,
    hooks: changingRequests(SORA_GENERATE, (body) => {
      body.aspectRatio ??= 'landscape';
    }),
    expectedCases: /^sora-2\/generate\/aspectRatio-default$/,
  },
  {
    mistake: 'sends the fields of a completed image in another order',
    hooks: changingResponses(IMAGE_CHECK_STATUS, (body) => {
      if (body.status !== 'completed') return;
      const { imageUrl, progress } = body;
      delete body.imageUrl;
      delete body.progress;
      Object.assign(body, { imageUrl, progress });
    }),
    expectedCases: /^nano-banana-(2|pro)\/check-status-completed$/,
  },
];

const completedImages = new Set<string>();
const shotIds = new Map<string, string>();

/** Mistakes in files, texts and links, and mistakes that only several responses show. */
const STATEFUL_MUTATIONS: Mutation[] = [
  {
    mistake: 'renders every Sora 2 video in portrait',
    hooks: replacingFiles(SORA_GENERATE, ({ aspectRatio }) =>
      aspectRatio === 'landscape' ? { aspectRatio: 'portrait' } : undefined,
    ),
    expectedCases: /^sora-2\/(file-[\w-]+-landscape|task-completes)$/,
  },
  {
    mistake: 'renders every Veo video in 720p',
    hooks: replacingFiles(VEO_GENERATE, ({ resolution = '720p' }) =>
      resolution === '720p' ? undefined : { resolution: '720p' },
    ),
    expectedCases: /^veo-3\/file-(1080p|4k)-/,
  },
  {
    mistake: 'renders every TVC ad with a length of 10 s',
    hooks: replacingFiles(TVC_GENERATE, ({ videoDuration }) =>
      videoDuration === '15' ? { videoDuration: '10' } : undefined,
    ),
    expectedCases: /^sora-2-tvc\/file-15-/,
  },
  {
    mistake: 'renders 4:3 images with swapped sides',
    hooks: replacingFiles(IMAGE_GENERATE, ({ aspectRatio }) =>
      aspectRatio === '4:3' ? { aspectRatio: '3:4' } : undefined,
    ),
    expectedCases: /^nano-banana-(2|pro)\/file-\dK-4x3$/,
  },
  {
    mistake: 'renders 4K images in 2K',
    isMasked: true,
    hooks: replacingFiles(IMAGE_GENERATE, ({ imageQuality }) =>
      imageQuality === '4K' ? { imageQuality: '2K' } : undefined,
    ),
    expectedCases: /^nano-banana-(2|pro)\/file-4K-/,
  },
  {
    mistake: 'renders every SeeDance video with sound',
    hooks: replacingFiles(SEEDANCE_GENERATE, ({ generateAudio }) =>
      generateAudio === true ? undefined : { generateAudio: true },
    ),
    expectedCases: /^seedance-1-5-pro\/(file-\d+p-false-|task-completes$)/,
  },
  {
    mistake: 'lets the progress of an image fall',
    hooks: changingResponses(IMAGE_CHECK_STATUS, (body) => {
      if (body.status === 'generating') body.progress = Math.max(1, (body.progress * 3) % 100);
    }),
    expectedCases: /^nano-banana-(2|pro)\/progress-never-falls$/,
  },
  {
    mistake: 'reports a completed image as generating from the second poll on',
    hooks: changingResponses(IMAGE_CHECK_STATUS, (body) => {
      if (body.status !== 'completed') return;
      const { generationId } = body;
      if (completedImages.has(generationId)) {
        delete body.imageUrl;
        Object.assign(body, { status: 'generating', progress: 99 });
      }
      completedImages.add(generationId);
    }),
    expectedCases: /^nano-banana-(2|pro)\/finished-for-good$/,
  },
  {
    mistake: 'reports the generation time of a video in milliseconds',
    hooks: changingResponses(VIDEO_CHECK_STATUS, (body) => {
      if (body.generationTime) body.generationTime *= 1000;
    }),
    expectedCases: /^(sora-2|seedance-1-5-pro|sora-2-tvc)\/generation-time$/,
  },
  {
    mistake: 'generates the shots of a Veo request at the same time',
    hooks: changingResponses(VEO_CHECK_STATUS, (body) => {
      const completed = body.shots?.find(({ status }: Json) => status === 'completed');
      if (!completed || body.status !== 'processing') return;
      const { videoUrl, generationTime } = completed;
      for (const shot of body.shots) {
        if (shot.status === 'processing') Object.assign(shot, { status: 'completed', videoUrl, generationTime });
      }
      body.status = body.shots.some(({ status }: Json) => status === 'failed') ? 'failed' : 'completed';
    }),
    expectedCases: /^veo-3\/(shots-one-after-another|failed-shot)$/,
  },
  {
    mistake: 'reports a Veo request as failed only when all of its shots have failed',
    isMasked: true,
    hooks: changingResponses(VEO_CHECK_STATUS, (body) => {
      if (body.shots?.some(({ status }: Json) => status === 'completed') && body.status === 'failed')
        body.status = 'completed';
    }),
    expectedCases: /^veo-3\/failed-shot$/,
  },
  {
    mistake: 'ignores the shot id in a poll',
    hooks: {
      ...changingRequests(VEO_CHECK_STATUS, ({ taskIds }) => {
        if (!Array.isArray(taskIds)) return;
        for (const one of taskIds) if (shotIds.has(one?.taskId)) one.shotId = shotIds.get(one.taskId);
      }),
      ...changingResponses(VEO_GENERATE, ({ shots = [] }) => {
        for (const { taskId, shotId } of shots) shotIds.set(taskId, shotId);
      }),
    },
    expectedCases: /^veo-3\/wrong-shot$/,
  },
  {
    mistake: 'writes English for French, and simplified Chinese for traditional',
    hooks: changingRequests(GENERATE_PROMPT, (body) => {
      if (body.locale === 'fr') body.locale = 'en';
      if (body.locale === 'zh-TW') body.locale = 'zh';
    }),
    expectedCases: /^sora-2\/generate-prompt\/language-(fr|zh-TW)$/,
  },
  {
    mistake: 'rejects youtu.be links',
    hooks: changingRequests(REVERSE_PROMPT, (body) => {
      if (typeof body.videoUrl === 'string') body.videoUrl = body.videoUrl.replace('//youtu.be/', '//youtube.be/');
    }),
    expectedCases: /^sora-2\/reverse-prompt\/youtube-youtu\.be$/,
  },
  {
    mistake: 'looks for .mp4 at the end of a link instead of the end of its path',
    hooks: changingRequests(REVERSE_PROMPT, (body) => {
      if (body.videoSource !== 'url' || !URL.canParse(body.videoUrl)) return;
      const isMp4 = /\.mp4$/.test(body.videoUrl);
      if (isMp4 !== /\.mp4$/.test(new URL(body.videoUrl).pathname))
        body.videoUrl = `https://static.nanophoto.ai/video.${isMp4 ? 'mp4' : 'webp'}`;
    }),
    expectedCases: /^sora-2\/reverse-prompt\/mp4-(link-with|in)-query$/,
  },
  {
    mistake: 'rejects a file of exactly the maximum size',
    hooks: changingRequests(REVERSE_PROMPT, (body) => {
      if (Buffer.byteLength(String(body.videoFile), 'base64') === MAX_UPLOAD_BYTES) body.videoFile = '!';
    }),
    expectedCases: /^sora-2\/reverse-prompt\/largest$/,
  },
  {
    mistake: 'finds a Sora 2 task in a poll of SeeDance',
    isMasked: true,
    hooks: {
      async onResponse(response, { path, body }, sendUpstream) {
        if (path !== '/api/seedance-1-5-pro/check-status' || response.status !== 404) return;
        const found = await sendUpstream({ path: '/api/sora-2/check-status', body });
        if (found.status === 200) Object.assign(response, found);
      },
    },
    expectedCases: /^sora-2\/task-elsewhere$/,
  },
  {
    mistake: 'accepts a blank model',
    hooks: changingRequests(GENERATE_PROMPT, (body) => {
      if (typeof body.model === 'string' && body.model.trim() === '') delete body.model;
    }),
    expectedCases: /^sora-2\/generate-prompt\/model-blank$/,
  },
  {
    mistake: 'writes a montage when a long take is requested',
    hooks: changingRequests(GENERATE_PROMPT, (body) => {
      if (body.technique === 'long-take') body.technique = 'montage';
    }),
    expectedCases: /^(sora-2\/generate-prompt\/long-take|prompt-generator\/[\w-]+-form)$/,
  },
  {
    mistake: 'takes every uploaded video to be 10 s long',
    hooks: () => {
      const [fourSeconds, tenSeconds] = [readVideo('480x848-4s.mp4'), readVideo('720x1280-10s.mp4')];
      return changingRequests(REVERSE_PROMPT, (body) => {
        if (body.videoFile === fourSeconds) body.videoFile = tenSeconds;
      });
    },
    expectedCases: /^(sora-2\/reverse-prompt\/rows-add-up|reverse-prompt\/file-upload-form)$/,
  },
];

/** Cases of the families that masked mistakes concern. */
const MASKED_CASES = /^(sora-2|veo-3)\/(?!reverse-prompt|file)|^nano-banana-2\/file/;

const CONTRACT = createContract((document) => {
  getProperties(document.paths['/api/sora-2/reverse-prompt'].post).videoFile['x-max-bytes'] = MAX_UPLOAD_BYTES;
});

const MUTATIONS = [...RESPONSE_MUTATIONS, ...STATEFUL_MUTATIONS];

/** The cases that a mistake concerns, and every fifth of the others. */
const SAMPLED = new Set(
  CONTRACT.cases
    .map(({ id }) => id)
    .filter((id, index) => index % 5 === 0 || MUTATIONS.some(({ expectedCases }) => expectedCases.test(id))),
);

describe('verify', () => {
  it.each([
    ['26 mistakes', 26, MUTATIONS.filter(({ isMasked }) => !isMasked), /./],
    ['4 mistakes that others would hide', 4, MUTATIONS.filter(({ isMasked }) => isMasked), MASKED_CASES],
  ])('finds each of %s, and reports nothing else', async (_title, count, mutations, checkedCases) => {
    expect(mutations).toHaveLength(count);
    const only = (id: string) => SAMPLED.has(id) && checkedCases.test(id);
    const { outcomes } = await verifyServer(await startMutant(mutations), { only, contract: CONTRACT });
    expect(outcomes.length).toBeGreaterThan(50);
    const mismatched = outcomes.filter(({ result }) => result === 'differs').map(({ id }) => id);
    const mistakesFor = (id: string) =>
      mutations.filter(({ expectedCases }) => expectedCases.test(id)).map(({ mistake }) => mistake);
    expect(mismatched.filter((id) => mistakesFor(id).length === 0)).toEqual([]);
    // Each mistake has a case that fails for no other mistake.
    const found = new Set(mismatched.map(mistakesFor).flatMap((mistakes) => (mistakes.length === 1 ? mistakes : [])));
    expect(mutations.map(({ mistake }) => mistake).filter((mistake) => !found.has(mistake))).toEqual([]);
  });
});

/** Starts an emulator that makes these mistakes. */
async function startMutant(mutations: readonly Mutation[]): Promise<string> {
  const prices = Object.assign({}, ...mutations.map((mutation) => mutation.prices));
  const url = await serveEmulator(['--seed-file', writeSeedFile({ prices })]);
  const hooks = mutations.flatMap((mutation) => mutation.hooks ?? []);
  return startMutatingProxy(
    url,
    hooks.map((one) => (typeof one === 'function' ? one(url) : one)),
  );
}
