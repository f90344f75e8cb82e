import type { IncomingMessage } from 'node:http';
import { isLoopbackHost } from '../core/loopback-hosts.ts';
import { toLocalPath } from '../http/urls.ts';
import { isVendorHost } from '../proxy/vendor-hosts.ts';

/** The absolute form of a request target, which clients send to a proxy (RFC 9112, section 3.2.2). */
const ABSOLUTE_FORM = /^(https?):\/\/([^/?#]*)(.*)$/i;
const NAME_AND_PORT = /^(.*?)(?::(\d{1,5}))?$/;

/** Returns the local path of a request and sets `Host` from an absolute target. For Fastify's `rewriteUrl`. */
export function normalizeRequestTarget(request: IncomingMessage): string {
  const url = request.url ?? '/';
  // The usual case.
  if (url.startsWith('/')) return toLocalPath(request.headers.host, url);
  const [, , authority, rest] = ABSOLUTE_FORM.exec(url) ?? [];
  if (authority === undefined) return toLocalPath(request.headers.host, url);
  request.headers.host = authority;
  return toLocalPath(authority, rest!.startsWith('/') ? rest! : `/${rest}`);
}

/**
 * Returns the host of an absolute request target that is neither the vendor's nor this server: the client uses the
 * emulator as a proxy for it. Undefined for all other requests.
 */
export function findForeignAuthority(originalUrl: string, localPort: number | undefined): string | undefined {
  // The usual case.
  if (originalUrl.startsWith('/')) return undefined;
  const [, , authority] = ABSOLUTE_FORM.exec(originalUrl) ?? [];
  if (authority === undefined) return undefined;
  const [, name = '', port = '80'] = NAME_AND_PORT.exec(authority) ?? [];
  const isOurs = isVendorHost(name) || (isLoopbackHost(name) && Number(port) === localPort);
  return isOurs ? undefined : authority;
}
