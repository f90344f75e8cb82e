import { Pool } from 'undici';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
export type Json = any;

const TIMEOUT_MS = 20_000;

export interface Reply {
  status: number;
  bytes: number;
  /** Undefined where it is none. */
  json: Json;
}

export type Client = ReturnType<typeof createClient>;

/** A client of one server, with connections enough for all that may be under way. */
export function createClient(url: string, connections: number) {
  const pool = new Pool(url, { connections, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  return {
    async ask(
      method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
      path: string,
      { key, body, range }: { key?: string; body?: object | string; range?: string } = {},
    ): Promise<Reply> {
      const reply = await pool.request({
        method,
        path,
        headers: {
          ...(key && { authorization: `Bearer ${key}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(range && { range }),
        },
        body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
      });
      const isJson = String(reply.headers['content-type']).startsWith('application/json');
      if (isJson) {
        const text = await reply.body.text();
        return { status: reply.statusCode, bytes: text.length, json: text ? JSON.parse(text) : undefined };
      }
      let bytes = 0;
      for await (const piece of reply.body) bytes += piece.length;
      return { status: reply.statusCode, bytes, json: undefined };
    },
    /** Listens to what happens until it is told to stop; `read`: whether it takes what it is told. */
    listen(read: boolean): () => void {
      const leave = new AbortController();
      const listening = async () => {
        const { body } = await pool.request({
          method: 'GET',
          path: '/__admin/events',
          signal: leave.signal,
          bodyTimeout: 0,
        });
        // One that does not read is cut off.
        if (read) for await (const _ of body);
        else body.on('error', () => {});
      };
      listening().catch(() => {});
      return () => leave.abort();
    },
    close: () => pool.destroy(),
  };
}
