import { timingSafeEqual } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import { bearerKey } from '../http/auth.ts';
import type { WireSettings } from '../http/context.ts';
import { InvalidBody } from '../http/validation.ts';

/** Names by which a browser or a program on this machine calls it; any other may have been made to lead here. */
const LOCAL_NAME = /^(?:localhost|[\w-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i;
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

const STATUSES: Record<string, number> = {
  INVALID_INPUT: 400,
  BODY_NOT_JSON: 400,
  MALFORMED_REQUEST: 400,
  HOST_REQUIRED: 400,
  ADMIN_TOKEN_REQUIRED: 401,
  LOOPBACK_ONLY: 403,
  FOREIGN_PAGE: 403,
  PROXY_REFUSED: 403,
  NOT_FOUND: 404,
  ACCOUNT_NOT_FOUND: 404,
  TASK_NOT_FOUND: 404,
  SNAPSHOT_NOT_FOUND: 404,
  FAULT_NOT_FOUND: 404,
  FST_ERR_BAD_URL: 404,
  FST_ERR_MAX_PARAM_LENGTH: 404,
  WAIT_TIMEOUT: 408,
  ACCOUNT_EXISTS: 409,
  ACCOUNT_CHANGED: 409,
  BALANCE_TOO_LOW: 409,
  CLOCK_BACKWARDS: 409,
  CLOCK_TOO_FAR: 409,
  TASK_ENDED: 409,
  TOO_MANY_SNAPSHOTS: 409,
  TOO_MANY_FAULTS: 409,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 415,
  STOPPING: 503,
};

/** Codes that are not the control plane's own, as it tells them. */
const NAMES: Record<string, string> = {
  HOST_REQUIRED: 'MALFORMED_REQUEST',
  FST_ERR_BAD_URL: 'NOT_FOUND',
  FST_ERR_MAX_PARAM_LENGTH: 'NOT_FOUND',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'UNSUPPORTED_MEDIA_TYPE',
};

/** Where Fastify's own does not say what to do. */
const SENTENCES: Record<string, string> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Send the body as JSON, with "Content-Type: application/json".',
};

/** With a token set, only who sends it gets in; without one, only callers on this machine, unless told otherwise. */
export function createGuard({ adminToken, adminRemote }: WireSettings) {
  return async function guard(request: FastifyRequest): Promise<void> {
    const { host, origin } = request.headers;
    // A page in a browser on this machine can send requests here, though it was not asked to.
    if (origin !== undefined && !sameHost(origin, host)) {
      throw new EmulatorError('FOREIGN_PAGE', `Pages of ${origin} may not use the control plane.`);
    }
    if (adminToken !== undefined) {
      const sent = request.headers['x-admin-token'] ?? bearerKey(request.headers.authorization);
      if (typeof sent === 'string' && equal(sent, adminToken)) return;
      throw new EmulatorError(
        'ADMIN_TOKEN_REQUIRED',
        'Send the admin token as "Authorization: Bearer …" or "x-admin-token: …".',
      );
    }
    if (!adminRemote && !(LOOPBACK.test(request.ip) && (host === undefined || LOCAL_NAME.test(host)))) {
      throw new EmulatorError(
        'LOOPBACK_ONLY',
        'Without an admin token the control plane answers on this machine only, called by a local name: start it with --admin-token or --admin-remote on.',
      );
    }
  };
}

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
  request.reason = error.message;
  if (error instanceof InvalidBody) {
    const { detail } = error.first([]);
    request.errorCode = 'INVALID_INPUT';
    void reply.code(400).send({ error: sentence(detail), code: 'INVALID_INPUT' });
    return;
  }
  const code = (error as EmulatorError | FastifyError).code ?? '';
  const status = STATUSES[code];
  if (status === undefined) {
    request.log.error({ err: error }, 'control call failed');
    void reply.code(500).send({ error: 'The emulator failed; its log says why.', code: 'INTERNAL_ERROR' });
    return;
  }
  request.errorCode = NAMES[code] ?? code;
  void reply
    .code(status)
    .send({ error: SENTENCES[code] ?? sentence(error.message), code: request.errorCode });
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;
