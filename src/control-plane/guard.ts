import { timingSafeEqual } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import type { WireSettings } from '../http/context.ts';
import { bearerKey } from '../http/pipeline/auth.ts';
import { answerError } from '../http/pipeline/errors.ts';
import { shownKey } from '../http/pipeline/request-log.ts';
import { InvalidBody } from '../http/pipeline/validation.ts';
import { type Code, isCode, PROBLEMS } from './error-codes.ts';

/** Names by which a browser or a program on this machine calls it; any other may have been made to lead here. */
const LOCAL_NAME = /^(?:localhost|[\w-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;
/**
 * Names that a stranger cannot make to lead here, because no public server of names can give them: addresses, names without a dot
 * (of containers), and what ICANN has reserved for private use (`host.docker.internal`).
 */
const PRIVATE_NAME = /^(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]|[a-z0-9_-]+|(?:[a-z0-9_-]+\.)+internal)$/i;
const PORT = /:\d+$/;
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/** Codes that are not the control plane's own, as it tells them. */
const NAMES: Record<string, Code> = {
  HOST_REQUIRED: 'MALFORMED_REQUEST',
  SERVICE_UNAVAILABLE: 'TOO_MANY_IMAGES',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
};

/** Where Fastify's own does not say what to do. */
const SENTENCES: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: PROBLEMS.UNSUPPORTED_MEDIA_TYPE.example,
};

/** With a token set, only who sends it gets in; without one, only callers on this machine, unless told otherwise. */
export function createGuard({ adminToken, adminRemote, adminHosts = [] }: WireSettings) {
  const isOurs = (name: string) =>
    LOCAL_NAME.test(name) ||
    adminHosts.includes(name.toLowerCase()) ||
    (adminRemote && PRIVATE_NAME.test(name));

  return async function guard(request: FastifyRequest): Promise<void> {
    const { host, origin } = request.headers;
    // A page in a browser on this machine can send requests here, though it was not asked to.
    if (origin !== undefined && !sameHost(origin, host)) {
      throw new EmulatorError('FOREIGN_PAGE', `Pages of ${origin} may not use the control plane.`);
    }
    // Not all requests of pages have an origin: those for images, frames and links have none.
    const site = request.headers['sec-fetch-site'];
    if (site === 'cross-site' || site === 'same-site') {
      throw new EmulatorError('FOREIGN_PAGE', PROBLEMS.FOREIGN_PAGE.example);
    }
    // Whatever else a browser can be brought to send, a form or a link, it sends without headers of its own.
    const isOfBrowser = origin !== undefined || site !== undefined;
    if (isOfBrowser && !isRead(request.method) && request.headers[PAGE_HEADER] === undefined) {
      throw new EmulatorError(
        'FOREIGN_PAGE',
        `A page that calls the control plane has to send the header ${PAGE_HEADER} with all but GET: no form or link can.`,
      );
    }
    if (adminToken !== undefined) {
      const sent = request.headers['x-admin-token'] ?? bearerKey(request.headers.authorization);
      if (typeof sent === 'string' && equal(sent, adminToken)) return;
      throw new EmulatorError('ADMIN_TOKEN_REQUIRED', PROBLEMS.ADMIN_TOKEN_REQUIRED.example);
    }
    if (!adminRemote && !LOOPBACK.test(request.ip)) {
      throw new EmulatorError('LOOPBACK_ONLY', PROBLEMS.LOOPBACK_ONLY.example);
    }
    // A page whose name was made to lead here (DNS rebinding) is of the same origin to its browser: only the name tells.
    const name = host?.replace(PORT, '');
    if (name !== undefined && !isOurs(name)) {
      throw new EmulatorError(
        'FOREIGN_HOST',
        `Anybody can have made the name ${name} lead here: name it in --admin-hosts, or start with --admin-token.`,
      );
    }
  };
}

/** What the emulator's own pages say that they are. */
const PAGE_HEADER = 'x-emulator-console';

const isRead = (method: string) => method === 'GET' || method === 'HEAD';

const sameHost = (origin: string, host: string | undefined) =>
  URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();

function equal(sent: string, expected: string): boolean {
  const [one, other] = [Buffer.from(sent), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Control-plane errors have their own shape: a sentence and a code. */
export function answerAdminError(
  error: FastifyError | EmulatorError | InvalidBody | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  // What is asked of a proxy, whatever its path, is not asked of the control plane.
  if (error instanceof EmulatorError && error.code === 'PROXY_REFUSED') {
    answerError(error, request, reply);
    return;
  }
  request.reason = withoutKeys(error.message, request);
  if (error instanceof InvalidBody) {
    const { detail } = error.first([]);
    request.errorCode = 'INVALID_INPUT';
    void reply.code(400).send({ error: sentence(detail), code: 'INVALID_INPUT' });
    return;
  }
  const thrown = (error as EmulatorError | FastifyError).code ?? '';
  const code = NAMES[thrown] ?? thrown;
  if (!isCode(code) || code === 'INTERNAL_ERROR') {
    request.log.error({ err: error }, 'control call failed');
    request.errorCode = 'INTERNAL_ERROR';
    const { status, example } = PROBLEMS.INTERNAL_ERROR;
    void reply.code(status).send({ error: example, code: 'INTERNAL_ERROR' });
    return;
  }
  request.errorCode = code;
  void reply
    .code(PROBLEMS[code].status)
    .send({ error: SENTENCES[thrown] ?? sentence(error.message), code: request.errorCode });
}

/** For the log: sentences repeat the keys that a call names. */
function withoutKeys(text: string, { params, body }: FastifyRequest): string {
  const { key: own } = (params ?? {}) as { key?: unknown };
  const { key: made, to } = (body ?? {}) as { key?: unknown; to?: unknown };
  const keys = [own, made, to].filter((key) => typeof key === 'string' && key !== '') as string[];
  return keys.reduce((rest, key) => rest.replaceAll(key, () => shownKey(key)), text);
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;
