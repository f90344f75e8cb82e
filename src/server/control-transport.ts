import { Readable } from 'node:stream';
import { isFileType, isPageType, type Transport } from '../client/client.ts';
import type { App } from '../http/context.ts';

const CHUNK_BYTES = 64 * 1024;

/** Calls the control plane without a network connection. */
export function createControlTransport(app: App, adminToken: string | undefined): Transport {
  const tokenHeader = adminToken === undefined ? {} : { 'x-admin-token': adminToken };
  return async (method, path, body) => {
    const text = JSON.stringify(body);
    const payload =
      body === undefined ? {} : { payload: text.length > CHUNK_BYTES ? Readable.from(toChunks(text)) : text };
    const typeHeader = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await app.inject({
      method: method as 'POST',
      url: path,
      headers: { ...tokenHeader, ...typeHeader },
      ...payload,
    });
    const status = response.statusCode;
    const contentType = response.headers['content-type'];
    if (isFileType(contentType)) return { status, body: new Uint8Array(response.rawPayload) };
    if (isPageType(contentType)) return { status, body: response.payload };
    return { status, body: response.payload === '' ? undefined : response.json() };
  };
}

/** Splits a payload into chunks, so that a large document does not block the event loop. */
function* toChunks(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
