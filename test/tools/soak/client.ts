import { Pool } from 'undici';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
export type Json = any;

const TIMEOUT_MS = 20_000;

export interface ClientResponse {
  status: number;
  bytes: number;
  /** The parsed body; undefined if the response is not JSON. */
  json: Json;
}

export type Client = ReturnType<typeof createClient>;

/** A client of one server. `connections` should cover all requests that may be in flight. */
export function createClient(url: string, connections: number) {
  const pool = new Pool(url, { connections, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  return {
    async request(
      method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
      path: string,
      { key, body, range }: { key?: string; body?: object | string; range?: string } = {},
    ): Promise<ClientResponse> {
      const response = await pool.request({
        method,
        path,
        headers: {
          ...(key && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(range && { range }),
        },
        body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      });
      const isJson = String(response.headers['content-type']).startsWith('application/json');
      if (isJson) {
        const text = await response.body.text();
        return { status: response.statusCode, bytes: text.length, json: text ? JSON.parse(text) : undefined };
      }
      let bytes = 0;
      for await (const chunk of response.body) bytes += chunk.length;
      return { status: response.statusCode, bytes, json: undefined };
    },
    /**
     * Subscribes to the event stream. Returns a function that unsubscribes. `reads`: whether the client reads the
     * events.
     */
    listen(reads: boolean): () => void {
      const controller = new AbortController();
      const consume = async () => {
        const { body } = await pool.request({
          method: 'GET',
          path: '/__admin/events',
          signal: controller.signal,
          bodyTimeout: 0,
        });
        // The server disconnects a listener that does not read.
        if (reads) for await (const _ of body);
        else body.on('error', () => {});
      };
      consume().catch(() => {});
      return () => controller.abort();
    },
    close: () => pool.destroy(),
  };
}
