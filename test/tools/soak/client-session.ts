import type { Random } from '../../../src/core/random.ts';
import { makeMp4 } from '../../uploads/make-mp4.ts';
import type { Client, ClientResponse, Json } from './client.ts';

const JOBS: [path: string, body: object][] = [
  ['/api/sora-2', { prompt: 'A lighthouse in a storm', mode: 'textToVideo' }],
  [
    '/api/seedance-1-5-pro',
    {
      prompt: 'A cat at a window',
      mode: 'textToVideo',
      aspectRatio: 'landscape',
      resolution: '480p',
      duration: '4',
    },
  ],
  ['/api/sora-2-tvc', { adTheme: 'A new kind of tea' }],
  ['/api/nano-banana-2', { prompt: 'A red bicycle', aspectRatio: '16:9', mode: 'generate', imageQuality: '1K' }],
  [
    '/api/veo-3',
    {
      shots: [1, 2].map((id) => ({
        id: `${id}`,
        prompt: 'Waves',
        generationType: 'TEXT_2_VIDEO',
        aspectRatio: '16:9',
      })),
    },
  ],
];
const UPLOAD_BYTES = 2_000_000;
const VIDEO_BASE64 = makeMp4({ mdatBytes: UPLOAD_BYTES }).toString('base64');
const VIDEO_UPLOAD = `{"videoSource":"file","videoFileName":"a.mp4","videoFile":"${VIDEO_BASE64}"}`;
/** Tasks that take simulated minutes end within seconds. */
const SPEED = 240;
const MAX_KNOWN_TASKS = 30;

/** The operations and their frequency per thousand. `isQuick`: the response waits for nothing but the server. */
const OPERATIONS = {
  poll: { weight: 560, isQuick: true },
  generate: { weight: 150, isQuick: true },
  account: { weight: 60, isQuick: true },
  ledger: { weight: 40, isQuick: true },
  journal: { weight: 20, isQuick: false },
  verdict: { weight: 10, isQuick: false },
  advance: { weight: 20, isQuick: true },
  wait: { weight: 20, isQuick: false },
  stream: { weight: 40, isQuick: false },
  video: { weight: 30, isQuick: false },
  autoAccount: { weight: 20, isQuick: false },
  snapshots: { weight: 20, isQuick: false },
  upload: { weight: 6, isQuick: false },
  image: { weight: 4, isQuick: false },
} as const;

export type Operation = keyof typeof OPERATIONS;
const OPERATION_NAMES = Object.keys(OPERATIONS) as Operation[];
const TOTAL_WEIGHT = OPERATION_NAMES.reduce((sum, name) => sum + OPERATIONS[name].weight, 0);

export const isQuick = (operation: Operation): boolean => OPERATIONS[operation].isQuick;

export function pickOperation(random: Random): Operation {
  let left = random.int(0, TOTAL_WEIGHT - 1);
  return OPERATION_NAMES.find((name) => {
    left -= OPERATIONS[name].weight;
    return left < 0;
  })!;
}

interface KnownTask {
  api: string;
  poll: object;
  taskId: string;
}

export type ClientSession = ReturnType<typeof createClientSession>;

/**
 * One tenant: an account that is created, used and removed, so that the server's data stays bounded. Each operation
 * throws when its response is wrong.
 */
export function createClientSession(client: Client, key: string, random: Random) {
  const knownTasks: KnownTask[] = [];
  /** Paths of available result files. */
  let videoPaths: string[] = [];
  let imagePaths: string[] = [];
  const accountPath = `/__admin/accounts/${key}`;

  async function expectStatus(reply: Promise<ClientResponse>, ...statuses: number[]): Promise<ClientResponse> {
    const response = await reply;
    if (statuses.includes(response.status)) return response;
    throw new Error(`returned ${response.status} instead of ${statuses}: ${JSON.stringify(response.json)}`);
  }
  const post = (path: string, body: object | string, ...statuses: number[]) =>
    expectStatus(client.request('POST', path, { key, body }), ...statuses);

  async function generate(): Promise<void> {
    const [api, body] = random.pick(JOBS);
    const { json } = await post(`${api}/generate`, body, 200);
    const { shots, generationId } = json;
    const taskId = json.taskId ?? shots[0].taskId;
    const poll = shots
      ? { taskIds: shots.map((shot: Json) => ({ shotId: shot.shotId, taskId: shot.taskId })) }
      : generationId
        ? { generationId }
        : { taskId };
    knownTasks.push({ api, poll, taskId });
    if (knownTasks.length > MAX_KNOWN_TASKS) knownTasks.shift();
  }

  async function poll(): Promise<void> {
    if (knownTasks.length === 0) return generate();
    const { api, poll } = random.pick(knownTasks);
    const { json } = await post(`${api}/check-status`, poll, 200);
    const url = json.videoUrl ?? json.imageUrl;
    if (!url) return;
    const { pathname } = new URL(url);
    if (json.videoUrl) videoPaths = [pathname, ...videoPaths.slice(0, 4)];
    else imagePaths = [pathname, ...imagePaths.slice(0, 4)];
  }

  const fetchMedia = async (path: string | undefined, range?: string) => {
    if (path === undefined) return poll();
    const { bytes } = await expectStatus(client.request('GET', path, range ? { range } : {}), 200, 206);
    if (bytes === 0) throw new Error(`${path} is empty`);
  };

  /** Uses a separate account, because a restore or reset aborts work in progress. */
  async function snapshots(): Promise<void> {
    const name = `${key}-snapshots-${random.int(0, 1e9)}`;
    const accountPath = `/__admin/accounts/${name}`;
    await expectStatus(client.request('POST', '/__admin/accounts', { body: { key: name, clock: 'frozen' } }), 201);
    const body = { prompt: 'A dog', mode: 'textToVideo' };
    await expectStatus(client.request('POST', '/api/sora-2/generate', { key: name, body }), 200);
    await expectStatus(client.request('POST', `${accountPath}/snapshots`, { body: { name: 'kept' } }), 201);
    await expectStatus(
      client.request('POST', `${accountPath}/faults`, { body: { at: 'task', effect: { fail: true } } }),
      201,
    );
    await expectStatus(client.request('POST', `${accountPath}/snapshots/kept/restore`), 200);
    await expectStatus(client.request('POST', `${accountPath}/fork`, { body: { to: `${name}-fork` } }), 201);
    await expectStatus(client.request('POST', `${accountPath}/clock/advance`, { body: { ms: 600_000 } }), 200);
    await expectStatus(client.request('POST', `${accountPath}/reset`), 200);
    await assertLedgerVerified(name);
    await expectStatus(client.request('DELETE', accountPath), 204);
    await expectStatus(client.request('DELETE', `${accountPath}-fork`), 204);
  }

  async function autoAccount(): Promise<void> {
    const name = `np_test_${key}_${random.int(0, 1e9)}`;
    const body = { prompt: 'A dog', mode: 'textToVideo' };
    await expectStatus(client.request('POST', '/api/sora-2/generate', { key: name, body }), 200);
    await expectStatus(client.request('DELETE', `/__admin/accounts/${name}`), 204);
  }

  async function assertLedgerVerified(name: string): Promise<void> {
    const { json } = await expectStatus(client.request('GET', `/__admin/accounts/${name}/ledger/verify`), 200);
    if (!json.ok) throw new Error(`the ledger of ${name} is inconsistent: ${json.problems}`);
  }

  const operations: Record<Operation, () => Promise<unknown>> = {
    ...{ poll, generate, autoAccount, snapshots },
    account: () => expectStatus(client.request('GET', accountPath), 200),
    ledger: () => expectStatus(client.request('GET', `${accountPath}/ledger?limit=20`), 200),
    journal: () => expectStatus(client.request('GET', `${accountPath}/requests?limit=20`), 200),
    verdict: () => expectStatus(client.request('GET', `${accountPath}/verdict`), 200),
    advance: () =>
      expectStatus(client.request('POST', `${accountPath}/clock/advance`, { body: { toNext: true } }), 200),
    wait: async () => {
      const { taskId } = knownTasks.at(-1) ?? {};
      if (taskId === undefined) return generate();
      return expectStatus(client.request('GET', `${accountPath}/wait?task=${taskId}&timeoutMs=50`), 200, 408);
    },
    stream: () =>
      post('/api/sora-2/generate-prompt', { topic: 'A lighthouse', technique: 'match-cut', duration: 15 }, 200),
    video: () => fetchMedia(videoPaths[0], random.pick(['bytes=0-', 'bytes=1000-1999', 'bytes=-500'])),
    image: () => fetchMedia(imagePaths[0]),
    upload: () => post('/api/sora-2/reverse-prompt', VIDEO_UPLOAD, 200),
  };

  return {
    key,
    begin: () =>
      expectStatus(
        client.request('POST', '/__admin/accounts', {
          body: { key, credits: 1_000_000, rateLimit: null, speed: SPEED, seed: key },
        }),
        201,
      ),
    perform: async (operation: Operation): Promise<void> => {
      await operations[operation]();
    },
    /** Verifies the ledger and removes the account. */
    async end(): Promise<void> {
      await assertLedgerVerified(key);
      await expectStatus(client.request('DELETE', accountPath), 204);
    },
  };
}
