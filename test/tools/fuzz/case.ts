/** How the bytes of a case are sent, and what happens to the connection. */
export type Delivery =
  /** On a keep-alive connection. */
  | { how: 'kept' }
  /** Split into packets at these offsets. */
  | { how: 'pieces'; at: number[] }
  /**
   * All bytes, then a half-close once nothing more comes back, so that a server waiting for more of a request sees its
   * end.
   */
  | { how: 'settled' }
  /** All bytes, then an immediate half-close; the client still reads. */
  | { how: 'half-closed' }
  /** The first `quickBytes` at once, then some bytes one by one. */
  | { how: 'slow'; quickBytes: number; gapMs: number }
  /** The client disconnects after this many bytes, or when the response begins. */
  | { how: 'aborted'; afterBytes: number; reset: boolean; whenAnswered: boolean }
  /** This many bytes, then nothing until the epoch ends. */
  | { how: 'unfinished'; afterBytes: number };

/** One request as it is sent. */
export interface Message {
  /** Name of the operation for the statistics: `POST /api/sora-2/generate`. */
  operation: string;
  method: string;
  /** The path that is served, including the query. */
  path: string;
  /** The body as text, used to check that an accepted request conforms to the contract. */
  body: string;
  bytes: Buffer;
  /** Checks only the form of the response, not the operation's contract, because the head itself is invalid. */
  isLoose: boolean;
}

export interface FuzzCase {
  index: number;
  kind: string;
  /** The requests on the connection, in order. */
  messages: Message[];
  /** The bytes to send: the messages, possibly mangled. */
  bytes: Buffer;
  /** Undefined if the number of requests depends on how the server parses the bytes. */
  expectedResponses: number | undefined;
  delivery: Delivery;
}

/** A fault rule may apply, so any response is allowed, or none. */
export const mayMeetFault = ({ bytes }: FuzzCase): boolean => /faulty|forked|emulator/i.test(bytes.toString('latin1'));

/**
 * The account may be reset or removed meanwhile; the server then closes the connection instead of sending a stale
 * response.
 */
export const mayBeAborted = ({ bytes }: FuzzCase): boolean => /churned|made-|restore/i.test(bytes.toString('latin1'));

/** The request waits or streams events; the client gives up after a while. */
export const isLongLived = ({ bytes }: FuzzCase): boolean => /\/wait|\/events/i.test(bytes.toString('latin1'));
