import type { IncomingMessage } from 'node:http';
import { toLocalPath } from '../http/urls.ts';
import { isVendorHost } from '../proxy/vendor-hosts.ts';

/** What a client sends to a proxy: the whole address (RFC 9112, section 3.2.2). */
const ABSOLUTE_FORM = /^(https?):\/\/([^/?#]*)(.*)$/i;
const NAME_AND_PORT = /^(.*?)(?::(\d{1,5}))?$/;
const LOOPBACK_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/i;

/** For Fastify's `rewriteUrl`: the path that is to be served, with `Host` as the address says it. */
export function normalizeRequestTarget(request: IncomingMessage): string {
  const url = request.url ?? '/';
  // Nearly all.
  if (url.startsWith('/')) return toLocalPath(request.headers.host, url);
  const [, , authority, rest] = ABSOLUTE_FORM.exec(url) ?? [];
  if (authority === undefined) return toLocalPath(request.headers.host, url);
  request.headers.host = authority;
  return toLocalPath(authority, rest!.startsWith('/') ? rest! : `/${rest}`);
}

/** The host that is no business of ours and that a client took us for a proxy to; undefined when there is none. */
export function findForeignAuthority(originalUrl: string, localPort: number | undefined): string | undefined {
  // Nearly all.
  if (originalUrl.startsWith('/')) return undefined;
  const [, , authority] = ABSOLUTE_FORM.exec(originalUrl) ?? [];
  if (authority === undefined) return undefined;
  const [, name = '', port = '80'] = NAME_AND_PORT.exec(authority) ?? [];
  const isOurs = isVendorHost(name) || (LOOPBACK_HOST.test(name) && Number(port) === localPort);
  return isOurs ? undefined : authority;
}
