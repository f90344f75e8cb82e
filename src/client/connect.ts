import type { OutgoingHttpHeaders } from 'node:http';
import http from 'node:http';
import https from 'node:https';
import { URL } from 'node:url';
import type { Control } from './api.ts';
import { ControlError, createControl, isFileType, isPageType } from './client.ts';

// Read once: libraries that mock HTTP replace these functions later.
const { request: requestHttp } = http;
const { request: requestHttps } = https;

interface RawResponse {
  status: number;
  contentType: string | undefined;
  body: Buffer;
}

/**
 * Sends a request with `node:http`: tests replace `fetch`, which also limits how long a response may take. Does not
 * follow redirects, because their target would receive the admin token.
 */
function send(method: string, url: URL, headers: OutgoingHttpHeaders, body: string | undefined): Promise<RawResponse> {
  const sendRequest = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    // A new connection per request: a kept one could be closed by the server at the moment it is used again.
    const request = sendRequest(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const contentType = response.headers['content-type'];
        resolve({ status: response.statusCode!, contentType, body: Buffer.concat(chunks) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Connects to the control plane of a running emulator. */
export function connectEmulator(url: string, { adminToken }: { adminToken?: string } = {}): Control {
  return createControl(async (method, path, requestBody) => {
    const headers = {
      ...(requestBody !== undefined && { 'content-type': 'application/json' }),
      ...(adminToken !== undefined && { 'x-admin-token': adminToken }),
    };
    const target = new URL(url.replace(/\/+$/, '') + path);
    const { status, contentType, body } = await send(method, target, headers, JSON.stringify(requestBody));
    const createError = (reason: string) =>
      new ControlError(`${url} is not an emulator: ${reason}.`, 'NO_EMULATOR', status);
    if (status >= 300 && status < 400) throw createError('it redirects to another address');
    if (isFileType(contentType)) return { status, body: new Uint8Array(body) };
    const text = body.toString();
    if (isPageType(contentType)) return { status, body: text };
    try {
      return { status, body: text === '' ? undefined : JSON.parse(text) };
    } catch {
      throw createError('its response is not JSON');
    }
  });
}
