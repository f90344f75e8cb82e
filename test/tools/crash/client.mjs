// An HTTP client that reports exactly how much of a response arrived before its connection broke.
import { Pool } from 'undici';

const TIMEOUT_MS = 20_000;

/**
 * `onResponse(kind)` is called synchronously when a response is complete (and, as `${kind} head`, when its head has
 * arrived), before anything else can happen: a caller that kills the server there leaves it no time to write what it
 * has already confirmed. `beforeSend(kind)` is awaited before each request.
 */
export function createClient(url, { connections = 32, onResponse = () => {}, beforeSend = () => {} } = {}) {
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });

  /**
   * Resolves to `{status, headers, text, isComplete, hasLeft, error}`. `status` is undefined if not even the head
   * arrived. `leaveAfter`: disconnects after this many bytes. `onText`: called with each chunk instead of collecting
   * it.
   */
  async function send(kind, method, path, { key, body, headers = {}, leaveAfter, onText, onHead } = {}) {
    await beforeSend(kind);
    return new Promise((resolve) => {
      const chunks = [];
      let size = 0;
      let head = {};
      const end = (overrides) => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: head.status,
          headers: head.headers ?? {},
          text,
          isComplete: false,
          hasLeft: false,
          ...overrides,
        });
      };
      pool.dispatch(
        {
          method,
          path,
          headers: {
            ...(key !== undefined && { authorization: `Bearer ${key}` }),
            ...(body !== undefined && { 'content-type': 'application/json' }),
            ...headers,
          },
          body: body === undefined ? null : JSON.stringify(body),
        },
        {
          onRequestStart() {},
          onResponseStart(_controller, status, responseHeaders) {
            head = { status, headers: responseHeaders };
            onHead?.(status);
            onResponse(`${kind} head`);
          },
          onResponseData(controller, chunk) {
            size += chunk.length;
            if (onText) onText(chunk.toString());
            else chunks.push(chunk);
            if (leaveAfter !== undefined && size > leaveAfter) {
              end({ hasLeft: true });
              controller.abort(new Error('the client disconnected'));
            }
          },
          onResponseEnd() {
            onResponse(kind);
            end({ isComplete: true });
          },
          onResponseError(_controller, error) {
            end({ error });
          },
        },
      );
    });
  }

  return {
    send,
    /** The response body as JSON. @throws Error when the response is incomplete or has another status */
    async call(method, path, body, expected = 200) {
      const { status, text, isComplete, error } = await send('call', method, path, body === undefined ? {} : { body });
      if (!isComplete || status !== expected)
        throw new Error(`${method} ${path} returned ${status ?? error}: ${text.slice(0, 300)}`);
      return text === '' ? undefined : JSON.parse(text);
    },
    close: () => pool.destroy(),
  };
}

export const json = ({ text }) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
