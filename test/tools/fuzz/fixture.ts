import { request } from 'node:http';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
export type Json = any;

/** What may be done to accounts: `calm` ones are looked at only, so that all they are answered can be held to the contract. */
const KEYS = {
  calm: ['calm-real', 'calm-auto', 'calm-frozen', 'calm-poor'],
  /** Reset, removed, revoked, restored at any moment: an answer may be cut off, never wrong. */
  churned: ['churned-real', 'churned-auto', 'churned-frozen', 'churned-limited'],
  /** Have rules that make anything happen. */
  faulty: ['faulty-real', 'faulty-auto'],
};

/** Texts that rules for everybody have to match, so that only requests which have them meet with these. */
export const FAULT_MARKER = '@emulator-marked';

/** What there is to be named in requests, the same in each epoch. */
export interface Fixture {
  /** `host:port` of the server. */
  host: string;
  vendor: Json;
  control: Json;
  keys: typeof KEYS;
  tasks: KnownTask[];
  snapshots: string[];
  /** Paths of result files. */
  media: string[];
  /** Of rules for everybody, which few requests meet with, and of rules of `faulty` accounts. */
  ruleIds: { key: string | undefined; id: string }[];
}

/** A task and whose it is; `poll`: what it is asked about with. */
export interface KnownTask {
  key: string;
  /** `/api/sora-2` */
  api: string;
  taskId: string;
  poll: Json;
}

export interface ClientResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: Json;
}

/** One call of a well-behaved client, on a connection of its own. */
export function call(
  url: string,
  path: string,
  { method = 'GET', key, body }: { method?: string; key?: string; body?: unknown } = {},
): Promise<ClientResponse> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url + path,
      {
        method,
        agent: false,
        timeout: 20_000,
        headers: {
          ...(key && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
      },
      async (response) => {
        const chunks: Buffer[] = [];
        try {
          for await (const chunk of response) chunks.push(chunk);
        } catch (error) {
          return reject(error);
        }
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers['content-type']?.startsWith('application/json');
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text,
          json: isJson && text ? JSON.parse(text) : undefined,
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} was not answered`)));
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function expectStatus(
  status: number,
  url: string,
  path: string,
  options?: Parameters<typeof call>[2],
): Promise<Json> {
  const response = await call(url, path, options);
  if (response.status === status) return response.json;
  throw new Error(`${options?.method ?? 'GET'} ${path} answered ${response.status}: ${response.text}`);
}

const PROFILES: Record<string, object> = {
  real: { clock: 'real' },
  auto: { clock: 'auto' },
  frozen: { clock: { mode: 'frozen', now: '2026-01-01T00:00:00.000Z' } },
  poor: { credits: 0 },
  limited: { rateLimit: 5 },
};

/** Everything as at the first start, and then what requests can name. */
export async function createFixture(url: string): Promise<Fixture> {
  // A reset keeps the accounts that were made here.
  for (const key of await listKeys(url)) {
    await expectStatus(204, url, `/__admin/accounts/${encodeURIComponent(key)}`, { method: 'DELETE' });
  }
  await expectStatus(200, url, '/__admin/reset', { method: 'POST' });
  const fixture: Fixture = {
    host: new URL(url).host,
    vendor: await expectStatus(200, url, '/openapi.json'),
    control: await expectStatus(200, url, '/__admin/openapi.json'),
    keys: KEYS,
    ...{ tasks: [], snapshots: ['kept'], media: [], ruleIds: [] },
  };
  for (const key of Object.values(KEYS).flat()) {
    const [kind, clock = ''] = key.split('-');
    const profile = { credits: 1_000_000_000, rateLimit: null, speed: 1_000_000, ...PROFILES[clock] };
    await expectStatus(201, url, '/__admin/accounts', {
      method: 'POST',
      body: { key, seed: key, ...profile },
    });
    if (clock === 'poor' || clock === 'limited') continue;
    for (const [path, { post }] of Object.entries<Json>(fixture.vendor.paths)) {
      if (!path.endsWith('/generate')) continue;
      const [{ value }] = Object.values<Json>(post.requestBody.content['application/json'].examples) as [Json];
      const accepted = await expectStatus(200, url, path, { method: 'POST', key, body: value });
      const { generationId, shots } = accepted;
      const taskId = accepted.taskId ?? shots[0].taskId;
      const poll = shots
        ? { taskIds: shots.map((shot: Json) => ({ shotId: shot.shotId, taskId: shot.taskId })) }
        : generationId === undefined
          ? { taskId }
          : { generationId };
      fixture.tasks.push({ key, taskId, poll, api: path.slice(0, -'/generate'.length) });
    }
    if (kind === 'faulty') fixture.ruleIds.push({ key, id: await addRule(url, `/__admin/accounts/${key}/faults`) });
    if (clock !== 'frozen') {
      await expectStatus(200, url, `/__admin/accounts/${key}/clock/advance`, {
        method: 'POST',
        body: { ms: 600_000 },
      });
    }
    await expectStatus(201, url, `/__admin/accounts/${key}/snapshots`, {
      method: 'POST',
      body: { name: 'kept' },
    });
    if (kind === 'calm') {
      const { tasks } = await expectStatus(200, url, `/__admin/accounts/${key}/tasks?status=completed`);
      const urls: string[] = tasks.flatMap(({ result }: Json) => Object.values(result ?? {}));
      fixture.media.push(...urls.filter((one) => one.startsWith('http')).map((one) => new URL(one).pathname));
    }
  }
  for (let count = 0; count < 3; count++) {
    fixture.ruleIds.push({ key: undefined, id: await addRule(url, '/__admin/faults') });
  }
  return fixture;
}

async function addRule(url: string, path: string): Promise<string> {
  const body = { at: 'request', effect: { fail: true }, match: { contains: FAULT_MARKER } };
  return (await expectStatus(201, url, path, { method: 'POST', body })).id;
}

/** That everything still works, from the first request to the file: what a well-behaved client does. @throws Error */
export async function assertHealthy(url: string): Promise<void> {
  const key = 'healthy';
  await expectStatus(201, url, '/__admin/accounts', {
    method: 'POST',
    body: { key, credits: 4, clock: 'frozen' },
  });
  const body = { prompt: 'A lighthouse in a storm', mode: 'textToVideo' };
  const { taskId } = await expectStatus(200, url, '/api/sora-2/generate', { method: 'POST', key, body });
  const advanced = await expectStatus(200, url, `/__admin/accounts/${key}/clock/advance`, {
    method: 'POST',
    body: { toNext: true },
  });
  if (advanced.transitions.length !== 1) throw new Error(`nothing fell due for ${key}: ${JSON.stringify(advanced)}`);
  const polled = await expectStatus(200, url, '/api/sora-2/check-status', {
    method: 'POST',
    key,
    body: { taskId },
  });
  if (polled.status !== 'completed') throw new Error(`the task of ${key} is ${JSON.stringify(polled)}`);
  const { pathname } = new URL(polled.videoUrl);
  const video = await call(url, pathname);
  if (video.status !== 200) throw new Error(`${pathname} answered ${video.status}`);
  const { entries } = await expectStatus(200, url, `/__admin/accounts/${key}/ledger?limit=1000`);
  const kinds = entries.slice(-2).map(({ kind }: Json) => kind);
  if (kinds.join() !== 'hold,capture') throw new Error(`the ledger of ${key} ends with ${kinds}`);
  await expectStatus(204, url, `/__admin/accounts/${key}`, { method: 'DELETE' });
}

/** The keys of the accounts whose ledgers do not add up, with what is wrong. */
export async function findLedgerProblems(url: string): Promise<string[]> {
  const problems: string[] = [];
  for (const key of await listKeys(url)) {
    const verified = await expectStatus(200, url, `/__admin/accounts/${encodeURIComponent(key)}/ledger/verify`);
    if (!verified.ok) problems.push(`${key}: ${verified.problems.join('; ')}`);
  }
  return problems;
}

async function listKeys(url: string): Promise<string[]> {
  const keys: string[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const page: Json = await expectStatus(200, url, `/__admin/accounts?limit=1000&after=${encodeURIComponent(after)}`);
    keys.push(...page.accounts.map(({ key }: Json) => key));
    after = page.next;
  }
  return keys;
}
