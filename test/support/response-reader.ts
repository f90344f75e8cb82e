import { HTTPParser } from 'http-parser-js';

export interface RawResponse {
  status: number;
  /** By lowercase name; repeated headers are joined with commas. */
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Parses the raw responses on one connection. `isHead` is called at the start of each response and returns whether the
 * request was a HEAD, so that the response has no body.
 */
export function createResponseReader(onResponse: (response: RawResponse) => void, isHead: () => boolean) {
  const parser = new HTTPParser(HTTPParser.RESPONSE);
  let response: RawResponse | undefined;
  let chunks: Buffer[] = [];
  parser[HTTPParser.kOnHeadersComplete] = ((info: { statusCode: number; headers: string[] }) => {
    response = { status: info.statusCode, headers: joinHeaders(info.headers), body: Buffer.alloc(0) };
    chunks = [];
    return info.statusCode >= 200 && isHead();
  }) as never;
  parser[HTTPParser.kOnBody] = (chunk, offset, length) => {
    chunks.push(Buffer.from(chunk.subarray(offset, offset + length)));
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const finished = response!;
    response = undefined;
    // Ignores 100 Continue.
    if (finished.status >= 200) onResponse({ ...finished, body: Buffer.concat(chunks) });
  };
  return {
    /** Returns a description of the protocol error, or undefined. */
    read(chunk: Buffer): string | undefined {
      const result = parser.execute(chunk);
      return result instanceof Error ? result.message || String(result) : undefined;
    },
    /** Call when the connection has ended. Returns a description of the protocol error, or undefined. */
    end(): string | undefined {
      const result: unknown = parser.finish();
      return result instanceof Error ? 'the connection ended within a response' : undefined;
    },
    /** The incomplete response, if its head has arrived. */
    pendingResponse: () => response,
  };
}

function joinHeaders(list: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index]!.toLowerCase();
    headers[name] = name in headers ? `${headers[name]}, ${list[index + 1]}` : list[index + 1]!;
  }
  return headers;
}
