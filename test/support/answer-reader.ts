import { HTTPParser } from 'http-parser-js';

export interface RawResponse {
  status: number;
  /** By their names in small letters; of those that come twice, all values with commas. */
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Reads the answers on one connection, as they are on the wire. `isHead` says, of each that begins, whether it answers a HEAD
 * and so has no body.
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
    // 100 Continue is no answer yet.
    if (finished.status >= 200) onResponse({ ...finished, body: Buffer.concat(chunks) });
  };
  return {
    /** What is wrong with the bytes; undefined: nothing. */
    read(chunk: Buffer): string | undefined {
      const result = parser.execute(chunk);
      return result instanceof Error ? result.message || String(result) : undefined;
    },
    /** The connection has ended: what is wrong with that. */
    end(): string | undefined {
      const result: unknown = parser.finish();
      return result instanceof Error ? 'the connection ended inside an answer' : undefined;
    },
    /** The head of an answer that has begun and not ended. */
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
