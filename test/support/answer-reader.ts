import { HTTPParser } from 'http-parser-js';

export interface RawAnswer {
  status: number;
  /** By their names in small letters; of those that come twice, all values with commas. */
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Reads the answers on one connection, as they are on the wire. `isHead` says, of each that begins, whether it answers a HEAD
 * and so has no body.
 */
export function createAnswerReader(tell: (answer: RawAnswer) => void, isHead: () => boolean) {
  const parser = new HTTPParser(HTTPParser.RESPONSE);
  let answer: RawAnswer | undefined;
  let pieces: Buffer[] = [];
  parser[HTTPParser.kOnHeadersComplete] = ((info: { statusCode: number; headers: string[] }) => {
    answer = { status: info.statusCode, headers: headersOf(info.headers), body: Buffer.alloc(0) };
    pieces = [];
    return info.statusCode >= 200 && isHead();
  }) as never;
  parser[HTTPParser.kOnBody] = (chunk, offset, length) => {
    pieces.push(Buffer.from(chunk.subarray(offset, offset + length)));
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const whole = answer!;
    answer = undefined;
    // 100 Continue is no answer yet.
    if (whole.status >= 200) tell({ ...whole, body: Buffer.concat(pieces) });
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
    begun: () => answer,
  };
}

function headersOf(list: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at]!.toLowerCase();
    headers[name] = name in headers ? `${headers[name]}, ${list[at + 1]}` : list[at + 1]!;
  }
  return headers;
}
