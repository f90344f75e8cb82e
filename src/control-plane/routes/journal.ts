import { z } from 'zod';
import type { Account } from '../../core/accounts/accounts.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { App, Emulator } from '../../http/context.ts';
import { answerHeadersOf, type Entry, taskIdsOf, withoutKey } from '../../http/journal/entry.ts';
import { readJson } from '../../http/pipeline/body.ts';
import { findingsOf } from '../client-lint.ts';
import { Count, Journal, JournalEntry, Verdict } from '../response-schemas.ts';
import {
  accountAt,
  afterPlace,
  apiPath,
  asNumber,
  moment,
  OfAccount,
  paged,
  pageOf,
  strict,
} from '../schemas.ts';

const FILTER = {
  path: apiPath.optional().meta({ description: 'As it was called; every path when absent.' }),
  status: z
    .string()
    .regex(/^\d{3}$/, { error: 'expected an HTTP status' })
    .transform(Number)
    .optional()
    .meta({ description: 'The status of the answer.', ...asNumber(100, 999) }),
};
const RequestsQuery = strict({ ...FILTER, ...pageOf(afterPlace) });
const CountQuery = strict(FILTER);

type Filter = z.output<typeof CountQuery>;

const OfRequest = OfAccount.extend({ id: z.string().meta({ description: 'The id of the entry.' }) });

/** The calls that show what an account's client sent and was answered, and what that says of the client. */
export function registerRequests(app: App, emulator: Emulator): void {
  const { core, journal } = emulator;
  const at = ({ key }: OfAccount) => accountAt(core, key);
  const matching = (account: Account, { path, status }: Filter) =>
    journal
      .entriesOf(account.id)
      .filter((entry) => entry.path === (path ?? entry.path) && entry.status === (status ?? entry.status));

  app.get(
    '/accounts/:key/requests',
    {
      schema: { params: OfAccount, querystring: RequestsQuery },
      config: {
        call: {
          name: 'listRequests',
          tag: 'requests',
          summary: 'Lists what the client sent and was answered.',
          description:
            'Oldest first. The key never appears, and headers that carry credentials are left out.',
          answers: { 200: Journal },
        },
      },
    },
    async ({ params, query }) => {
      const account = at(params);
      const entries = matching(account, query).filter(({ seq }) => seq > query.after);
      const { items, next } = paged(entries, query.limit, ({ seq }) => String(seq));
      return { requests: items.map((entry) => shownEntry(entry, account.key)), next };
    },
  );

  app.get(
    '/accounts/:key/requests/count',
    {
      schema: { params: OfAccount, querystring: CountQuery },
      config: {
        call: {
          name: 'countRequests',
          tag: 'requests',
          summary: 'Counts requests.',
          description: 'Those of the journal, which keeps the last ones.',
          answers: { 200: Count },
        },
      },
    },
    async ({ params, query }) => ({
      count: matching(at(params), query).length,
    }),
  );

  app.get(
    '/accounts/:key/requests/:id',
    {
      schema: { params: OfRequest },
      config: {
        call: {
          name: 'getRequest',
          tag: 'requests',
          summary: 'Reads a request.',
          description: 'As the list has it, as long as the journal keeps it.',
          answers: { 200: JournalEntry },
          codes: ['REQUEST_NOT_FOUND'],
        },
      },
    },
    async ({ params }) => {
      const { id, key } = at(params);
      const entry = journal.entriesOf(id).find(({ seq }) => String(seq) === params.id);
      if (entry) return shownEntry(entry, key);
      throw new EmulatorError(
        'REQUEST_NOT_FOUND',
        `There is no request ${params.id} in the journal of this account.`,
      );
    },
  );

  app.delete(
    '/accounts/:key/requests',
    {
      schema: { params: OfAccount },
      config: {
        call: {
          name: 'clearRequests',
          tag: 'requests',
          summary: 'Empties the journal.',
          description: 'Of this account.',
          answers: { 204: null },
        },
      },
    },
    async ({ params }, reply) => {
      const { id } = at(params);
      journal.clear(id);
      core.events.emit({ type: 'account', accountId: id, change: 'journal' });
      reply.code(204);
    },
  );

  app.get(
    '/accounts/:key/verdict',
    {
      schema: { params: OfAccount },
      config: {
        call: {
          name: 'getVerdict',
          tag: 'requests',
          summary: 'Judges the manners of the client.',
          description: 'By the journal. `ok`: nothing was found.',
          answers: { 200: Verdict },
        },
      },
    },
    async ({ params }) => {
      const account = at(params);
      const findings = findingsOf(emulator, account).map((finding) => ({
        ...finding,
        message: withoutKey(finding.message, account.key),
      }));
      return { ok: findings.length === 0, findings };
    },
  );
}

/** Never shown, not even cut. */
const CREDENTIALS = /^(proxy-)?authorization$|cookie|token|secret|api-?key|password/i;

/** The key does not appear, wherever the client may have repeated it. */
function shownEntry(entry: Entry, key: string) {
  const { seq, atMs, method, path, status, errorCode, durationMs, faults, warnings } = entry;
  const headers = Object.entries(entry.headers).filter(([name]) => !CREDENTIALS.test(name));
  const hide = <T>(value: T) => without(value, key) as T;
  return {
    ...{ id: String(seq), at: moment(atMs), method, path: hide(path), status, errorCode, durationMs },
    request: {
      headers: hide(Object.fromEntries(headers)),
      body: hide(bodyOf(entry)),
      ...cut(entry.bodyIsCut),
    },
    response: {
      headers: hide(answerHeadersOf(entry)),
      body: hide(answerOf(entry)),
      ...cut(entry.answerIsCut),
    },
    taskIds: taskIdsOf(entry),
    fault: faults.length > 0 ? faults.join('; ') : null,
    warnings: hide([...warnings, ...entry.unknownFields.map((field) => `undocumented field ${field}`)]),
  };
}

const cut = (isCut: boolean) => (isCut ? { truncated: true } : {});

const bodyOf = ({ body, bodyIsCut }: Entry) => (bodyIsCut ? body : parsed(body));

function answerOf({ answer, answerIsCut, contentType }: Entry): unknown {
  const isJson = !answerIsCut && contentType?.startsWith('application/json');
  return isJson || answer === '' ? parsed(answer) : answer;
}

/** What a text says as JSON, else the text; null for none. */
function parsed(text: string): unknown {
  try {
    return text === '' ? null : readJson(text);
  } catch {
    return text;
  }
}

/** A copy in which every text, name or not, has `[key]` where the key stood. */
function without(value: unknown, key: string): unknown {
  if (typeof value === 'string') return withoutKey(value, key);
  if (Array.isArray(value)) return value.map((item) => without(item, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [withoutKey(name, key), without(item, key)]),
  );
}
