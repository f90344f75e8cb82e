// Opens many text streams shortly after one another, in its own process, and records when each chunk arrives.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from './responses.mjs';

/** No stream is silent for this long. */
const SILENCE_MS = 20_000;
/** The emulator sends texts in chunks of this many characters; the last one may be shorter. */
const CHUNK_CHARACTERS = 48;

serve(async ({ url, headers, orders, openSeconds }) => {
  if (new URL(url).hostname !== '127.0.0.1') throw new Error('streams only target loopback');
  let open = 0;
  const onOpen = () => {
    open += 1;
    if (open === orders.length) process.send({ result: 'open' });
  };
  return Promise.all(
    orders.map(async (order, index) => {
      await sleep((openSeconds * 1000 * index) / orders.length);
      return stream(url, headers, order, onOpen);
    }),
  );
});

/** Resolves to the times at which the request was sent, accepted and finished, and at which each chunk was complete. */
function stream(url, headers, order, onOpen) {
  const sentMs = performance.now();
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, agent: false, timeout: SILENCE_MS };
    const call = request(url, options, async (response) => {
      try {
        const acceptedMs = performance.now();
        const { statusCode, headers: responseHeaders } = response;
        const type = responseHeaders['content-type'];
        if (statusCode !== 200 || !type?.startsWith('text/plain')) {
          throw new Error(`a stream returned ${statusCode} ${type}`);
        }
        onOpen();
        const received = [];
        for await (const bytes of response) received.push({ bytes, atMs: performance.now() });
        resolve({ order, sentMs, acceptedMs, endMs: performance.now(), ...toChunks(received) });
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error('a stream fell silent')));
    call.on('error', reject);
    call.end(JSON.stringify(order));
  });
}

/** A chunk is complete when its last byte has arrived; a late chunk may arrive together with the next one. */
function toChunks(packets) {
  const text = Buffer.concat(packets.map(({ bytes }) => bytes)).toString();
  const characters = Array.from(text);
  const chunkMs = [];
  let bytes = 0;
  let received = 0;
  let packet = -1;
  for (let at = 0; at < characters.length; at += CHUNK_CHARACTERS) {
    bytes += Buffer.byteLength(characters.slice(at, at + CHUNK_CHARACTERS).join(''));
    while (received < bytes) received += packets[++packet].bytes.length;
    chunkMs.push(packets[packet].atMs);
  }
  return { text, packets: packets.length, chunkMs };
}
