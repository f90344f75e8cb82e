import type { AccountControl, Control, FaultControl } from './api.ts';
import type * as t from './types.ts';

/** A call of the control plane that was refused: what it says, its code and its HTTP status. */
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

/** How a call gets there: its answer's status and what is in it, bytes where `isFile` says so of its type. */
export type Transport = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<{ status: number; body: unknown }>;

/** Whether an answer of this type is a file, and no JSON. */
export const isFile = (contentType: unknown) => /^(?:video|image)\//.test(String(contentType));

/** The control plane in methods, whatever the way there. */
export function createControl(transport: Transport): Control {
  async function call<Answer>(method: string, path: string, said?: unknown): Promise<Answer> {
    const { status, body } = await transport(method, `/__admin${path}`, said);
    if (status < 400) return body as Answer;
    const { error = `HTTP status ${status}`, code = 'UNKNOWN' } = (body ?? {}) as {
      error?: string;
      code?: string;
    };
    throw new ControlError(error, code, status);
  }

  /** All pages of a list. */
  async function all<Item>(path: string, name: string, filter: object = {}): Promise<Item[]> {
    const items: Item[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const query = queryOf({ ...filter, limit: 1000, after: after === '' ? undefined : after });
      const page: Record<string, unknown> = await call('GET', path + query);
      items.push(...(page[name] as Item[]));
      after = page.next as string | null;
    }
    return items;
  }

  const faultsAt = (path: string): FaultControl => ({
    add: (rule: t.Rule) => call<t.Fault>('POST', path, rule),
    list: () => all<t.Fault>(path, 'faults'),
    remove: (id: string) => call<void>('DELETE', `${path}/${segment(id)}`),
    clear: () => call<void>('DELETE', path),
  });

  function account(key: string): AccountControl {
    const of = `/accounts/${segment(key)}`;
    const task = (id: string) => `${of}/tasks/${segment(id)}`;
    const snapshot = (name: string) => `${of}/snapshots/${segment(name)}`;
    return {
      key,
      get: () => call<t.Account>('GET', of),
      change: (changes: t.AccountChanges) => call<t.Account>('PATCH', of, changes),
      remove: () => call<void>('DELETE', of),
      credit: (amount: number, reason?: string) =>
        call<t.Account>('POST', `${of}/credits`, { amount, reason }),
      async ledger(): Promise<t.Ledger> {
        const entries = await all<t.LedgerEntry>(`${of}/ledger`, 'entries');
        const { balance, held } = await call<t.Ledger>('GET', `${of}/ledger?limit=1`);
        return { balance, held, entries };
      },
      verifyLedger: () => call<t.Verification>('GET', `${of}/ledger/verify`),
      rateLimit: (limit: { limit?: number | null; remaining?: number }) =>
        call<t.Account>('PUT', `${of}/rate-limit`, limit),
      clock: {
        set: (mode: t.ClockMode, now?: string) =>
          call<t.Advance & { mode: t.ClockMode }>('PUT', `${of}/clock`, { mode, now }),
        advance: (ms: number) => call<t.Advance>('POST', `${of}/clock/advance`, { ms }),
        advanceToNext: () => call<t.Advance>('POST', `${of}/clock/advance`, { toNext: true }),
      },
      tasks: {
        list: (filter: { status?: t.TaskStatus } = {}) => all<t.Task>(`${of}/tasks`, 'tasks', filter),
        get: (id: string) => call<t.Task>('GET', task(id)),
        complete: (id: string) => call<t.Task>('POST', `${task(id)}/complete`, {}),
        fail: (id: string, error?: string) => call<t.Task>('POST', `${task(id)}/fail`, { error }),
        file: (id: string, field: string) => call<Uint8Array>('GET', `${task(id)}/files/${segment(field)}`),
        wait: (id: string, options: { status?: t.TaskStatus; timeoutMs?: number } = {}) =>
          call<t.Task>('GET', `${of}/wait${queryOf({ task: id, ...options })}`),
      },
      faults: faultsAt(`${of}/faults`),
      requests: {
        list: (filter: t.JournalFilter = {}) => all<t.JournalEntry>(`${of}/requests`, 'requests', filter),
        get: (id: string) => call<t.JournalEntry>('GET', `${of}/requests/${segment(id)}`),
        count: async (filter: t.JournalFilter = {}) =>
          (await call<{ count: number }>('GET', `${of}/requests/count${queryOf(filter)}`)).count,
        clear: () => call<void>('DELETE', `${of}/requests`),
      },
      verdict: () => call<t.Verdict>('GET', `${of}/verdict`),
      snapshots: {
        take: (name: string) => call<t.Snapshot>('POST', `${of}/snapshots`, { name }),
        list: () => all<t.Snapshot>(`${of}/snapshots`, 'snapshots'),
        restore: (name: string) => call<t.Account>('POST', `${snapshot(name)}/restore`, {}),
      },
      async fork(to: string): Promise<AccountControl> {
        await call<t.Account>('POST', `${of}/fork`, { to });
        return account(to);
      },
      reset: () => call<t.Account>('POST', `${of}/reset`, {}),
    };
  }

  return {
    account,
    accounts: {
      async create(said: t.NewAccount = {}): Promise<AccountControl> {
        return account((await call<t.Account>('POST', '/accounts', said)).key);
      },
      list: () => all<t.Account>('/accounts', 'accounts'),
    },
    faults: faultsAt('/faults'),
    reset: () => call<{ accounts: number }>('POST', '/reset', {}),
  };
}

/** One part of a path. @throws ControlError for a name that would lead elsewhere */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..') {
    throw new ControlError(`"${name}" is the name of nothing.`, 'INVALID_NAME', 400);
  }
  return encodeURIComponent(name);
}

function queryOf(values: object): string {
  const said = Object.entries(values).filter(([, value]) => value !== undefined);
  return said.length === 0
    ? ''
    : `?${new URLSearchParams(Object.fromEntries(said.map(([name, value]) => [name, String(value)])))}`;
}

/** The control plane of an emulator that runs somewhere else. */
export function connectEmulator(url: string, { adminToken }: { adminToken?: string } = {}): Control {
  return createControl(async (method, path, body) => {
    const response = await fetch(url.replace(/\/+$/, '') + path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(adminToken !== undefined && { 'x-admin-token': adminToken }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const { status } = response;
    if (isFile(response.headers.get('content-type'))) {
      return { status, body: new Uint8Array(await response.arrayBuffer()) };
    }
    const text = await response.text();
    try {
      return { status, body: text === '' ? undefined : JSON.parse(text) };
    } catch {
      throw new ControlError(`${url} is no emulator: it does not answer in JSON.`, 'NO_EMULATOR', status);
    }
  });
}
