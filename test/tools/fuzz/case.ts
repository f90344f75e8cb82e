import type { AttackPlan } from './attacks/plan.ts';

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
  /**
   * The request changes nothing and always gets the same response, which shows whether a response belongs to it.
   */
  isRepeatable?: boolean;
}

/** Bytes after the messages that cannot be served: the connection ends with their refusal. */
export interface Breaker {
  name: string;
  bytes: Buffer;
  /** The refusals that are allowed. */
  statuses: readonly number[];
  /** Sent this long after the messages; 0: in the same packet. */
  afterMs: number;
}

/** Through which tunnel a case is sent: `plain` to port 80, `tls` to port 443. */
export type TunnelKind = 'plain' | 'tls';

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
  tunnel?: TunnelKind | undefined;
  /** All responses to the messages must arrive, in order and whole, and then the refusal. */
  breaker?: Breaker | undefined;
  /** The case is an attack on resources, which runs alone; the other fields only describe it. */
  attack?: AttackPlan | undefined;
}

/** Events that the requests of a case may meet, and which allow other outcomes. */
export interface Risks {
  /** A fault rule may apply, so any response is allowed, or none. */
  mayMeetFault: boolean;
  /**
   * The account may be reset or removed meanwhile; the server then closes the connection instead of sending a stale
   * response.
   */
  mayBeAborted: boolean;
  /** The request waits or streams events; the client gives up after a while. */
  isLongLived: boolean;
}

const risksByCase = new WeakMap<FuzzCase, Risks>();

/** Finds the risks in the bytes of the case, once. */
export function getRisks(testCase: FuzzCase): Risks {
  let risks = risksByCase.get(testCase);
  if (!risks) {
    const text = testCase.bytes.toString('latin1');
    risks = {
      // The format of a document, nanophoto-emulator/account, does not inject a fault.
      mayMeetFault: /faulty|forked|emulator(?!\/account)/i.test(text),
      mayBeAborted: /churned|made-|restore/i.test(text),
      // Waits of a case with a breaker are short, and it must get their responses.
      isLongLived: !testCase.breaker && /\/wait|\/events/i.test(text),
    };
    risksByCase.set(testCase, risks);
  }
  return risks;
}
