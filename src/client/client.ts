import { URLSearchParams } from 'node:url';
import type { AccountControl, Control, FaultControl } from './api.ts';
import type * as t from './types.ts';

/** An error response of the control plane: its message, code and HTTP status. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  readonly code: string;
  readonly status: number;

  constructor(message: string, code: string, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/**
 * Sends a request and returns the status and the parsed body: its bytes if `isFileType` is true for its type, its text if
 * `isPageType` is.
 */
export type Transport = (method: string, path: string, body?: unknown) => Promise<{ status: number; body: unknown }>;

/** Proxies and `fetch` give up when a response has not started after some minutes. */
const MAX_WAIT_PER_REQUEST_MS = 120_000;
/** The control plane rejects longer waits. */
const MAX_WAIT_MS = 600_000;

/** Whether a response of this content type is a file instead of JSON. */
export const isFileType = (contentType: unknown) => /^(?:video|image)\//.test(String(contentType));

/** Whether a response of this content type is a page for people instead of JSON. */
export const isPageType = (contentType: unknown) => String(contentType).startsWith('text/markdown');

/** Creates the control-plane client on top of any transport. */
export function createControl(transport: Transport): Control {
  async function request<Result>(method: string, path: string, requestBody?: unknown): Promise<Result> {
    const { status, body } = await transport(method, `/__admin${path}`, requestBody);
    if (status < 400) return body as Result;
    const { error = `HTTP status ${status}`, code = 'UNKNOWN' } = (body ?? {}) as {
      error?: string;
      code?: string;
    };
    throw new ControlError(error, code, status);
  }

  /** Fetches all pages of a list. */
  async function listAll<Item>(path: string, name: string, filter: object = {}): Promise<Item[]> {
    const items: Item[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const query = toQueryString({ ...filter, limit: 1000, after: after === '' ? undefined : after });
      const page: Record<string, unknown> = await request('GET', path + query);
      items.push(...(page[name] as Item[]));
      after = page.next as string | null;
    }
    return items;
  }

  /** Waits in several requests if `timeoutMs` is long. */
  async function wait<Result>(path: string, query: object, timeoutMs: number | undefined): Promise<Result> {
    const waitOnce = (ms: number | undefined) =>
      request<Result>('GET', `${path}${toQueryString({ ...query, timeoutMs: ms })}`);
    if (timeoutMs === undefined || !(timeoutMs > MAX_WAIT_PER_REQUEST_MS) || timeoutMs > MAX_WAIT_MS) {
      return waitOnce(timeoutMs);
    }
    for (let leftMs = timeoutMs; ; leftMs -= MAX_WAIT_PER_REQUEST_MS) {
      try {
        return await waitOnce(Math.min(leftMs, MAX_WAIT_PER_REQUEST_MS));
      } catch (error) {
        if (!(error instanceof ControlError) || error.code !== 'WAIT_TIMEOUT') throw error;
        if (leftMs > MAX_WAIT_PER_REQUEST_MS) continue;
        throw new ControlError(error.message.replace(/\d+ ms\.$/, `${timeoutMs} ms.`), error.code, error.status);
      }
    }
  }

  const createFaultControl = (path: string): FaultControl => ({
    add: (rule) => request('POST', path, rule),
    list: () => listAll(path, 'faults'),
    get: (id) => request('GET', `${path}/${encodeSegment(id)}`),
    remove: (id) => request('DELETE', `${path}/${encodeSegment(id)}`),
    clear: () => request('DELETE', path),
  });

  function account(key: string): AccountControl {
    const accountPath = `/accounts/${encodeSegment(key)}`;
    const taskPath = (id: string) => `${accountPath}/tasks/${encodeSegment(id)}`;
    const snapshotPath = (name: string) => `${accountPath}/snapshots/${encodeSegment(name)}`;
    return {
      key,
      get: () => request('GET', accountPath),
      change: (changes) => request('PATCH', accountPath, changes),
      remove: () => request('DELETE', accountPath),
      credit: (amount, reason) => request('POST', `${accountPath}/credits`, { amount, reason }),
      async ledger() {
        const entries = await listAll<t.LedgerEntry>(`${accountPath}/ledger`, 'entries');
        const { balance, held } = await request<t.Ledger>('GET', `${accountPath}/ledger?limit=1`);
        return { balance, held, entries };
      },
      verifyLedger: () => request('GET', `${accountPath}/ledger/verify`),
      rateLimit: (limit) => request('PUT', `${accountPath}/rate-limit`, limit),
      clock: {
        set: (mode, now) => request('PUT', `${accountPath}/clock`, { mode, now }),
        advance: (ms) => request('POST', `${accountPath}/clock/advance`, { ms }),
        advanceToNext: () => request('POST', `${accountPath}/clock/advance`, { toNext: true }),
      },
      tasks: {
        list: (filter = {}) => listAll(`${accountPath}/tasks`, 'tasks', filter),
        get: (id) => request('GET', taskPath(id)),
        complete: (id) => request('POST', `${taskPath(id)}/complete`, {}),
        fail: (id, error) => request('POST', `${taskPath(id)}/fail`, { error }),
        file: (id, field) => request('GET', `${taskPath(id)}/files/${encodeSegment(field)}`),
        wait: (id, { status, timeoutMs } = {}) => wait(`${accountPath}/wait`, { task: id, status }, timeoutMs),
      },
      faults: createFaultControl(`${accountPath}/faults`),
      requests: {
        list: (filter = {}) => listAll(`${accountPath}/requests`, 'requests', filter),
        har: (filter = {}) => request('GET', `${accountPath}/requests${toQueryString({ ...filter, format: 'har' })}`),
        get: (id) => request('GET', `${accountPath}/requests/${encodeSegment(id)}`),
        count: async (filter = {}) =>
          (await request<{ count: number }>('GET', `${accountPath}/requests/count${toQueryString(filter)}`)).count,
        wait: ({ timeoutMs, ...filter } = {}) => wait(`${accountPath}/requests/wait`, filter, timeoutMs),
        clear: () => request('DELETE', `${accountPath}/requests`),
      },
      verdict: () => request('GET', `${accountPath}/verdict`),
      summary: () => request('GET', `${accountPath}/summary`),
      snapshots: {
        take: (name) => request('POST', `${accountPath}/snapshots`, { name }),
        list: () => listAll(`${accountPath}/snapshots`, 'snapshots'),
        restore: (name) => request('POST', `${snapshotPath(name)}/restore`, {}),
      },
      exportState: ({ include = [] } = {}) =>
        request('GET', `${accountPath}/export${toQueryString({ include: include.join() || undefined })}`),
      async fork(to) {
        await request('POST', `${accountPath}/fork`, { to });
        return account(to);
      },
      reset: () => request('POST', `${accountPath}/reset`, {}),
    };
  }

  return {
    account,
    accounts: {
      async create(profile = {}) {
        return account((await request<t.Account>('POST', '/accounts', profile)).key);
      },
      list: () => listAll('/accounts', 'accounts'),
      async importState(state, options = {}) {
        return account((await request<t.Account>('POST', `/accounts/import${toQueryString(options)}`, state)).key);
      },
    },
    faults: createFaultControl('/faults'),
    activity: () => request('GET', '/activity'),
    reset: () => request<{ accounts: number }>('POST', '/reset', {}),
  };
}

/**
 * Encodes one segment of a path.
 * @throws ControlError INVALID_NAME when the name would change the path: empty, `.` or `..`
 */
function encodeSegment(name: string): string {
  if (name === '' || name === '.' || name === '..') {
    throw new ControlError(`"${name}" is not a valid key, id or name.`, 'INVALID_NAME', 400);
  }
  return encodeURIComponent(name);
}

function toQueryString(values: object): string {
  const defined = Object.entries(values).filter(([, value]) => value !== undefined);
  return defined.length === 0
    ? ''
    : `?${new URLSearchParams(Object.fromEntries(defined.map(([name, value]) => [name, String(value)])))}`;
}
