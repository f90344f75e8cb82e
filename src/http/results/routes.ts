import contentDisposition from 'content-disposition';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { Task } from '../../core/tasks/task.ts';
import type { App, HttpContext } from '../context.ts';
import type { Family } from '../family.ts';
import { createEffects } from '../faults/effects.ts';
import { FAULT_HEADER, fireRule, formatDirective, readDirectives, recordFault } from '../faults/hooks.ts';
import { recordResponse } from '../pipeline/api-hooks.ts';
import type { ErrorTable } from '../pipeline/error-table.ts';
import { addSendHook } from '../pipeline/errors.ts';
import { getPathname, MEDIA_PREFIX } from '../urls.ts';
import type { ResultFile } from './result-file.ts';
import { createResultServer } from './serve-result.ts';

/** Time after which some of the waiting images have been rendered. */
const RETRY_AFTER_SECONDS = 10;
const ALLOWED_METHODS = 'GET, HEAD, OPTIONS';

/** All assumed: the vendor's hosts of result files are not documented. */
const ERRORS: ErrorTable = {
  NOT_FOUND: { status: 404, error: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, error: `Method not allowed. Use ${ALLOWED_METHODS}.` },
  PRECONDITION_FAILED: {
    status: 412,
    errorCode: 'INVALID_INPUT',
    error: 'The file does not match If-Match or If-Unmodified-Since',
  },
  RANGE_NOT_SATISFIABLE: {
    status: 416,
    errorCode: 'INVALID_INPUT',
    error: 'The file has no bytes in the requested range',
  },
  SERVICE_UNAVAILABLE: { status: 503, error: 'Too many images are waiting to be rendered' },
  IMAGES_UNAVAILABLE: {
    status: 500,
    errorCode: 'INTERNAL_ERROR',
    error: 'Images cannot be rendered without the binary of sharp: run npm install --include=optional sharp',
  },
};

/** Pages of any origin may show and read the files. */
const CORS_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': '*',
  'cross-origin-resource-policy': 'cross-origin',
  'timing-allow-origin': '*',
  'x-content-type-options': 'nosniff',
};
const PREFLIGHT_HEADERS = {
  allow: ALLOWED_METHODS,
  'access-control-allow-methods': ALLOWED_METHODS,
  'access-control-allow-headers': '*, authorization',
  'access-control-max-age': '86400',
};

/** Folder, name and extension. No part of it becomes a path in the file system. */
const FILE_PATH = /^\/media\/([a-z0-9-]+(?:\/[a-z0-9-]+)?)\/([a-z0-9_]{1,64})\.(mp4|jpg)$/;

interface LocatedFile {
  family: string;
  file: ResultFile;
  task: Task;
  /** File name without the extension. */
  name: string;
}

/** Serves result files, without a key and without a rate limit, like the vendor's hosts of result files. */
export function registerResultRoutes(app: App, context: HttpContext, families: readonly Family[]): void {
  const { core, journal } = context;
  const isReadOnly = context.settings.opened !== undefined;
  const effects = createEffects(context);
  const resultServer = createResultServer(context);
  const files = indexFiles(families);

  /** Finds the task of a file, preferably one whose file is available. @throws NOT_FOUND when no task has it */
  function locate(path: string): LocatedFile {
    const [, folder, name, extension] = FILE_PATH.exec(path) ?? [];
    const known = files.get(`${folder}.${extension}`);
    if (!known || !name) throw new EmulatorError('NOT_FOUND', `${path} is not the path of a result file`);
    const { family, file } = known;
    const findTasks = () => core.tasks.findAcrossAccounts(family, file.namedBy, name);
    const applyDue = ({ status, accountId }: Task) =>
      status === 'processing' && core.timeline.applyIfDue(core.accounts.get(accountId));
    let tasks = findTasks();
    // `filter` instead of `some`, because the due transitions of every account have to be applied.
    if (tasks.filter(applyDue).length > 0) tasks = findTasks();
    const task = tasks.find(resultServer.isAvailable) ?? tasks[0];
    if (!task) throw new EmulatorError('NOT_FOUND', `no task of ${family} has the file ${name}`);
    return { family, file, task, name };
  }

  /** @throws NOT_FOUND when the file does not exist yet or has expired */
  function assertAvailable({ task }: LocatedFile): void {
    if (!resultServer.isAvailable(task)) throw new EmulatorError('NOT_FOUND', resultServer.getUnavailableReason(task));
  }

  /**
   * Applies the fault header and the rules at `media`. Returns the size to truncate the response to, if any.
   * @throws InjectedError or LostResponse when the file is not served
   */
  async function applyFaults({ family, task }: LocatedFile, request: FastifyRequest, reply: FastifyReply) {
    const { directive, warnings } = readDirectives(context, request);
    request.state.journalEntry?.setWarnings(warnings);
    if (Object.keys(directive).length > 0) {
      recordFault(context, request, `@emulator(${formatDirective(directive)})`);
      const errorCode = directive.errorCode ?? (directive.fail && 'INTERNAL_ERROR');
      await effects.apply({ ...directive, errorCode }, request, reply);
    }
    const fault = fireRule(context, request, 'media', {
      family,
      endpoint: getPathname(request),
      text: () => JSON.stringify(core.tasks.getInput(task.accountId, task.id)),
    });
    if (fault) await effects.apply(fault.effect, request, reply);
    return fault?.effect.truncateAfter ?? directive.truncateAfter;
  }

  const mayApplyFaults = (request: FastifyRequest) => !core.faults.isEmpty() || FAULT_HEADER in request.headers;

  async function serveFile(request: FastifyRequest, reply: FastifyReply) {
    let located = locate(getPathname(request));
    if (!isReadOnly) {
      request.state.account = core.accounts.get(located.task.accountId);
      request.state.journalEntry = journal.begin(request, request.state.account, located.task.id);
    }
    assertAvailable(located);
    let truncateAfter: number | undefined;
    if (!isReadOnly && mayApplyFaults(request)) {
      truncateAfter = await applyFaults(located, request, reply);
      // After a delay the task may be gone or belong to another account.
      located = locate(getPathname(request));
      assertAvailable(located);
    }
    const { file, task, name } = located;
    const body = await resultServer.serve(
      file,
      task,
      request,
      reply,
      toDispositionHeaders(request, `${name}.${file.extension}`),
    );
    if (!Buffer.isBuffer(body) || truncateAfter === undefined || truncateAfter >= body.length) return body;
    recordResponse(context, request, reply);
    return effects.sendTruncated(body, truncateAfter, reply);
  }

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(CORS_HEADERS);
    if (['GET', 'HEAD', 'OPTIONS'].includes(request.method)) return done();
    reply.header('allow', ALLOWED_METHODS);
    done(new EmulatorError('METHOD_NOT_ALLOWED', `${request.method} ${getPathname(request)} is not served`));
  });
  addSendHook(app, (request, reply, payload, done) => {
    if (reply.statusCode === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
    recordResponse(context, request, reply, payload);
    done(null, payload);
  });
  // Not called for a file that the client did not wait for, or that a fault truncated.
  app.addHook('onResponse', (request, _reply, done) => {
    request.state.journalEntry?.setDelivered();
    done();
  });
  const config = { errors: ERRORS };
  app.options(`${MEDIA_PREFIX}/*`, { config }, async (_request, reply) =>
    reply.code(204).headers(PREFLIGHT_HEADERS).send(),
  );
  app.route({
    // The hook above rejects all methods but the first two with 405; without a route they would get 404.
    method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    url: `${MEDIA_PREFIX}/*`,
    config,
    handler: serveFile,
  });
}

/** Indexes the files of all families by folder and extension. */
function indexFiles(families: readonly Family[]): Map<string, { family: string; file: ResultFile }> {
  const files = new Map<string, { family: string; file: ResultFile }>();
  for (const { name, files: familyFiles } of families) {
    for (const file of Object.values(familyFiles)) {
      const location = `${file.folder}.${file.extension}`;
      if (files.has(location)) throw new Error(`${name} and another family have files in ${location}`);
      files.set(location, { family: name, file });
    }
  }
  return files;
}

/** Returns the headers for `?download`, which saves the file, and `?download=name`, which saves it under that name. */
function toDispositionHeaders(request: FastifyRequest, name: string) {
  const { download } = request.query as { download?: string | string[] };
  const requestedName = Array.isArray(download) ? download[0] : download;
  if (requestedName === undefined) return {};
  // Split by code points; a lone surrogate cannot be encoded in the header.
  const base = Array.from(requestedName.slice(requestedName.lastIndexOf('/') + 1).trim(), (character) =>
    /\p{Surrogate}/u.test(character) ? '\uFFFD' : character,
  );
  const isName = base.some((character) => character !== '.');
  return { 'content-disposition': contentDisposition(isName ? base.slice(0, 200).join('') : name) };
}
