import { Agent, type Dispatcher } from 'undici';
import type { AbortSignal } from '../../core/globals.ts';
import { VENDOR_HOST } from '../../proxy/vendor-hosts.ts';

export interface UpstreamRequest {
  /** One of the vendor's hosts. */
  host: string;
  /** With the query. */
  path: string;
  method: string;
  headers: NodeJS.Dict<string | string[]>;
  body: Buffer;
  signal: AbortSignal;
}

/** Headers that apply to one connection only (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];
/** The HTTP client sets these itself or must not send them: compressed responses cannot be recorded. */
const NOT_SENT = ['host', 'content-length', 'expect', 'accept-encoding', 'proxy-authorization', 'proxy-authenticate'];
/** `alt-svc` would lead clients past this proxy. */
const NOT_RETURNED = ['proxy-authenticate', 'alt-svc'];
const CONNECT_TIMEOUT_MS = 10_000;
/** Maximum pause in a response. */
const BODY_TIMEOUT_MS = 120_000;

/**
 * Sends requests to the real service: each of the vendor's hosts is reached at its own address over HTTPS, and its
 * certificate is verified. If `url` is an address of this machine, it receives the requests for all of these hosts.
 */
export function createUpstream(url: string) {
  const { protocol, host: ownHost, origin, hostname } = new URL(url);
  const agent = new Agent({
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED has no effect.
    connect: { rejectUnauthorized: true, timeout: CONNECT_TIMEOUT_MS },
    // The caller limits the time until the response begins.
    headersTimeout: 0,
    bodyTimeout: BODY_TIMEOUT_MS,
  });
  return {
    /** @throws Error when no response begins */
    send({ host, path, method, headers, body, signal }: UpstreamRequest): Promise<Dispatcher.ResponseData> {
      return agent.request({
        origin: hostname === VENDOR_HOST ? `https://${host}` : origin,
        path,
        method: method as Dispatcher.HttpMethod,
        headers: {
          ...omitHeaders(headers, NOT_SENT),
          // Over HTTP, result URLs must not lead to the vendor's host, as plain HTTP does not pass through the proxy.
          host: protocol === 'http:' && host === VENDOR_HOST ? ownHost : host,
          'accept-encoding': 'identity',
        },
        body: body.length > 0 ? body : null,
        signal,
      });
    },
    close: () => agent.destroy(),
  };
}

/** Returns the headers of a response that the client of the proxy gets. */
export const toClientHeaders = (headers: NodeJS.Dict<string | string[]>) => omitHeaders(headers, NOT_RETURNED);

/** Leaves out these headers and all that apply to one connection only. */
function omitHeaders(headers: NodeJS.Dict<string | string[]>, names: readonly string[]) {
  const listed = String(headers.connection ?? '').toLowerCase();
  const omitted = new Set([...HOP_BY_HOP, ...names, ...listed.split(',').map((name) => name.trim())]);
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || omitted.has(name) ? [] : [[name, value] as const],
    ),
  );
}

const NOT_CONNECTED_CODES = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'],
  ...['UND_ERR_INVALID_ARG', 'ERR_TLS_CERT_ALTNAME_INVALID', 'SELF_SIGNED_CERT_IN_CHAIN', 'CERT_HAS_EXPIRED'],
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
];
/** Whether an error means that the service has not received the request. */
export const isNotConnected = (error: unknown): boolean =>
  NOT_CONNECTED_CODES.includes((error as NodeJS.ErrnoException).code ?? '');
