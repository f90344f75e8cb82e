import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { getPathname } from '../urls.ts';

/** Test keys are names, not secrets; of any other key only enough is shown to tell it from its neighbours. */
export function maskKey(key: string): string {
  return key.startsWith('np_test_') ? key : `${key.slice(0, 4)}…`;
}

const ACCOUNT_PATH = /^\/__admin\/accounts\/([^/]+)/;

/** Without the key that paths of the control plane have in them. */
function maskKeyInPath(path: string): string {
  const [prefix, key] = ACCOUNT_PATH.exec(path) ?? [];
  if (prefix === undefined || key === undefined) return path;
  return prefix.slice(0, -key.length) + maskKey(key) + path.slice(prefix.length);
}

/** One line a request, when it is answered, instead of Fastify's two. */
export class RequestLog extends LogController {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    super();
    this.#logger = logger;
  }

  override incomingRequest(): void {}

  override requestCompleted(_error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    // Health checks come every few seconds, and nobody wants to read them.
    const level = request.url === '/ready' || request.url === '/health' ? 'debug' : 'info';
    this.#logger[level](
      {
        method: request.method,
        path: maskKeyInPath(getPathname(request)),
        account: request.state.account ? maskKey(request.state.account.key) : null,
        status: reply.statusCode,
        errorCode: request.state.errorCode,
        ...(request.state.logReason !== null && { reason: request.state.logReason }),
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
  }
}

/** Fastify's own remarks (where it listens, and so on) are left to our lines; its warnings are not. */
export function createFastifyLogger(logger: Logger): Logger {
  return logger.child({}, { level: logger.isLevelEnabled('warn') ? 'warn' : logger.level });
}
