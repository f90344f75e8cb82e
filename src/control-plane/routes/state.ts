import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import * as z from 'zod';
import { EmulatorError } from '../../core/errors.ts';
import { apiKey } from '../../http/account-profile.ts';
import type { HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { closeConnection } from '../../http/faults/effects.ts';
import type { ListedEntry } from '../../http/journal/entry.ts';
import { readBody } from '../../http/pipeline/body.ts';
import { onFinished } from '../../http/pipeline/response-lifecycle.ts';
import type { Redact } from '../../http/redaction.ts';
import { AdminError } from '../error-codes.ts';
import { MAX_INITIAL_RULES_BYTES } from '../fault-rule-schema.ts';
import { createFileRedactor } from '../files/redaction.ts';
import { holdEntries } from '../held-entries.ts';
import { listRequests, requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { AccountSchema } from '../response-schemas.ts';
import { AccountParams } from '../schemas.ts';
import { DocumentReader, type PartLimit } from '../state/document-reader.ts';
import { DocumentError } from '../state/document-schema.ts';
import { getFamilySchemas } from '../state/family-schemas.ts';
import { createDocumentImports } from '../state/import-document.ts';
import { writeDocument } from '../state/write-document.ts';
import { toAccountJson } from './accounts.ts';
import { toJournalEntryJson } from './journal.ts';
import { getVerdict } from './verdict.ts';

/** A document is stored as it arrives, so the limit for other bodies does not apply. */
const MAX_DOCUMENT_BYTES = 1024 * 1024 * 1024;
/** Maximum size of a task in a document, besides the texts of its request. */
const MAX_TASK_BYTES = 64 * 1024;
/** A part that does not depend on a request, such as an account with its initial fault rules. */
const OTHER_LIMIT: PartLimit = { bytes: MAX_INITIAL_RULES_BYTES + 64 * 1024 };

const INCLUDES = ['requests', 'verdict'] as const;
const INCLUDE_ERROR = `expected ${INCLUDES.join(' or ')}, or both separated by a comma`;
const include = z
  .string()
  .transform((names) => names.split(','))
  .pipe(z.array(z.enum(INCLUDES, { error: INCLUDE_ERROR })))
  .default([])
  .meta({ description: `Members to add: ${INCLUDE_ERROR.replace('expected ', '')}.`, default: undefined });
const REPLACE_ERROR = { error: 'expected true or false' };
const replace = z
  .enum(['true', 'false'], REPLACE_ERROR)
  .transform((word) => word === 'true')
  .default(false)
  .meta({ description: 'Whether to replace an account with the same key.', default: 'false' });

const ExportQuery = z.strictObject({ include });
const ImportQuery = z.strictObject({
  key: apiKey.optional().meta({ description: 'The key of the account; the one in the document when absent.' }),
  replace,
});

/** Operations that export an account as a document and import it. */
export function stateOperations(context: HttpContext, families: readonly Family[]): Operation[] {
  const { core, settings, listenerLimit } = context;
  const { Document, ImportedDocument } = getFamilySchemas(families).document;
  const beginImport = createDocumentImports(core, families, settings.faultLimit);
  // Twice, because the input of a task also contains the client's own id of it.
  const taskLimit: PartLimit = { bytes: 2 * settings.bodyLimitBytes + MAX_TASK_BYTES, flag: '--body-limit-bytes' };
  const getLimit = (member: string | undefined) => (member === 'tasks' ? taskLimit : OTHER_LIMIT);

  return [
    defineOperation({
      method: 'GET',
      // A HEAD request would read the whole account.
      hasNoHead: true,
      path: '/accounts/:key/export',
      name: 'exportAccount',
      tag: 'states',
      summary: 'Export an account',
      description:
        'One document with everything that belongs to the account, as it is at the beginning of the response, with ' +
        'one line per ledger entry, task and fault rule. It does not contain snapshots. The response is cut short ' +
        'when the account is reset, restored or removed meanwhile. `requests` and `verdict` contain no credentials. The ' +
        'other members are complete, so that the account can be imported: `account` has the key, and the inputs of ' +
        'tasks have signed URLs as they were sent.',
      params: AccountParams,
      query: ExportQuery,
      responses: { 200: Document },
      codes: ['TOO_MANY_LISTENERS', 'VERDICT_NOT_FOUND'],
      async handler(request, reply) {
        const { id, key } = requireAccount(core, request.params);
        listenerLimit.acquire(request, reply);
        const exported = core.exports.begin(id);
        // A generator that has not started would run no `finally` when the client disconnects.
        onFinished(request, reply, exported.close);
        const included = new Set(request.query.include);
        const listed = included.size > 0 ? listRequests(context, id) : [];
        const redact = createFileRedactor(key, listed);
        const entries = included.has('requests') ? listed : [];
        holdEntries(core.memory, request, reply, entries);
        const extras = {
          ...(included.has('requests') && { requests: formatEntries(entries, redact) }),
          ...(included.has('verdict') && { verdict: getVerdict(context, exported.account, redact) }),
        };
        const document = cutShort(writeDocument(exported, core.clock, extras), request);
        const body = Readable.from(document, { objectMode: false });
        return reply.type('application/json; charset=utf-8').send(body);
      },
    }),

    defineOperation({
      method: 'POST',
      path: '/accounts/import',
      name: 'importAccount',
      tag: 'states',
      summary: 'Import an account',
      description:
        'Creates an account from the document of an export: with the same ids, timestamps, plans and balances. ' +
        'Running tasks continue, but synchronous ones fail and are refunded. All or nothing.',
      query: ImportQuery,
      body: ImportedDocument,
      isStreamedBody: true,
      responses: { 201: AccountSchema },
      codes: ['ACCOUNT_EXISTS', 'TOO_MANY_FAULTS'],
      async handler(request, reply) {
        const { key, replace } = request.query;
        if (key !== undefined && !replace && core.accounts.find(key)) throw new AdminError('ACCOUNT_EXISTS', key);
        const documentImport = beginImport();
        const reader = new DocumentReader(documentImport.handler, getLimit);
        try {
          // A request without a content type has no stream.
          if (request.body instanceof Readable) {
            await readBody(request, request.body, MAX_DOCUMENT_BYTES, {
              get heldBytes() {
                return reader.heldBytes + documentImport.heldBytes;
              },
              write: (chunk) => documentImport.write(chunk.length, () => reader.write(chunk)),
              discard() {
                reader.discard();
                documentImport.discard();
              },
            });
          }
          reader.end();
          const account = documentImport.commit({ key, replace, origin: 'control' });
          reply.code(201);
          return toAccountJson(core, account);
        } catch (error) {
          documentImport.discard();
          throw error instanceof DocumentError ? new AdminError('INVALID_INPUT', error.path, error.reason) : error;
        }
      },
    }),
  ];
}

/**
 * Resets the connection when the account is reset, restored or removed during its export, which is not an error. In
 * HTTP/1.0, closing the connection normally would mark the end of the document.
 */
async function* cutShort(document: AsyncIterable<string>, request: FastifyRequest): AsyncGenerator<string> {
  try {
    yield* document;
  } catch (error) {
    if (!(error instanceof EmulatorError)) throw error;
    closeConnection(request, true);
  }
}

/** Formats entries only as they are written. */
function* formatEntries(entries: readonly ListedEntry[], redact: Redact): Generator<object> {
  for (const entry of entries) yield toJournalEntryJson(entry, redact);
}
