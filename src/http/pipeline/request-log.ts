import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import { createRedactor, getMaxEncodedLength, isSecretKey, maskKey, maskKeys } from '../redaction.ts';
import { getPathname } from '../urls.ts';
import { parseBearerKey } from './auth.ts';

/** Maximum length of the reason for an error. */
const MAX_REASON_LENGTH = 1000;
/** Maximum number of segments of a path that are compared with the keys of accounts. */
const MAX_SEGMENTS = 20;

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
  readonly #isKey: (text: string) => boolean;

  /** @param isKey Whether an account has this key */
  constructor(logger: Logger, isKey: (text: string) => boolean) {
    super();
    this.#logger = logger;
    this.#isKey = isKey;
  }

  override incomingRequest(): void {}

  override requestCompleted(_error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    // Health checks arrive every few seconds and would flood the log.
    const level = request.url === '/ready' || request.url === '/health' ? 'debug' : 'info';
    const { path, reason, requestId } = this.#redact(request);
    this.#logger[level](
      {
        method: request.method,
        path,
        account: request.state.account ? maskKey(request.state.account.key) : null,
        status: reply.statusCode,
        errorCode: request.state.errorCode,
        ...(reason !== null && { reason }),
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
        requestId,
      },
      'request',
    );
  }

  /**
   * Whether a text is a key. Also true if the database cannot be read: the response has been sent, so that an error would
   * come too late.
   */
  #mayBeKey(text: string): boolean {
    try {
      return this.#isKey(text);
    } catch {
      return true;
    }
  }

  /** Returns the path, the reason for an error and the id, with all keys masked that the request contains. */
  #redact(request: FastifyRequest): { path: string; reason: string | null; requestId: string } {
    const { logReason } = request.state;
    const pathname = getPathname(request);
    // The path of a route without parameters contains nothing that the client chose.
    const isFixedPath = request.routeOptions?.url === pathname;
    const isFromClient = request.id === request.headers['x-request-id'];
    if (isFixedPath && logReason === null && !isFromClient)
      return { path: pathname, reason: null, requestId: request.id };
    const path = isFixedPath ? pathname : maskKeyInPath(pathname);
    const segments = isFixedPath ? [] : path.split('/', MAX_SEGMENTS).map(decodeSegment).filter(isSecretKey);
    const keys = [...findKeys(request).filter(isSecretKey), ...segments.filter((segment) => this.#mayBeKey(segment))];
    const redact = createRedactor(keys, maskKey);
    // Keys are redacted before the reason is cut: a part of a key would not be recognized.
    const maxLength = MAX_REASON_LENGTH + Math.max(0, ...keys.map(getMaxEncodedLength));
    const reason = logReason && redact(logReason.slice(0, maxLength)).slice(0, MAX_REASON_LENGTH);
    return { path: redact(path), reason, requestId: redact(request.id) };
  }
}

/** Returns the id of a request for a log line, with the keys masked that the request contains. */
export const toLoggedRequestId = (request: FastifyRequest): string => maskKeys(request.id, findKeys(request));

/** Returns the API keys that a request contains in the places for them. */
function findKeys({ state, headers, params, body }: FastifyRequest): string[] {
  const { key: pathKey } = (params ?? {}) as { key?: unknown };
  const { key: bodyKey, to } = (body ?? {}) as { key?: unknown; to?: unknown };
  const keys = [state.account?.key, parseBearerKey(headers.authorization), pathKey, bodyKey, to];
  return keys.filter((key) => typeof key === 'string');
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Creates the logger for Fastify. It drops info lines, such as the address, because the emulator logs its own. */
export function createFastifyLogger(logger: Logger): Logger {
  return logger.child({}, { level: logger.isLevelEnabled('warn') ? 'warn' : logger.level });
}
