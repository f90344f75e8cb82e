// Requests that tell, to the byte, how far an answer has come when its connection breaks.
import { Pool } from 'undici';

const TIMEOUT_MS = 20_000;

/**
 * `heard` is called in the very moment in which an answer is whole (or, as `head`, has begun), before anything else can
 * happen: who kills the server there leaves it no time to make good for what it has said too early. `sending` is
 * waited for before a request goes out.
 */
export function createClient(url, { connections = 32, heard = () => {}, sending = () => {} } = {}) {
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });

  /**
   * Answers `{status, headers, text, isWhole}`; `status` undefined: not even the head came. `leaveAfter`: hangs up
   * after so many bytes. `onText`: called with each piece.
   */
  async function send(kind, method, path, { key, body, headers = {}, leaveAfter, onText, onHead } = {}) {
    await sending(kind);
    return new Promise((resolve) => {
      const chunks = [];
      let size = 0;
      let head = {};
      const end = (more) => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: head.status,
          headers: head.headers ?? {},
          text,
          isWhole: false,
          hasLeft: false,
          ...more,
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
            heard(`${kind} head`);
          },
          onResponseData(controller, chunk) {
            size += chunk.length;
            if (onText) onText(chunk.toString());
            else chunks.push(chunk);
            if (leaveAfter !== undefined && size > leaveAfter) {
              end({ hasLeft: true });
              controller.abort(new Error('the client has left'));
            }
          },
          onResponseEnd() {
            heard(kind);
            end({ isWhole: true });
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
    /** The answer as JSON. @throws Error when it is no answer of this status */
    async call(method, path, body, expected = 200) {
      const { status, text, isWhole, error } = await send('call', method, path, body === undefined ? {} : { body });
      if (!isWhole || status !== expected)
        throw new Error(`${method} ${path} was answered ${status ?? error}: ${text.slice(0, 300)}`);
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
