import contentDisposition from 'content-disposition';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../../core/errors.ts';
import type { Task } from '../../core/tasks/task.ts';
import type { App, Emulator } from '../context.ts';
import type { Family } from '../family.ts';
import { createEffects } from '../faults/effects.ts';
import { note, readDirectives, shownDirective, strike } from '../faults/hooks.ts';
import { pathOf } from '../path.ts';
import { tellAnswer } from '../pipeline/api-hooks.ts';
import type { Problems } from '../pipeline/errors.ts';
import { MEDIA } from '../urls.ts';
import type { ResultFile } from './result-file.ts';
import { createResultAnswer } from './serve-result.ts';

/** By then some of the images that others wait for are drawn. */
const RETRY_AFTER_SECONDS = 10;
const METHODS = 'GET, HEAD, OPTIONS';

/** All ours: the vendor's static hosts are documented nowhere. */
const PROBLEMS: Problems = {
  NOT_FOUND: { status: 404, error: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, error: `Method not allowed. Use ${METHODS}.` },
  PRECONDITION_FAILED: {
    status: 412,
    errorCode: 'INVALID_INPUT',
    error: 'The file is not the one that If-Match or If-Unmodified-Since asks for',
  },
  RANGE_NOT_SATISFIABLE: {
    status: 416,
    errorCode: 'INVALID_INPUT',
    error: 'The file has no bytes in the range that is asked for',
  },
  SERVICE_UNAVAILABLE: { status: 503, error: 'Too many images are waiting to be drawn' },
};

/** Any page may show the files and look at them. */
const OPEN_TO_ALL = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': '*',
  'cross-origin-resource-policy': 'cross-origin',
  'timing-allow-origin': '*',
  'x-content-type-options': 'nosniff',
};
const PREFLIGHT = {
  allow: METHODS,
  'access-control-allow-methods': METHODS,
  'access-control-allow-headers': '*, authorization',
  'access-control-max-age': '86400',
};

/** A folder, a name, an extension: nothing else is looked for, and no part of it ever becomes the path of a file. */
const PATH = /^\/media\/([a-z0-9-]+(?:\/[a-z0-9-]+)?)\/([a-z0-9_]{1,64})\.(mp4|jpg)$/;

interface Found {
  family: string;
  file: ResultFile;
  task: Task;
  /** Of the file, without its extension. */
  name: string;
}

/** The files behind result URLs. No key is needed, as on the vendor's static hosts, and nothing is counted. */
export function registerMedia(app: App, emulator: Emulator, families: readonly Family[]): void {
  const { core, journal } = emulator;
  const effects = createEffects(emulator);
  const result = createResultAnswer(emulator);
  const files = filesOf(families);

  /** The task whose file a path names, the first of several that has it. @throws EmulatorError NOT_FOUND */
  function locate(path: string): Found {
    const [, folder, name, extension] = PATH.exec(path) ?? [];
    const known = files.get(`${folder}.${extension}`);
    if (!known || !name) throw new EmulatorError('NOT_FOUND', `${path} is the name of no file`);
    const { family, file } = known;
    const named = () => core.tasks.everywhere(family, file.namedBy, name);
    const isBehind = ({ status, accountId }: Task) =>
      status === 'processing' && core.timeline.settleIfDue(core.accounts.get(accountId));
    let tasks = named();
    // Every one of them is to be brought up to date, so no look-up that ends with the first.
    if (tasks.filter(isBehind).length > 0) tasks = named();
    const task = tasks.find(result.isThere) ?? tasks[0];
    if (!task) throw new EmulatorError('NOT_FOUND', `there is no file ${name} of ${family}`);
    return { family, file, task, name };
  }

  /** @throws EmulatorError NOT_FOUND */
  function checkThere({ task }: Found): void {
    if (!result.isThere(task)) throw new EmulatorError('NOT_FOUND', result.whyNot(task));
  }

  /** What the header and the rules of the task's account ask for. @throws AskedFor; never returns where the answer is lost */
  async function befall({ family, task }: Found, request: FastifyRequest, reply: FastifyReply) {
    const { directive, warnings } = readDirectives(request);
    if (warnings.length > 0 && request.entry) request.entry.warnings = warnings;
    if (Object.keys(directive).length > 0) {
      note(emulator, request, `@emulator(${shownDirective(directive)})`);
      const errorCode = directive.errorCode ?? (directive.fail && 'INTERNAL_ERROR');
      await effects.befall({ ...directive, errorCode }, request, reply);
    }
    const fault = strike(emulator, request, 'media', {
      family,
      endpoint: pathOf(request),
      text: () => JSON.stringify(core.tasks.inputOf(task.accountId, task.id)),
    });
    if (fault) await effects.befall(fault.effect, request, reply);
    return fault?.effect.truncateAfter ?? directive.truncateAfter;
  }

  const isConcerned = (request: FastifyRequest) =>
    !core.faults.isQuiet() || 'x-emulator-fault' in request.headers;

  async function answer(request: FastifyRequest, reply: FastifyReply) {
    let found = locate(pathOf(request));
    request.account = core.accounts.get(found.task.accountId);
    request.entry = journal.begin(request, request.account, found.task.id);
    checkThere(found);
    let truncateAfter: number | undefined;
    if (isConcerned(request)) {
      truncateAfter = await befall(found, request, reply);
      // That can take long: the task may be gone, or be another account's.
      found = locate(pathOf(request));
      checkThere(found);
    }
    const { file, task, name } = found;
    const body = await result.answer(
      file,
      task,
      request,
      reply,
      dispositionOf(request, `${name}.${file.extension}`),
    );
    if (!Buffer.isBuffer(body) || truncateAfter === undefined || truncateAfter >= body.length) return body;
    tellAnswer(emulator, request, reply);
    return effects.truncated(body, truncateAfter, reply);
  }

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(OPEN_TO_ALL);
    if (['GET', 'HEAD', 'OPTIONS'].includes(request.method)) return done();
    reply.header('allow', METHODS);
    done(new EmulatorError('METHOD_NOT_ALLOWED', `${request.method} ${pathOf(request)} is not served`));
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.statusCode === 503) reply.header('retry-after', RETRY_AFTER_SECONDS);
    tellAnswer(emulator, request, reply, payload);
    done(null, payload);
  });
  const config = { problems: PROBLEMS };
  app.options(`${MEDIA}/*`, { config }, async (_request, reply) => reply.code(204).headers(PREFLIGHT).send());
  app.route({
    // All but the first two are refused by the hook: a path that is served is no unknown one.
    method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    url: `${MEDIA}/*`,
    exposeHeadRoute: false,
    config,
    handler: answer as never,
  });
}

/** By folder and extension, which are of one family alone. */
function filesOf(families: readonly Family[]): Map<string, { family: string; file: ResultFile }> {
  const files = new Map<string, { family: string; file: ResultFile }>();
  for (const { name, files: own } of families) {
    for (const file of Object.values(own)) {
      const place = `${file.folder}.${file.extension}`;
      if (files.has(place)) throw new Error(`${name} has its files where others are: ${place}`);
      files.set(place, { family: name, file });
    }
  }
  return files;
}

/** `?download` asks for a file to be saved, `?download=name` under that name. */
function dispositionOf(request: FastifyRequest, name: string) {
  const { download } = request.query as { download?: string | string[] };
  const asked = Array.isArray(download) ? download[0] : download;
  if (asked === undefined) return {};
  // By characters: half of one has no name.
  const base = Array.from(asked.slice(asked.lastIndexOf('/') + 1).trim(), (character) =>
    /\p{Surrogate}/u.test(character) ? '\uFFFD' : character,
  );
  const isName = base.some((character) => character !== '.');
  return { 'content-disposition': contentDisposition(isName ? base.slice(0, 200).join('') : name) };
}
