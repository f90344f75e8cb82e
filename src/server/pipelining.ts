import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { MemoryBudget } from '../core/memory-budget.ts';
import type { Clock } from '../core/time/clock.ts';
import type { SocketGuard } from './socket-guard.ts';

/** Maximum requests of a connection in progress. Further ones wait until earlier responses are sent. */
const MAX_IN_PROGRESS = 16;
/** Unread data of a connection above which its further requests wait. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/**
 * Number of waiting requests above which a connection is not read. Below it, the connection is read on, because Node
 * notices only then that a client has disconnected.
 */
const MAX_WAITING = 100;
/** Time without a completed response after which a connection that is not read is closed. */
const STALL_TIMEOUT_MS = 60_000;
/** Estimated memory of a request and its response, without bodies. */
const REQUEST_BYTES = 8 * 1024;
/** Data that a client may send after CONNECT or Upgrade while earlier responses are pending. */
const MAX_HELD_BYTES = 64 * 1024;

const LAST_RESPONSE = Symbol('last response');
/** A property instead of a WeakMap: it is written once per request. */
type TrackedSocket = Socket & { [LAST_RESPONSE]?: ServerResponse };

/** Returns the response to the latest request of a connection. */
export const getLastResponse = (socket: Socket): ServerResponse | undefined => (socket as TrackedSocket)[LAST_RESPONSE];

/** Marks the response to the latest request of its connection. */
export function setLastResponse({ socket }: IncomingMessage, response: ServerResponse): void {
  (socket as TrackedSocket)[LAST_RESPONSE] = response;
}

/** Calls `callback` when all responses of a connection have been sent; never if it closes before. */
export function afterResponses(socket: Socket, callback: () => void): void {
  const last = getLastResponse(socket);
  if (!last || last.destroyed) callback();
  else last.once('close', callback);
}

/**
 * Like `afterResponses`, for a connection that Node has detached from HTTP, after CONNECT or Upgrade. Takes over what
 * its earlier responses need. `head` is what the client has sent after the request; `callback` gets it with what
 * followed.
 */
export function afterDetachedResponses(socket: Socket, head: Buffer, callback: (head: Buffer) => void): void {
  const last = getLastResponse(socket);
  if (!last || last.destroyed) {
    callback(head);
    return;
  }
  const chunks = [head];
  let heldBytes = head.length;
  const destroy = () => socket.destroy();
  const onData = (chunk: Buffer) => {
    chunks.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes > MAX_HELD_BYTES) destroy();
  };
  const onDrain = () => (pipelines.get(socket)?.current ?? last).emit('drain');
  socket.on('data', onData).on('end', destroy).on('error', destroy).on('drain', onDrain);
  last.once('close', () => {
    socket.off('data', onData).off('end', destroy).off('error', destroy).off('drain', onDrain);
    // As Node leaves it: the next listener for data starts the flow.
    Object.assign(socket, { readableFlowing: null });
    if (!socket.destroyed) callback(Buffer.concat(chunks));
  });
}

export interface PipeliningOptions {
  server: Server;
  memory: MemoryBudget;
  clock: Clock;
  guard: SocketGuard;
}

/**
 * Limits the requests of a connection that are in progress before the client has read the responses. Node parses up to
 * 64 kB of requests at once and would start all of them, whatever their responses take; it pauses a connection only when
 * responses are already queued. Replaces the listener for requests. Remove this when Node limits pipelined requests.
 */
export function limitPipelining({ server, memory, clock, guard }: PipeliningOptions): void {
  const listeners = server.listeners('request');
  server.removeAllListeners('request');
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    for (const listener of listeners) listener.call(server, request, response);
  };
  server.on('request', (request, response) => {
    const { socket } = request;
    const previous = getLastResponse(socket);
    setLastResponse(request, response);
    // The usual case. While an earlier response is pending, Node assigns the socket to that one.
    if (response.socket !== null || !previous) {
      handle(request, response);
      return;
    }
    let pipeline = pipelines.get(socket);
    if (!pipeline) {
      pipeline = new Pipeline(socket, memory, clock, (...args) => guard.run(socket, () => handle(...args)));
      pipelines.set(socket, pipeline);
    }
    pipeline.add(previous, request, response);
  });
}

const pipelines = new WeakMap<Socket, Pipeline>();

/** The requests of a connection whose responses are not sent yet. */
class Pipeline {
  readonly #socket: Socket;
  readonly #memory: MemoryBudget;
  readonly #clock: Clock;
  readonly #handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** Responses in progress, in order. */
  readonly #inProgress: ServerResponse[] = [];
  readonly #waiting: [IncomingMessage, ServerResponse][] = [];
  #countedBytes = 0;
  #isPaused = false;
  #cancelStallTimeout = () => {};

  constructor(
    socket: Socket,
    memory: MemoryBudget,
    clock: Clock,
    handle: (request: IncomingMessage, response: ServerResponse) => void,
  ) {
    this.#socket = socket;
    this.#memory = memory;
    this.#clock = clock;
    this.#handle = handle;
    socket.once('close', () => this.#close());
    // Node resumes the connection when the body of a request is read.
    socket.on('resume', () => {
      if (this.#isPaused) socket.pause();
    });
  }

  /** The response that is being sent. */
  get current(): ServerResponse | undefined {
    return this.#inProgress[0];
  }

  /** Adds a request that follows the one of `previous`. Closes the connection when the memory budget is exceeded. */
  add(previous: ServerResponse, request: IncomingMessage, response: ServerResponse): void {
    if (this.#socket.destroyed) return;
    if (!this.#memory.reserve('responses', REQUEST_BYTES)) {
      this.#socket.destroy();
      return;
    }
    this.#countedBytes += REQUEST_BYTES;
    if (this.#inProgress.length === 0 && this.#waiting.length === 0) this.#track(previous, 0);
    this.#waiting.push([request, response]);
    this.#startWaiting();
  }

  #track(response: ServerResponse, countedBytes: number): void {
    this.#inProgress.push(response);
    response.once('close', () => {
      this.#inProgress.splice(this.#inProgress.indexOf(response), 1);
      if (this.#countedBytes === 0) return;
      this.#countedBytes -= countedBytes;
      this.#memory.add('responses', -countedBytes);
      this.#cancelStallTimeout();
      if (this.#isPaused) this.#setStallTimeout();
      this.#startWaiting();
    });
  }

  #startWaiting(): void {
    // Requests that follow a response with `Connection: close` are not processed (RFC 9112, section 9.6).
    if (!this.#socket.writable) this.#waiting.length = 0;
    while (this.#waiting.length > 0 && !this.#isFull()) {
      const [request, response] = this.#waiting.shift()!;
      this.#track(response, REQUEST_BYTES);
      this.#handle(request, response);
    }
    const mustPause = this.#waiting.length > (this.#isPaused ? 0 : MAX_WAITING);
    if (mustPause === this.#isPaused) return;
    this.#isPaused = mustPause;
    this.#cancelStallTimeout();
    if (mustPause) {
      this.#socket.pause();
      this.#setStallTimeout();
    } else this.#socket.resume();
  }

  #isFull(): boolean {
    if (this.#inProgress.length >= MAX_IN_PROGRESS) return true;
    let unreadBytes = 0;
    for (const response of this.#inProgress) unreadBytes += response.writableLength;
    return unreadBytes > MAX_UNREAD_BYTES;
  }

  #setStallTimeout(): void {
    this.#cancelStallTimeout = this.#clock.after(STALL_TIMEOUT_MS, () => this.#socket.destroy());
  }

  #close(): void {
    this.#cancelStallTimeout();
    this.#memory.add('responses', -this.#countedBytes);
    this.#countedBytes = 0;
    this.#waiting.length = 0;
  }
}
