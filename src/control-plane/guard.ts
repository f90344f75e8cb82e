import { timingSafeEqual } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import type { HttpSettings } from '../http/context.ts';
import { parseBearerKey } from '../http/pipeline/auth.ts';
import { sendError } from '../http/pipeline/errors.ts';
import { maskKey } from '../http/pipeline/request-log.ts';
import { InvalidBody } from '../http/pipeline/validation.ts';
import { ADMIN_ERRORS, type AdminErrorCode, isAdminErrorCode } from './error-codes.ts';

/** Names by which a browser or a program on this machine calls it; any other may have been made to lead here. */
const LOOPBACK_HOSTNAME = /^(?:localhost|[\w-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;
/**
 * Names that a stranger cannot make to lead here, because no public server of names can give them: addresses, names without a dot
 * (of containers), and what ICANN has reserved for private use (`host.docker.internal`).
 */
const PRIVATE_HOSTNAME = /^(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]|[a-z0-9_-]+|(?:[a-z0-9_-]+\.)+internal)$/i;
const PORT_SUFFIX = /:\d+$/;
const LOOPBACK_ADDRESS = /^(127\.|::1$|::ffff:127\.)/;

/** Codes that are not the control plane's own, as it tells them. */
const CODE_ALIASES: Record<string, AdminErrorCode> = {
  HOST_REQUIRED: 'MALFORMED_REQUEST',
  SERVICE_UNAVAILABLE: 'TOO_MANY_IMAGES',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
};

/** Where Fastify's own does not say what to do. */
const MESSAGE_OVERRIDES: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ADMIN_ERRORS.UNSUPPORTED_MEDIA_TYPE.example,
};

/** With a token set, only who sends it gets in; without one, only callers on this machine, unless told otherwise. */
export function createGuard({ adminToken, adminRemote, adminHosts = [] }: HttpSettings) {
  const isAllowedHost = (hostname: string) =>
    LOOPBACK_HOSTNAME.test(hostname) ||
    adminHosts.includes(hostname.toLowerCase()) ||
    (adminRemote && PRIVATE_HOSTNAME.test(hostname));

  return async function guard(request: FastifyRequest): Promise<void> {
    const { host, origin } = request.headers;
    // A page in a browser on this machine can send requests here, though it was not asked to.
    if (origin !== undefined && !isSameHost(origin, host)) {
      throw new EmulatorError('FOREIGN_PAGE', `Pages of ${origin} may not use the control plane.`);
    }
    // Not all requests of pages have an origin: those for images, frames and links have none.
    const fetchSite = request.headers['sec-fetch-site'];
    if (fetchSite === 'cross-site' || fetchSite === 'same-site') {
      throw new EmulatorError('FOREIGN_PAGE', ADMIN_ERRORS.FOREIGN_PAGE.example);
    }
    // Whatever else a browser can be brought to send, a form or a link, it sends without headers of its own.
    const isFromBrowser = origin !== undefined || fetchSite !== undefined;
    if (isFromBrowser && !isReadMethod(request.method) && request.headers[CONSOLE_HEADER] === undefined) {
      throw new EmulatorError(
        'FOREIGN_PAGE',
        `A page that calls the control plane has to send the header ${CONSOLE_HEADER} with all but GET: no form or link can.`,
      );
    }
    if (adminToken !== undefined) {
      const token = request.headers['x-admin-token'] ?? parseBearerKey(request.headers.authorization);
      if (typeof token === 'string' && isSameToken(token, adminToken)) return;
      throw new EmulatorError('ADMIN_TOKEN_REQUIRED', ADMIN_ERRORS.ADMIN_TOKEN_REQUIRED.example);
    }
    if (!adminRemote && !LOOPBACK_ADDRESS.test(request.ip)) {
      throw new EmulatorError('LOOPBACK_ONLY', ADMIN_ERRORS.LOOPBACK_ONLY.example);
    }
    // A page whose name was made to lead here (DNS rebinding) is of the same origin to its browser: only the name tells.
    const hostname = host?.replace(PORT_SUFFIX, '');
    if (hostname !== undefined && !isAllowedHost(hostname)) {
      throw new EmulatorError(
        'FOREIGN_HOST',
        `Anybody can have made the name ${hostname} lead here: name it in --admin-hosts, or start with --admin-token.`,
      );
    }
  };
}

/** What the emulator's own pages say that they are. */
const CONSOLE_HEADER = 'x-emulator-console';

const isReadMethod = (method: string) => method === 'GET' || method === 'HEAD';

const isSameHost = (origin: string, host: string | undefined) =>
  URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();

function isSameToken(actual: string, expected: string): boolean {
  const [one, other] = [Buffer.from(actual), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Control-plane errors have their own shape: a sentence and a code. */
export function sendAdminError(
  error: FastifyError | EmulatorError | InvalidBody | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  // What is asked of a proxy, whatever its path, is not asked of the control plane.
  if (error instanceof EmulatorError && error.code === 'PROXY_REFUSED') {
    sendError(error, request, reply);
    return;
  }
  request.state.logReason = redactKeys(error.message, request);
  if (error instanceof InvalidBody) {
    const { detail } = error.findPrimaryIssue([]);
    request.state.errorCode = 'INVALID_INPUT';
    void reply.code(400).send({ error: toSentence(detail), code: 'INVALID_INPUT' });
    return;
  }
  const thrownCode = (error as EmulatorError | FastifyError).code ?? '';
  const code = CODE_ALIASES[thrownCode] ?? thrownCode;
  if (!isAdminErrorCode(code) || code === 'INTERNAL_ERROR') {
    request.log.error({ err: error }, 'control call failed');
    request.state.errorCode = 'INTERNAL_ERROR';
    const { status, example } = ADMIN_ERRORS.INTERNAL_ERROR;
    void reply.code(status).send({ error: example, code: 'INTERNAL_ERROR' });
    return;
  }
  request.state.errorCode = code;
  void reply
    .code(ADMIN_ERRORS[code].status)
    .send({ error: MESSAGE_OVERRIDES[thrownCode] ?? toSentence(error.message), code: request.state.errorCode });
}

/** For the log: sentences repeat the keys that a call names. */
function redactKeys(text: string, { params, body }: FastifyRequest): string {
  const { key: pathKey } = (params ?? {}) as { key?: unknown };
  const { key: bodyKey, to } = (body ?? {}) as { key?: unknown; to?: unknown };
  const keys = [pathKey, bodyKey, to].filter((key) => typeof key === 'string' && key !== '') as string[];
  return keys.reduce((rest, key) => rest.replaceAll(key, () => maskKey(key)), text);
}

const toSentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;
