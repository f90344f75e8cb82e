import { expect } from 'vitest';

/**
 * Checks that a server responds to HEAD with the headers of GET and without a body. The server must listen: the response
 * to an injected HEAD request has a body.
 */
export async function expectSameHead(url: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const [full, head] = [await fetchOnce(url + path, 'GET'), await fetchOnce(url + path, 'HEAD')];
    expect(head.body).toBe('');
    expect(full.headers).toHaveProperty('content-length');
    expect({ path, ...head, body: undefined }).toEqual({ path, ...full, body: undefined });
  }
}

async function fetchOnce(url: string, method: string) {
  const response = await fetch(url, { method, redirect: 'manual' });
  // Node's `fetch` closes the connection after HEAD.
  const omitted = { date: '', 'x-request-id': '', connection: '', 'keep-alive': '' };
  const headers = { ...Object.fromEntries(response.headers), ...omitted };
  return { status: response.status, headers, body: await response.text() };
}
