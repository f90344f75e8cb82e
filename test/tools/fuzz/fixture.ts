import { request } from 'node:http';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
export type Json = any;

/** Accounts by how the cases use them. `stable` ones are read and advanced, so that every response can be checked. */
const KEYS = {
  stable: ['stable-real', 'stable-auto', 'stable-frozen', 'stable-poor'],
  /** Reset, removed, revoked and restored at any time: a response may be aborted, but never wrong. */
  churned: ['churned-real', 'churned-auto', 'churned-frozen', 'churned-limited'],
  /** Have fault rules with any effect. */
  faulty: ['faulty-real', 'faulty-auto'],
  /** Get only requests that are not journaled from the cases, so that their journals keep every entry. */
  quiet: ['quiet-auto'],
};

/** Accounts whose documents are imported: with finished tasks, with running ones, and with a fault rule. */
const EXPORTED = ['quiet-auto', 'stable-frozen', 'faulty-auto'];

/** Text that global fault rules have to match, so that they apply only to requests that contain it. */
export const FAULT_MARKER = '@emulator-marked';

/** OpenAPI documents. */
export interface Documents {
  vendor: Json;
  control: Json;
}

/** The accounts, tasks, rules and files that requests refer to; the same in each epoch. */
export interface Fixture extends Documents {
  /** `host:port` of the server. */
  host: string;
  keys: typeof KEYS;
  tasks: KnownTask[];
  /** A task that no case changes and that never ends: a finished one could be evicted. */
  unchanged: KnownTask;
  snapshots: string[];
  /** Paths of result files. */
  media: string[];
  /** The same files by task and field of its result. */
  files: { key: string; taskId: string; field: string }[];
  /** Journal entries of the `quiet` accounts. */
  entries: { key: string; id: string }[];
  /** Exported accounts, with the key of an account that may be replaced. */
  documents: Json[];
  /** Global rules, which apply to few requests, and rules of the `faulty` accounts. */
  ruleIds: { key: string | undefined; id: string }[];
}

/** A task and its account. `poll` is the body that polls it. */
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

/** Sends one request of a well-behaved client, on its own connection. */
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
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} timed out`)));
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
  throw new Error(`${options?.method ?? 'GET'} ${path} returned ${response.status}: ${response.text}`);
}

const PROFILES: Record<string, object> = {
  real: { clock: 'real' },
  auto: { clock: 'auto' },
  frozen: { clock: { mode: 'frozen', now: '2026-01-01T00:00:00.000Z' } },
  poor: { credits: 0 },
  limited: { rateLimit: 5 },
};

/** The two OpenAPI documents of the server. */
export async function fetchDocuments(url: string): Promise<Documents> {
  const [vendor, control] = await Promise.all(
    ['/openapi.json', '/__admin/openapi.json'].map((path) => expectStatus(200, url, path)),
  );
  return { vendor, control };
}

/** Resets the server to its initial state, then creates the accounts, tasks, rules and files that requests refer to. */
export async function createFixture(url: string, documents: Documents): Promise<Fixture> {
  // A reset keeps the accounts that were created here.
  for (const key of await listKeys(url)) {
    await expectStatus(204, url, `/__admin/accounts/${encodeURIComponent(key)}`, { method: 'DELETE' });
  }
  await expectStatus(200, url, '/__admin/reset', { method: 'POST' });
  const fixture: Fixture = {
    host: new URL(url).host,
    ...documents,
    keys: KEYS,
    unchanged: await createUnchangedTask(url),
    ...{ tasks: [], snapshots: ['kept'], media: [], files: [], entries: [], documents: [], ruleIds: [] },
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
      if (kind !== 'quiet') fixture.tasks.push({ key, taskId, poll, api: path.slice(0, -'/generate'.length) });
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
    if (kind === 'stable') {
      const { tasks } = await expectStatus(200, url, `/__admin/accounts/${key}/tasks?status=completed`);
      for (const { id, result } of tasks) {
        for (const [field, value] of Object.entries<string>(result ?? {})) {
          if (!value.startsWith('http')) continue;
          fixture.media.push(new URL(value).pathname);
          fixture.files.push({ key, taskId: id, field });
        }
      }
    }
    if (kind === 'quiet') {
      const { requests } = await expectStatus(200, url, `/__admin/accounts/${key}/requests?limit=1000`);
      fixture.entries.push(...requests.map(({ id }: Json) => ({ key, id })));
    }
    if (EXPORTED.includes(key)) {
      const { account, ...rest } = await expectStatus(200, url, `/__admin/accounts/${key}/export`);
      fixture.documents.push({ account: { ...account, key: kind === 'faulty' ? 'forked-1' : 'made-1' }, ...rest });
    }
  }
  for (let count = 0; count < 3; count++) {
    fixture.ruleIds.push({ key: undefined, id: await addRule(url, '/__admin/faults') });
  }
  return fixture;
}

async function createUnchangedTask(url: string): Promise<KnownTask> {
  const [key, api] = ['unchanged', '/api/sora-2'];
  const account = { key, seed: key, rateLimit: null, clock: 'frozen' };
  await expectStatus(201, url, '/__admin/accounts', { method: 'POST', body: account });
  const body = { prompt: 'A lighthouse in a storm', mode: 'textToVideo' };
  const { taskId } = await expectStatus(200, url, `${api}/generate`, { method: 'POST', key, body });
  return { key, api, taskId, poll: { taskId } };
}

async function addRule(url: string, path: string): Promise<string> {
  const body = { at: 'request', effect: { fail: true }, match: { contains: FAULT_MARKER } };
  return (await expectStatus(201, url, path, { method: 'POST', body })).id;
}

/** Checks that a task works from its submission to its result file. @throws Error when something fails */
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
  if (advanced.transitions.length !== 1) throw new Error(`no task of ${key} fell due: ${JSON.stringify(advanced)}`);
  const polled = await expectStatus(200, url, '/api/sora-2/check-status', {
    method: 'POST',
    key,
    body: { taskId },
  });
  if (polled.status !== 'completed') throw new Error(`the task of ${key} is ${JSON.stringify(polled)}`);
  const { pathname } = new URL(polled.videoUrl);
  const video = await call(url, pathname);
  if (video.status !== 200) throw new Error(`${pathname} returned ${video.status}`);
  const { entries } = await expectStatus(200, url, `/__admin/accounts/${key}/ledger?limit=1000`);
  const kinds = entries.slice(-2).map(({ kind }: Json) => kind);
  if (kinds.join() !== 'hold,capture') throw new Error(`the ledger of ${key} ends with ${kinds}`);
  await expectStatus(204, url, `/__admin/accounts/${key}`, { method: 'DELETE' });
}

/** One sentence per account whose ledger is inconsistent. */
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
