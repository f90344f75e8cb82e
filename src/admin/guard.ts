import { timingSafeEqual } from 'node:crypto';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EmulatorError } from '../core/errors.ts';
import { bearerKey } from '../http/auth.ts';
import type { WireSettings } from '../http/context.ts';
import { InvalidBody } from '../http/validation.ts';

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

const STATUSES: Record<string, number> = {
  ADMIN_TOKEN_REQUIRED: 401,
  LOOPBACK_ONLY: 403,
  ACCOUNT_NOT_FOUND: 404,
};

/** With a token set, only who sends it gets in; without one, only callers on this machine, unless told otherwise. */
export function createGuard({ adminToken, adminRemote }: WireSettings) {
  return async function guard(request: FastifyRequest): Promise<void> {
    if (adminToken !== undefined) {
      const sent = request.headers['x-admin-token'] ?? bearerKey(request.headers.authorization);
      if (typeof sent === 'string' && equal(sent, adminToken)) return;
      throw new EmulatorError(
        'ADMIN_TOKEN_REQUIRED',
        'Send the admin token as "Authorization: Bearer …" or "x-admin-token: …".',
      );
    }
    if (!adminRemote && !LOOPBACK.test(request.ip)) {
      throw new EmulatorError(
        'LOOPBACK_ONLY',
        'Without an admin token the control plane answers on this machine only: set ADMIN_TOKEN or ADMIN_REMOTE=on.',
      );
    }
  };
}

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
    void reply.code(400).send({ error: `${detail}.`, code: 'INVALID_INPUT' });
    return;
  }
  const status = error instanceof EmulatorError ? STATUSES[error.code] : undefined;
  if (status === undefined) {
    request.log.error({ err: error }, 'control call failed');
    void reply.code(500).send({ error: 'The emulator failed; its log says why.', code: 'INTERNAL_ERROR' });
    return;
  }
  request.errorCode = (error as EmulatorError).code;
  void reply.code(status).send({ error: error.message, code: request.errorCode });
}
