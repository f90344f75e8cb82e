/** How the bytes of a case get to the server, and what becomes of the connection. */
export type Delivery =
  /** On a connection that is kept; `pieces`: where the bytes are cut into packets. */
  | { how: 'kept' }
  | { how: 'pieces'; at: number[] }
  /** All bytes, and the end of the stream when nothing more comes back: who waits for more of a request is told that it ends. */
  | { how: 'settled' }
  /** All bytes, and the end of the stream at once, as if the client were gone; it listens on. */
  | { how: 'half-closed' }
  /** Byte by byte over a slow line, after the first `quickBytes` and for a while. */
  | { how: 'slow'; quickBytes: number; gapMs: number }
  /** The client goes away when so many bytes are sent, or when the answer begins. */
  | { how: 'aborted'; afterBytes: number; reset: boolean; whenAnswered: boolean }
  /** So many bytes, and then nothing, for as long as the epoch lasts. */
  | { how: 'unfinished'; afterBytes: number };

/** One request, as it goes over the wire. */
export interface Message {
  /** What it tries, for the count of what was tried: `POST /api/sora-2/generate`. */
  operation: string;
  method: string;
  /** The path that is served, with its query. */
  path: string;
  /** Its body as text, where the contract has to allow what was accepted. */
  body: string;
  bytes: Buffer;
  /** Only the forms of answers are promised, not which of them: the head itself is at fault. */
  isLoose: boolean;
}

export interface FuzzCase {
  place: number;
  kind: string;
  /** Those on one connection, one after the other. */
  messages: Message[];
  /** What is sent: the messages, or what has been made of them. */
  bytes: Buffer;
  /** Undefined: as many as the server finds requests in it. */
  expectedResponses: number | undefined;
  delivery: Delivery;
}

/** A fault may strike: any answer was asked for, and none. */
export const mayMeetFault = ({ bytes }: FuzzCase): boolean => /faulty|forked|emulator/i.test(bytes.toString('latin1'));

/** The account may be reset or removed meanwhile: then the connection is closed, because no answer is true any more. */
export const mayBeAborted = ({ bytes }: FuzzCase): boolean => /churned|made-|restore/i.test(bytes.toString('latin1'));

/** Listens or waits: who has had enough goes away. */
export const isLongLived = ({ bytes }: FuzzCase): boolean => /\/wait|\/events/i.test(bytes.toString('latin1'));
