import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface RelayedResponse {
  status: number;
  headers: Record<string, string>;
  text: string;
}

const HOP_BY_HOP_HEADERS = /^(host|connection|keep-alive|content-length|transfer-encoding)$/;
const pickEndToEnd = (headers: Iterable<[string, string]>) =>
  Object.fromEntries([...headers].filter(([name]) => !HOP_BY_HOP_HEADERS.test(name)));

/** A reverse proxy for an emulator that can transform its responses. Its `target` can be changed while it runs. */
export async function startRelay(target: string) {
  const relay = {
    url: '',
    target,
    transform: (response: RelayedResponse) => response,
    close: () => void server.close().closeAllConnections(),
  };
  const server = createServer(async (request, response) => {
    const headers = pickEndToEnd(Object.entries(request.headers) as [string, string][]);
    const body = new Uint8Array(await buffer(request));
    const upstream = await fetch(relay.target + request.url, { method: request.method!, headers, body });
    const relayed = {
      status: upstream.status,
      headers: pickEndToEnd(upstream.headers),
      text: await upstream.text(),
    };
    const transformed = relay.transform(relayed);
    response.writeHead(transformed.status, transformed.headers).end(transformed.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  relay.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return relay;
}
