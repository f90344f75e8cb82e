// Opens many text streams, one soon after the other, in a process of its own, and notes when each part of each came.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Nobody is silent for so long. */
const SILENCE_MS = 20_000;
/** The emulator sends texts in pieces of so many characters; the last of a text can be shorter. */
const PIECE_CHARACTERS = 48;

process.on('message', async ({ url, headers, orders, openSeconds }) => {
  try {
    if (new URL(url).hostname !== '127.0.0.1') throw new Error('streams are opened on loopback only');
    let open = 0;
    const onOpen = () => {
      open += 1;
      if (open === orders.length) process.send({ result: 'open' });
    };
    const streams = await Promise.all(
      orders.map(async (order, index) => {
        await sleep((openSeconds * 1000 * index) / orders.length);
        return stream(url, headers, order, onOpen);
      }),
    );
    process.send({ result: streams });
  } catch (error) {
    process.send({ error: String(error?.message ?? error) });
  }
});
// Whoever asked is gone, however it ended.
process.on('disconnect', () => process.exit());

/** Answers when it was asked for, accepted and over, and when each piece of its text was there. All of one clock. */
function stream(url, headers, order, onOpen) {
  const sentMs = performance.now();
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, agent: false, timeout: SILENCE_MS };
    const call = request(url, options, async (response) => {
      try {
        const acceptedMs = performance.now();
        const { statusCode, headers: told } = response;
        if (statusCode !== 200 || !told['content-type']?.startsWith('text/plain')) {
          throw new Error(`a stream was answered ${statusCode} ${told['content-type']}`);
        }
        onOpen();
        const chunks = [];
        for await (const bytes of response) chunks.push({ bytes, atMs: performance.now() });
        resolve({ order, sentMs, acceptedMs, endMs: performance.now(), ...piecesOf(chunks) });
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error('a stream fell silent')));
    call.on('error', reject);
    call.end(JSON.stringify(order));
  });
}

/** A piece is there when its last byte is: what comes late can come together with the next. */
function piecesOf(chunks) {
  const text = Buffer.concat(chunks.map(({ bytes }) => bytes)).toString();
  const characters = Array.from(text);
  const pieceMs = [];
  let bytes = 0;
  let received = 0;
  let chunk = -1;
  for (let at = 0; at < characters.length; at += PIECE_CHARACTERS) {
    bytes += Buffer.byteLength(characters.slice(at, at + PIECE_CHARACTERS).join(''));
    while (received < bytes) received += chunks[++chunk].bytes.length;
    pieceMs.push(chunks[chunk].atMs);
  }
  return { text, chunks: chunks.length, pieceMs };
}
