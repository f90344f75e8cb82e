import { timingSafeEqual } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import { isOutOfDescriptors } from '../core/file-descriptors.ts';
import { URL } from '../core/globals.ts';
import { endSentence } from '../core/sentence.ts';
import type { HttpSettings } from '../http/context.ts';
import { parseBearerKey } from '../http/pipeline/auth.ts';
import { sendError } from '../http/pipeline/errors.ts';
import { toLoggedRequestId } from '../http/pipeline/request-log.ts';
import { InvalidBody } from '../http/pipeline/validation.ts';
import { ADMIN_ERRORS, AdminError, type AdminErrorCode, isAdminErrorCode } from './error-codes.ts';

/** Host names that always resolve to this machine. Any other name may be the result of DNS rebinding. */
const LOOPBACK_HOSTNAME = /^(?:localhost|[\w-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;
/**
 * Host names that public DNS cannot resolve, and therefore cannot rebind: IP addresses, names without a dot (of
 * containers), and `.internal`, which ICANN reserves for private use (`host.docker.internal`).
 */
const PRIVATE_HOSTNAME = /^(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\]|[a-z0-9_-]+|(?:[a-z0-9_-]+\.)+internal)$/i;
const PORT_SUFFIX = /:\d+$/;
const LOOPBACK_ADDRESS = /^(127\.|::1$|::ffff:127\.)/;

/** Control-plane codes for errors thrown by Fastify and other layers. */
const CODE_ALIASES: Record<string, AdminErrorCode> = {
  HOST_REQUIRED: 'MALFORMED_REQUEST',
  // The rest of a body that does not arrive, and trailers.
  REQUEST_TIMEOUT: 'MALFORMED_REQUEST',
  HEADERS_TOO_LARGE: 'MALFORMED_REQUEST',
  SERVICE_UNAVAILABLE: 'TOO_MANY_IMAGES',
  UNSUPPORTED_CONTENT_CODING: 'UNSUPPORTED_MEDIA_TYPE',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
};

/** Replaces messages of Fastify that do not say what to send instead. */
const MESSAGE_OVERRIDES: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ADMIN_ERRORS.UNSUPPORTED_MEDIA_TYPE.example,
};

/**
 * Creates the hook that authorizes callers: with an admin token, those that send it; without one, those on this
 * machine, those that send `remoteToken`, or all if `adminRemote` is set. It also rejects foreign web pages and DNS
 * rebinding.
 */
export function createGuard({ adminToken, remoteToken, adminRemote, adminHosts = [] }: HttpSettings) {
  const isAllowedHost = (hostname: string) =>
    LOOPBACK_HOSTNAME.test(hostname) ||
    adminHosts.includes(hostname.toLowerCase()) ||
    (adminRemote && PRIVATE_HOSTNAME.test(hostname));

  return async function guard(request: FastifyRequest): Promise<void> {
    const { host, origin } = request.headers;
    // Any web page open in a browser on this machine can send requests here.
    if (origin !== undefined && !isSameHost(origin, host)) {
      throw new AdminError('FOREIGN_PAGE', `Web pages of ${origin} may not call the control plane.`);
    }
    // Browsers send no Origin header with GET requests for images, frames and links.
    const fetchSite = request.headers['sec-fetch-site'];
    if (fetchSite === 'cross-site' || fetchSite === 'same-site') {
      throw new AdminError('FOREIGN_PAGE', ADMIN_ERRORS.FOREIGN_PAGE.example);
    }
    // Forms and links, which a page can make the browser send, cannot set custom headers.
    const isFromBrowser = origin !== undefined || fetchSite !== undefined;
    if (isFromBrowser && !isReadMethod(request.method) && request.headers[CONSOLE_HEADER] === undefined) {
      throw new AdminError(
        'FOREIGN_PAGE',
        `Web pages must send the header ${CONSOLE_HEADER} with every request except GET (CSRF protection).`,
      );
    }
    const expectedToken = adminToken ?? remoteToken;
    if (expectedToken !== undefined) {
      const token = request.headers['x-admin-token'] ?? parseBearerKey(request.headers.authorization);
      if (typeof token === 'string' && isSameToken(token, expectedToken)) return;
    }
    if (adminToken !== undefined) throw new AdminError('ADMIN_TOKEN_REQUIRED');
    if (!adminRemote && !LOOPBACK_ADDRESS.test(request.ip)) {
      throw new AdminError(remoteToken === undefined ? 'LOOPBACK_ONLY' : 'ADMIN_TOKEN_REQUIRED');
    }
    // A page that uses DNS rebinding has our origin in its browser; only the host name reveals it.
    const hostname = host?.replace(PORT_SUFFIX, '');
    if (hostname !== undefined && !isAllowedHost(hostname)) throw new AdminError('FOREIGN_HOST', hostname);
  };
}

/** The response header of a read-only emulator: the percent-encoded path of the file or directory that it shows. */
const READ_ONLY_HEADER = 'x-emulator-read-only';

/** Creates the hook that marks all responses as read-only and rejects requests that would change something. */
export function createReadOnlyGuard(path: string) {
  const encodedPath = encodeURIComponent(path);
  return async function guardReadOnly(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    reply.header(READ_ONLY_HEADER, encodedPath);
    if (!isReadMethod(request.method)) throw new AdminError('READ_ONLY', path);
  };
}

/** Sent by the emulator's own pages. */
const CONSOLE_HEADER = 'x-emulator-console';

const isReadMethod = (method: string) => method === 'GET' || method === 'HEAD';

const isSameHost = (origin: string, host: string | undefined) =>
  URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();

function isSameToken(actual: string, expected: string): boolean {
  const [one, other] = [Buffer.from(actual), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Sends an error in the control plane's format: a message and a code. */
export function sendAdminError(
  thrown: FastifyError | EmulatorError | InvalidBody | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  request.state.isErrorHandled = true;
  const error = isOutOfDescriptors(thrown) ? new AdminError('TOO_MANY_OPEN_FILES') : thrown;
  // A request to the proxy gets the vendor's error format, even if its path starts with /__admin.
  if (error instanceof EmulatorError && error.code === 'PROXY_REFUSED') {
    sendError(error, request, reply);
    return;
  }
  request.state.logReason = error.message;
  if (error instanceof InvalidBody) {
    const { detail } = error.findPrimaryIssue([]);
    request.state.errorCode = 'INVALID_INPUT';
    void reply.code(400).send({ error: toSentence(detail), code: 'INVALID_INPUT' });
    return;
  }
  const thrownCode = (error as EmulatorError | FastifyError).code ?? '';
  const code = CODE_ALIASES[thrownCode] ?? thrownCode;
  if (!isAdminErrorCode(code) || code === 'INTERNAL_ERROR') {
    request.log.error({ err: error, requestId: toLoggedRequestId(request) }, 'control-plane operation failed');
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

const toSentence = (text: string) => endSentence(text.charAt(0).toUpperCase() + text.slice(1));
