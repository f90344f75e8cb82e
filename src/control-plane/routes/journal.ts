import { Readable } from 'node:stream';
import * as z from 'zod';
import { boundedText, timestampMs } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import { isCredentialHeader } from '../../http/credentials.ts';
import { describeOmitted } from '../../http/journal/bounded-names.ts';
import { type Entry, getTaskIds, type ListedEntry, toResponseHeaders } from '../../http/journal/entry.ts';
import { OpenedEntry } from '../../http/journal/opened-entry.ts';
import { parseJsonText } from '../../http/pipeline/body.ts';
import { createRedactor, type Redact, redactDeep } from '../../http/redaction.ts';
import { AdminError } from '../error-codes.ts';
import { toHarEntry, writeHar } from '../files/har.ts';
import { createFileRedactor } from '../files/redaction.ts';
import { holdEntries } from '../held-entries.ts';
import { listRequests, requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { DEFAULT_LIMIT, limitParam, PAGE_BY_NUMBER, paginate } from '../pagination.ts';
import { CountResponse, Har, Journal, JournalEntrySchema } from '../response-schemas.ts';
import { AccountParams, apiPath, integerMeta, toTimestamp } from '../schemas.ts';
import { WAIT_CODES, waitTimeoutMs, waitUntil } from '../wait.ts';

const FILTER_FIELDS = {
  path: apiPath.optional().meta({ description: 'The path as requested; every path when absent.' }),
  status: z
    .string()
    .regex(/^\d{3}$/, { error: 'expected an HTTP status' })
    .transform(Number)
    .optional()
    .meta({ description: 'The status of the response.', ...integerMeta(100, 999) }),
  method: z
    .string()
    .regex(/^[A-Z-]{1,32}$/, { error: 'expected an HTTP method in upper case' })
    .optional()
    .meta({ description: 'The HTTP method.' }),
  errorCode: z
    .string()
    .regex(/^[A-Z0-9_]{1,100}$/, { error: 'expected an error code such as INVALID_INPUT' })
    .optional()
    .meta({ description: 'The error code of the response.' }),
  taskId: boundedText(200)
    .optional()
    .meta({ description: 'The id of a task that the request created, polled or fetched.' }),
  contains: boundedText(1000)
    .optional()
    .meta({ description: 'A text in the body of the request or of the response, as it was sent.' }),
  requestId: boundedText(128)
    .optional()
    .meta({ description: 'The id of the request: the header x-request-id of its response.' }),
  since: timestampMs.optional().meta({ description: "The earliest time of the request, on the account's clock." }),
  until: timestampMs.optional().meta({ description: "The latest time of the request, on the account's clock." }),
};
const CountQuery = z.strictObject(FILTER_FIELDS);
type Filter = z.output<typeof CountQuery>;
const ListQuery = z.strictObject({
  ...FILTER_FIELDS,
  ...PAGE_BY_NUMBER,
  limit: limitParam.optional().meta({
    description:
      `Maximum number of requests. With \`json\`, the default is ${DEFAULT_LIMIT}, and a page of more than 4 MB has ` +
      'fewer.',
    ...integerMeta(1, 1000),
  }),
  format: z.enum(['json', 'har'], { error: 'expected json or har' }).default('json').meta({
    description: '`har`: one HAR 1.2 document with all requests that match, or with the first `limit` of them.',
  }),
});
const ListResponse = z.union([Journal, Har]);
const EntryParams = AccountParams.extend({ id: z.string().meta({ description: 'The id of the entry.' }) });
const COUNT_ERROR = { error: 'expected a whole number from 1 to 1000' };
const WaitQuery = z.strictObject({
  ...FILTER_FIELDS,
  count: z
    .string()
    .regex(/^\d{1,4}$/, COUNT_ERROR)
    .transform(Number)
    .pipe(z.number().min(1, COUNT_ERROR).max(1000, COUNT_ERROR))
    .default(1)
    .meta({ description: 'Number of requests to wait for.', ...integerMeta(1, 1000), default: 1 }),
  timeoutMs: waitTimeoutMs,
});

/** Operations on the journal of an account: the requests of its client and their responses. */
export function journalOperations(context: HttpContext): Operation[] {
  const { core, settings, journal, listenerLimit } = context;
  const findEntries = (accountId: number, filter: Filter) =>
    listRequests(context, accountId).filter((entry) => matches(entry, filter));

  return [
    defineOperation({
      method: 'GET',
      path: '/accounts/:key/requests',
      name: 'listRequests',
      tag: 'requests',
      summary: 'List requests and their responses',
      description:
        'Oldest first. The API key is redacted, and headers that carry credentials are left out; everything else is as ' +
        'it was sent, even signed URLs. In a HAR document, other credentials and the secrets in URLs are redacted, too.',
      params: AccountParams,
      query: ListQuery,
      responses: { 200: ListResponse },
      codes: ['TOO_MANY_LISTENERS'],
      async handler(request, reply) {
        const { query } = request;
        const { id, key } = requireAccount(core, request.params);
        const { limit, after, format } = query;
        const found = findEntries(id, query).filter(({ seq }) => seq > after);
        if (format === 'har') {
          const entries = found.slice(0, limit);
          listenerLimit.acquire(request, reply);
          holdEntries(core.memory, request, reply, entries);
          const redact = createFileRedactor(key, listRequests(context, id));
          const body = Readable.from(writeHar(toHarEntries(entries, redact), settings.version, core.clock), {
            objectMode: false,
          });
          return reply.type('application/json; charset=utf-8').send(body);
        }
        const redact = createRedactor([key]);
        const toJson = (entry: ListedEntry) => toJournalEntryJson(entry, redact);
        const { items, next } = await paginate(found, limit ?? DEFAULT_LIMIT, ({ seq }) => String(seq), toJson, core);
        return { requests: items, next };
      },
    }),

    defineOperation({
      method: 'GET',
      path: '/accounts/:key/requests/count',
      name: 'countRequests',
      tag: 'requests',
      summary: 'Count requests',
      description: 'Counts the requests in the journal, which keeps only the most recent ones.',
      params: AccountParams,
      query: CountQuery,
      responses: { 200: CountResponse },
      handler: async ({ params, query }) => ({ count: findEntries(requireAccount(core, params).id, query).length }),
    }),

    defineOperation({
      method: 'GET',
      path: '/accounts/:key/requests/wait',
      name: 'waitForRequests',
      tag: 'requests',
      summary: 'Wait for requests',
      description:
        'Responds when `count` requests match and have been answered, with the last of them. Earlier requests that are ' +
        'still in the journal count, too, and lost responses count as answers.',
      params: AccountParams,
      query: WaitQuery,
      responses: { 200: JournalEntrySchema },
      codes: WAIT_CODES,
      async handler(request, reply) {
        const { count, timeoutMs, ...filter } = request.query;
        const { id: accountId, key } = requireAccount(core, request.params);
        const findNth = createNthMatchFinder((after) => listRequests(context, accountId, after), filter, count);
        await waitUntil(context, request, reply, {
          ...{ accountId, timeoutMs, isReached: () => findNth() !== undefined },
          missed:
            count === 1 ? 'No matching request was answered' : `Fewer than ${count} matching requests were answered`,
        });
        return toJournalEntryJson(findNth()!, createRedactor([key]));
      },
    }),

    defineOperation({
      method: 'GET',
      path: '/accounts/:key/requests/:id',
      name: 'getRequest',
      tag: 'requests',
      summary: 'Get a request',
      description: 'In the same form as in the list, as long as the journal keeps it.',
      params: EntryParams,
      responses: { 200: JournalEntrySchema },
      codes: ['REQUEST_NOT_FOUND'],
      async handler({ params }) {
        const { id, key } = requireAccount(core, params);
        const entry = listRequests(context, id).find(({ seq }) => String(seq) === params.id);
        if (!entry) throw new AdminError('REQUEST_NOT_FOUND', params.id);
        return toJournalEntryJson(entry, createRedactor([key]));
      },
    }),

    defineOperation({
      method: 'DELETE',
      path: '/accounts/:key/requests',
      name: 'clearRequests',
      tag: 'requests',
      summary: 'Clear the journal',
      description: 'Only the journal of this account.',
      params: AccountParams,
      responses: { 204: null },
      async handler({ params }, reply) {
        const { id } = requireAccount(core, params);
        journal.clear(id);
        core.events.emit({ type: 'account', accountId: id, change: 'journal' });
        reply.code(204);
      },
    }),
  ];
}

function matches(entry: ListedEntry, filter: Filter): boolean {
  const { taskId, contains, since = -Infinity, until = Infinity } = filter;
  return (
    entry.path === (filter.path ?? entry.path) &&
    entry.method === (filter.method ?? entry.method) &&
    entry.requestId === (filter.requestId ?? entry.requestId) &&
    entry.status === (filter.status ?? entry.status) &&
    entry.errorCode === (filter.errorCode ?? entry.errorCode) &&
    entry.atMs >= since &&
    entry.atMs <= until &&
    (taskId === undefined || getTaskIds(entry).includes(taskId)) &&
    (contains === undefined || entry.body.includes(contains) || entry.responseBody.includes(contains))
  );
}

/**
 * Returns a function that returns the last of the first `count` requests that match and have been answered; undefined
 * while there are fewer. It is called after each event, so it checks each answered request only once.
 */
function createNthMatchFinder(listEntries: (after: number) => readonly ListedEntry[], filter: Filter, count: number) {
  let missing = count;
  let last: ListedEntry | undefined;
  let lastSeq = 0;
  let pending: ListedEntry[] = [];
  return (): ListedEntry | undefined => {
    const added = listEntries(lastSeq);
    lastSeq = added.at(-1)?.seq ?? lastSeq;
    const undecided = [...pending, ...added];
    pending = [];
    for (const entry of undecided) {
      if (entry.durationMs === null) pending.push(entry);
      else if (missing > 0 && matches(entry, filter)) {
        missing -= 1;
        last = entry;
      }
    }
    return missing === 0 ? last : undefined;
  };
}

/** An entry with the API key redacted everywhere, including where the client repeated it. */
export function toJournalEntryJson(entry: ListedEntry, redact: Redact) {
  if (entry instanceof OpenedEntry) return entry.json;
  const { seq, requestId, atMs, method, path, status, errorCode, durationMs, faults, warnings, unknownFields } = entry;
  const { body, isBodyTruncated, responseBody, isResponseBodyTruncated, contentType } = entry;
  const headers = (Object.entries(entry.headers) as [string, string | string[]][]).filter(
    ([name]) => !isCredentialHeader(name),
  );
  const isJsonResponse = responseBody === '' || contentType?.startsWith('application/json') === true;
  return {
    ...{ id: String(seq), requestId: redact(requestId), at: toTimestamp(atMs), method, path: redact(path) },
    ...{ status, errorCode, durationMs },
    request: {
      headers: redactDeep(Object.fromEntries(headers), redact),
      body: toBodyJson(entry, body, isBodyTruncated, true, redact),
      ...toTruncatedFlag(isBodyTruncated),
    },
    response: {
      headers: redactDeep(toResponseHeaders(entry), redact),
      body: toBodyJson(entry, responseBody, isResponseBodyTruncated, isJsonResponse, redact),
      ...toTruncatedFlag(isResponseBodyTruncated),
    },
    taskIds: getTaskIds(entry),
    fault: faults.length > 0 ? faults.join('; ') : null,
    warnings: [
      ...warnings.names.map((warning) => entry.redactName(warning, redact)),
      ...describeOmitted(warnings, 'warnings'),
      ...unknownFields.names.map((field) => `undocumented field ${entry.redactName(field, redact)}`),
      ...describeOmitted(unknownFields, 'undocumented fields'),
    ],
  };
}

/** Converts entries only as they are written. */
function* toHarEntries(entries: readonly ListedEntry[], redact: Redact): Generator<object> {
  for (const entry of entries) yield toHarEntry(toJournalEntryJson(entry, redact), entry.wallMs);
}

const toTruncatedFlag = (isTruncated: boolean): { truncated?: true } => (isTruncated ? { truncated: true } : {});

/** A body as JSON if it is, else as text. */
function toBodyJson(entry: Entry, body: string, isTruncated: boolean, mayBeJson: boolean, redact: Redact): unknown {
  const value = mayBeJson && !isTruncated ? parseJsonOrText(body) : body;
  return typeof value === 'string' ? entry.redactBody(value, isTruncated, redact) : redactDeep(value, redact);
}

/** Parses a text as JSON; returns the text if it is not JSON, and null if it is empty. */
function parseJsonOrText(text: string): unknown {
  try {
    return text === '' ? null : parseJsonText(text);
  } catch {
    return text;
  }
}
