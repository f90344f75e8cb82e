import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Json } from '../../src/openapi/json-schema.ts';

/** A JSON request on its way to the emulator. Mutations change `body` in place or replace it. */
export interface ProxiedRequest {
  path: string;
  body: Json;
}

/** A JSON response on its way to the client. Mutations change its fields in place or replace them. */
export interface ProxiedResponse {
  status: number;
  body: Json;
}

/** Sends a request to the emulator with the headers of the request in progress; nothing is mutated. */
export type SendUpstream = (request: ProxiedRequest) => Promise<ProxiedResponse>;

export interface ProxyHooks {
  onRequest?(request: ProxiedRequest): void;
  onResponse?(response: ProxiedResponse, request: ProxiedRequest, sendUpstream: SendUpstream): void | Promise<void>;
}

/** Headers that belong to one connection; fetch sets its own. */
const HOP_BY_HOP_HEADERS = ['connection', 'content-length', 'host', 'keep-alive', 'transfer-encoding'];

/**
 * Starts a proxy in front of an emulator that passes every request and response through the hooks, for the running
 * test. Bodies that are not JSON pass unchanged. URLs of result files lead to the emulator itself.
 */
export async function startMutatingProxy(upstreamUrl: string, hooks: readonly ProxyHooks[]): Promise<string> {
  async function forward(incoming: IncomingMessage, headers: [string, string][], body: Buffer) {
    const { method = 'POST', url: path = '' } = incoming;
    const send = (payload: Buffer | string) => {
      const hasBody = method !== 'GET' && method !== 'HEAD';
      return fetch(upstreamUrl + path, { method, headers, redirect: 'manual', ...(hasBody && { body: payload }) });
    };
    const requestBody = parseJson(body.toString());
    if (requestBody === undefined && body.length > 0) return toResult(await send(body));

    const request: ProxiedRequest = { path, body: requestBody };
    for (const { onRequest } of hooks) onRequest?.(request);
    const result = toResult(await send(request.body === undefined ? '' : JSON.stringify(request.body)));
    const { status, ...rest } = await result;
    const responseBody = parseJson(rest.body.toString());
    if (responseBody === undefined) return { status, ...rest };

    const response: ProxiedResponse = { status, body: responseBody };
    const sendUpstream: SendUpstream = async (other) => {
      const answer = await fetch(upstreamUrl + other.path, { method, headers, body: JSON.stringify(other.body) });
      return { status: answer.status, body: await answer.json() };
    };
    for (const { onResponse } of hooks) await onResponse?.(response, request, sendUpstream);
    return { status: response.status, headers: rest.headers, body: Buffer.from(JSON.stringify(response.body)) };
  }

  // No idle connection ends: on a busy machine, it could end while the next request is being sent.
  const server = createServer({ keepAliveTimeout: 0 }, async (incoming, outgoing) => {
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk);
      const { status, headers, body } = await forward(
        incoming,
        passedOn(Object.entries(incoming.headers)),
        Buffer.concat(chunks),
      );
      // With the headers sent before the body, Node adds no length: the emulator's streams have none.
      outgoing.writeHead(status, Object.fromEntries(headers)).end(body);
    } catch {
      // The emulator broke off, so the client must see a broken connection too.
      outgoing.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function toResult(response: Response) {
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: passedOn([...response.headers]), body };
}

const passedOn = (headers: [string, string | string[] | undefined][]) =>
  headers
    .filter(([name]) => !HOP_BY_HOP_HEADERS.includes(name))
    .map(([name, value]): [string, string] => [name, String(value)]);

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
