import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { getPathname } from '../urls.ts';

/** Shortens a key to a recognizable prefix for the log. Test keys are not secret and are logged in full. */
export function maskKey(key: string): string {
  return key.startsWith('np_test_') ? key : `${key.slice(0, 4)}…`;
}

const ACCOUNT_PATH = /^\/__admin\/accounts\/([^/]+)/;

/** Masks the key in paths of the control plane. */
function maskKeyInPath(path: string): string {
  const [prefix, key] = ACCOUNT_PATH.exec(path) ?? [];
  if (prefix === undefined || key === undefined) return path;
  return prefix.slice(0, -key.length) + maskKey(key) + path.slice(prefix.length);
}

/** Logs one line per request, when the response has been sent, instead of Fastify's two. */
export class RequestLog extends LogController {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    super();
    this.#logger = logger;
  }

  override incomingRequest(): void {}

  override requestCompleted(_error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    // Health checks arrive every few seconds and would flood the log.
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

/** Creates the logger for Fastify. It drops info lines, such as the address, because the emulator logs its own. */
export function createFastifyLogger(logger: Logger): Logger {
  return logger.child({}, { level: logger.isLevelEnabled('warn') ? 'warn' : logger.level });
}
