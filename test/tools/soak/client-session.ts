import type { Random } from '../../../src/core/random.ts';
import { makeMp4 } from '../../uploads/make-mp4.ts';
import type { Client, Json, Reply } from './client.ts';

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
  [
    '/api/nano-banana-2',
    { prompt: 'A red bicycle', aspectRatio: '16:9', mode: 'generate', imageQuality: '1K' },
  ],
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
const FILM = `{"videoSource":"file","videoFileName":"a.mp4","videoFile":"${makeMp4({ mdatBytes: UPLOAD_BYTES }).toString('base64')}"}`;
/** Generation that takes minutes takes a second. */
const SPEED = 240;
const MOST_KNOWN = 30;

/** What a tenant may do, and how often of a thousand times. `isQuick`: its answer waits for nothing but the server. */
const DEEDS = {
  poll: { weight: 560, isQuick: true },
  generate: { weight: 150, isQuick: true },
  account: { weight: 60, isQuick: true },
  ledger: { weight: 40, isQuick: true },
  journal: { weight: 20, isQuick: false },
  verdict: { weight: 10, isQuick: false },
  advance: { weight: 20, isQuick: true },
  wait: { weight: 20, isQuick: false },
  stream: { weight: 40, isQuick: false },
  film: { weight: 30, isQuick: false },
  newcomer: { weight: 20, isQuick: false },
  states: { weight: 20, isQuick: false },
  upload: { weight: 6, isQuick: false },
  image: { weight: 4, isQuick: false },
} as const;

export type Deed = keyof typeof DEEDS;
const NAMES = Object.keys(DEEDS) as Deed[];
const TOTAL = NAMES.reduce((sum, name) => sum + DEEDS[name].weight, 0);

export const isQuick = (deed: Deed): boolean => DEEDS[deed].isQuick;

export function drawDeed(random: Random): Deed {
  let left = random.int(0, TOTAL - 1);
  return NAMES.find((name) => {
    left -= DEEDS[name].weight;
    return left < 0;
  })!;
}

interface Known {
  api: string;
  poll: object;
  taskId: string;
}

export type Tenant = ReturnType<typeof createTenant>;

/**
 * An account that comes, works and goes, so that what the server has to keep is bounded. Each deed throws when its answer is
 * not the one it should have.
 */
export function createTenant(client: Client, key: string, random: Random) {
  const known: Known[] = [];
  /** Paths of results that are there. */
  let films: string[] = [];
  let images: string[] = [];
  const own = `/__admin/accounts/${key}`;

  async function must(reply: Promise<Reply>, ...statuses: number[]): Promise<Reply> {
    const told = await reply;
    if (statuses.includes(told.status)) return told;
    throw new Error(`answered ${told.status} instead of ${statuses}: ${JSON.stringify(told.json)}`);
  }
  const post = (path: string, body: object | string, ...statuses: number[]) =>
    must(client.ask('POST', path, { key, body }), ...statuses);

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
    known.push({ api, poll, taskId });
    if (known.length > MOST_KNOWN) known.shift();
  }

  async function poll(): Promise<void> {
    if (known.length === 0) return generate();
    const { api, poll } = random.pick(known);
    const { json } = await post(`${api}/check-status`, poll, 200);
    const url = json.videoUrl ?? json.imageUrl;
    if (!url) return;
    const { pathname } = new URL(url);
    if (json.videoUrl) films = [pathname, ...films.slice(0, 4)];
    else images = [pathname, ...images.slice(0, 4)];
  }

  const fetched = async (path: string | undefined, range?: string) => {
    if (path === undefined) return poll();
    const { bytes } = await must(client.ask('GET', path, range ? { range } : {}), 200, 206);
    if (bytes === 0) throw new Error(`${path} is empty`);
  };

  /** Of an account of its own, because what is under way is broken off. */
  async function states(): Promise<void> {
    const name = `${key}-states-${random.int(0, 1e9)}`;
    const at = `/__admin/accounts/${name}`;
    await must(client.ask('POST', '/__admin/accounts', { body: { key: name, clock: 'frozen' } }), 201);
    const order = { prompt: 'A dog', mode: 'textToVideo' };
    await must(client.ask('POST', '/api/sora-2/generate', { key: name, body: order }), 200);
    await must(client.ask('POST', `${at}/snapshots`, { body: { name: 'kept' } }), 201);
    await must(client.ask('POST', `${at}/faults`, { body: { at: 'task', effect: { fail: true } } }), 201);
    await must(client.ask('POST', `${at}/snapshots/kept/restore`), 200);
    await must(client.ask('POST', `${at}/fork`, { body: { to: `${name}-fork` } }), 201);
    await must(client.ask('POST', `${at}/clock/advance`, { body: { ms: 600_000 } }), 200);
    await must(client.ask('POST', `${at}/reset`), 200);
    await verified(name);
    await must(client.ask('DELETE', at), 204);
    await must(client.ask('DELETE', `${at}-fork`), 204);
  }

  async function newcomer(): Promise<void> {
    const name = `np_test_${key}_${random.int(0, 1e9)}`;
    const order = { prompt: 'A dog', mode: 'textToVideo' };
    await must(client.ask('POST', '/api/sora-2/generate', { key: name, body: order }), 200);
    await must(client.ask('DELETE', `/__admin/accounts/${name}`), 204);
  }

  async function verified(name: string): Promise<void> {
    const { json } = await must(client.ask('GET', `/__admin/accounts/${name}/ledger/verify`), 200);
    if (!json.ok) throw new Error(`the ledger of ${name} does not add up: ${json.problems}`);
  }

  const deeds: Record<Deed, () => Promise<unknown>> = {
    ...{ poll, generate, newcomer, states },
    account: () => must(client.ask('GET', own), 200),
    ledger: () => must(client.ask('GET', `${own}/ledger?limit=20`), 200),
    journal: () => must(client.ask('GET', `${own}/requests?limit=20`), 200),
    verdict: () => must(client.ask('GET', `${own}/verdict`), 200),
    advance: () => must(client.ask('POST', `${own}/clock/advance`, { body: { toNext: true } }), 200),
    wait: async () => {
      const { taskId } = known.at(-1) ?? {};
      if (taskId === undefined) return generate();
      return must(client.ask('GET', `${own}/wait?task=${taskId}&timeoutMs=50`), 200, 408);
    },
    stream: () =>
      post(
        '/api/sora-2/generate-prompt',
        { topic: 'A lighthouse', technique: 'match-cut', duration: 15 },
        200,
      ),
    film: () => fetched(films[0], random.pick(['bytes=0-', 'bytes=1000-1999', 'bytes=-500'])),
    image: () => fetched(images[0]),
    upload: () => post('/api/sora-2/reverse-prompt', FILM, 200),
  };

  return {
    key,
    begin: () =>
      must(
        client.ask('POST', '/__admin/accounts', {
          body: { key, credits: 1_000_000, rateLimit: null, speed: SPEED, seed: key },
        }),
        201,
      ),
    do: async (deed: Deed): Promise<void> => {
      await deeds[deed]();
    },
    /** Looks into its books and goes. */
    async end(): Promise<void> {
      await verified(key);
      await must(client.ask('DELETE', own), 204);
    },
  };
}
