import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface RelayedAnswer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

const OF_ONE_HOP = /^(host|connection|keep-alive|content-length|transfer-encoding)$/;
const endToEnd = (headers: Iterable<[string, string]>) =>
  Object.fromEntries([...headers].filter(([name]) => !OF_ONE_HOP.test(name)));

/** A server in front of an emulator, whose answers it can spoil; it may be led to another one meanwhile. */
export async function startRelay(target: string) {
  const relay = {
    url: '',
    target,
    spoil: (answer: RelayedAnswer) => answer,
    close: () => void server.close().closeAllConnections(),
  };
  const server = createServer(async (request, response) => {
    const headers = endToEnd(Object.entries(request.headers) as [string, string][]);
    const body = new Uint8Array(await buffer(request));
    const answer = await fetch(relay.target + request.url, { method: request.method!, headers, body });
    const told = { status: answer.status, headers: endToEnd(answer.headers), text: await answer.text() };
    const spoilt = relay.spoil(told);
    response.writeHead(spoilt.status, spoilt.headers).end(spoilt.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  relay.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return relay;
}
