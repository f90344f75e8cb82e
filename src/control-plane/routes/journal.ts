import { z } from 'zod';
import type { Account } from '../../core/accounts/accounts.ts';
import { EmulatorError } from '../../core/errors.ts';
import type { App, HttpContext } from '../../http/context.ts';
import { type Entry, getTaskIds, redactKey, toResponseHeaders } from '../../http/journal/entry.ts';
import { parseJsonText } from '../../http/pipeline/body.ts';
import { lintClient } from '../client-lint.ts';
import { CountResponse, Journal, JournalEntrySchema, Verdict } from '../response-schemas.ts';
import {
  AccountParams,
  apiPath,
  integerMeta,
  paginate,
  paginationParams,
  requireAccount,
  sequenceCursor,
  strict,
  toTimestamp,
} from '../schemas.ts';

const FILTER_FIELDS = {
  path: apiPath.optional().meta({ description: 'As it was called; every path when absent.' }),
  status: z
    .string()
    .regex(/^\d{3}$/, { error: 'expected an HTTP status' })
    .transform(Number)
    .optional()
    .meta({ description: 'The status of the answer.', ...integerMeta(100, 999) }),
};
const RequestsQuery = strict({ ...FILTER_FIELDS, ...paginationParams(sequenceCursor) });
const CountQuery = strict(FILTER_FIELDS);

type Filter = z.output<typeof CountQuery>;

const JournalEntryParams = AccountParams.extend({
  id: z.string().meta({ description: 'The id of the entry.' }),
});

/** The calls that show what an account's client sent and was answered, and what that says of the client. */
export function registerRequests(app: App, context: HttpContext): void {
  const { core, journal } = context;
  const accountFor = ({ key }: AccountParams) => requireAccount(core, key);
  const findEntries = (account: Account, { path, status }: Filter) =>
    journal
      .listEntries(account.id)
      .filter((entry) => entry.path === (path ?? entry.path) && entry.status === (status ?? entry.status));

  app.get(
    '/accounts/:key/requests',
    {
      schema: { params: AccountParams, querystring: RequestsQuery },
      config: {
        operation: {
          name: 'listRequests',
          tag: 'requests',
          summary: 'Lists what the client sent and was answered.',
          description: 'Oldest first. The key never appears, and headers that carry credentials are left out.',
          responses: { 200: Journal },
        },
      },
    },
    async ({ params, query }) => {
      const account = accountFor(params);
      const entries = findEntries(account, query).filter(({ seq }) => seq > query.after);
      const { items, next } = paginate(entries, query.limit, ({ seq }) => String(seq));
      return { requests: items.map((entry) => toJournalEntryJson(entry, account.key)), next };
    },
  );

  app.get(
    '/accounts/:key/requests/count',
    {
      schema: { params: AccountParams, querystring: CountQuery },
      config: {
        operation: {
          name: 'countRequests',
          tag: 'requests',
          summary: 'Counts requests.',
          description: 'Those of the journal, which keeps the last ones.',
          responses: { 200: CountResponse },
        },
      },
    },
    async ({ params, query }) => ({
      count: findEntries(accountFor(params), query).length,
    }),
  );

  app.get(
    '/accounts/:key/requests/:id',
    {
      schema: { params: JournalEntryParams },
      config: {
        operation: {
          name: 'getRequest',
          tag: 'requests',
          summary: 'Reads a request.',
          description: 'As the list has it, as long as the journal keeps it.',
          responses: { 200: JournalEntrySchema },
          codes: ['REQUEST_NOT_FOUND'],
        },
      },
    },
    async ({ params }) => {
      const { id, key } = accountFor(params);
      const entry = journal.listEntries(id).find(({ seq }) => String(seq) === params.id);
      if (entry) return toJournalEntryJson(entry, key);
      throw new EmulatorError('REQUEST_NOT_FOUND', `There is no request ${params.id} in the journal of this account.`);
    },
  );

  app.delete(
    '/accounts/:key/requests',
    {
      schema: { params: AccountParams },
      config: {
        operation: {
          name: 'clearRequests',
          tag: 'requests',
          summary: 'Empties the journal.',
          description: 'Of this account.',
          responses: { 204: null },
        },
      },
    },
    async ({ params }, reply) => {
      const { id } = accountFor(params);
      journal.clear(id);
      core.events.emit({ type: 'account', accountId: id, change: 'journal' });
      reply.code(204);
    },
  );

  app.get(
    '/accounts/:key/verdict',
    {
      schema: { params: AccountParams },
      config: {
        operation: {
          name: 'getVerdict',
          tag: 'requests',
          summary: 'Judges the manners of the client.',
          description: 'By the journal. `ok`: nothing was found.',
          responses: { 200: Verdict },
        },
      },
    },
    async ({ params }) => {
      const account = accountFor(params);
      const findings = lintClient(context, account).map((finding) => ({
        ...finding,
        message: redactKey(finding.message, account.key),
      }));
      return { ok: findings.length === 0, findings };
    },
  );
}

/** Never shown, not even cut. */
const CREDENTIAL_HEADERS = /^(proxy-)?authorization$|cookie|token|secret|api-?key|password/i;

/** The key does not appear, wherever the client may have repeated it. */
function toJournalEntryJson(entry: Entry, key: string) {
  const { seq, atMs, method, path, status, errorCode, durationMs, faults, warnings } = entry;
  const headers = Object.entries(entry.headers).filter(([name]) => !CREDENTIAL_HEADERS.test(name));
  const redact = <T>(value: T) => redactKeyDeep(value, key) as T;
  return {
    ...{ id: String(seq), at: toTimestamp(atMs), method, path: redact(path), status, errorCode, durationMs },
    request: {
      headers: redact(Object.fromEntries(headers)),
      body: redact(getRequestBody(entry)),
      ...toTruncatedFlag(entry.isBodyTruncated),
    },
    response: {
      headers: redact(toResponseHeaders(entry)),
      body: redact(getResponseBody(entry)),
      ...toTruncatedFlag(entry.isResponseBodyTruncated),
    },
    taskIds: getTaskIds(entry),
    fault: faults.length > 0 ? faults.join('; ') : null,
    warnings: redact([...warnings, ...entry.unknownFields.map((field) => `undocumented field ${field}`)]),
  };
}

const toTruncatedFlag = (isTruncated: boolean) => (isTruncated ? { truncated: true } : {});

const getRequestBody = ({ body, isBodyTruncated: bodyIsCut }: Entry) => (bodyIsCut ? body : parseJsonOrText(body));

function getResponseBody({ responseBody, isResponseBodyTruncated: isTruncated, contentType }: Entry): unknown {
  const isJson = !isTruncated && contentType?.startsWith('application/json');
  return isJson || responseBody === '' ? parseJsonOrText(responseBody) : responseBody;
}

/** What a text says as JSON, else the text; null for none. */
function parseJsonOrText(text: string): unknown {
  try {
    return text === '' ? null : parseJsonText(text);
  } catch {
    return text;
  }
}

/** A copy in which every text, name or not, has `[key]` where the key stood. */
function redactKeyDeep(value: unknown, key: string): unknown {
  if (typeof value === 'string') return redactKey(value, key);
  if (Array.isArray(value)) return value.map((item) => redactKeyDeep(item, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [redactKey(name, key), redactKeyDeep(item, key)]),
  );
}
