import type { Json } from './json-schema.ts';

/** Stands for the URL in the serialized document. */
const URL_PLACEHOLDER = 'https://url-of-the-emulator.invalid';

/**
 * Returns a function that serializes a document which contains the URL of the emulator once. Building one takes tens of
 * milliseconds, and is done only once: otherwise a client without a key could occupy the event loop. Responses with the
 * same URL share their bytes.
 */
export function cacheDocument(build: (url: string) => Json | Promise<Json>): (url: string) => Promise<Buffer> {
  let parts: Promise<string[]> | undefined;
  let latest: { url: string; bytes: Buffer } | undefined;
  const buildParts = async () => JSON.stringify(await build(URL_PLACEHOLDER)).split(JSON.stringify(URL_PLACEHOLDER));

  return async (url) => {
    // A failure is not kept: it may have been a lack of file descriptors.
    parts ??= buildParts().catch((error) => {
      parts = undefined;
      throw error;
    });
    const known = await parts;
    if (latest?.url !== url) latest = { url, bytes: Buffer.from(known.join(JSON.stringify(url))) };
    return latest.bytes;
  };
}
