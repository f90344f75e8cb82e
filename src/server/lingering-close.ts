import { Socket } from 'node:net';
import type { Clock } from '../core/time/clock.ts';
import { DRAIN_BYTES } from '../http/pipeline/body.ts';
import { getLastResponse } from './pipelining.ts';

/** Time that a client has to send the rest of its request, read the response and close the connection. */
const MAX_LINGER_MS = 30_000;

/**
 * Sends a last response, as text, and closes the connection in the steps of RFC 9112, section 9.6: this side ends, what
 * the client still sends is read and discarded, and the connection closes when the client ends its side. Closing a
 * socket with unread data would reset the connection, and a client that is still sending would lose the response.
 */
export function lingerAndClose(socket: Socket, clock: Clock, response = '', maxMs = MAX_LINGER_MS): void {
  // An earlier response with `Connection: close` has ended it already.
  if (!socket.writable) return;
  const cancel = clock.after(maxMs, () => socket.destroy());
  socket.once('close', cancel);
  let bytes = 0;
  // This listener replaces that of Node's parser, so that no further requests are processed.
  socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DRAIN_BYTES) {
      socket.destroy();
      return;
    }
    // libuv would read up to 2 MB of each connection in every turn of the event loop.
    socket.pause();
    clock.atTurnEnd(() => socket.resume());
  });
  // Ends the read that Node may have paused for its parser: otherwise `resume` would not start another.
  socket.push('');
  socket.resume().end(response);
}

/**
 * Makes Node linger when it closes a connection after a response that was sent before the end of the request, such as
 * the 401 of an upload. Remove this when Node does.
 */
export function lingerAfterEarlyResponses(socket: Socket, clock: Clock): void {
  socket.destroySoon = () => {
    if (getLastResponse(socket)?.req.complete === false) lingerAndClose(socket, clock);
    else Socket.prototype.destroySoon.call(socket);
  };
}
