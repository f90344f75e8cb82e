import { describe, expect, it, vi } from 'vitest';
import { cacheDocument } from '../../src/openapi/document-cache.ts';

describe('document cache', () => {
  // id: openapi-document-built-once
  it('builds a document once, and inserts the URL of each request', async () => {
    const build = vi.fn((url: string) => ({ servers: [{ url }, { url: 'https://nanophoto.ai' }], again: url }));
    const getDocument = cacheDocument(build);
    const urls = ['http://a:1', 'http://b"$&', 'http://a:1'];
    const documents = await Promise.all(urls.map(getDocument));
    expect(documents.map((bytes) => JSON.parse(bytes.toString()))).toEqual(
      urls.map((url) => ({ servers: [{ url }, { url: 'https://nanophoto.ai' }], again: url })),
    );
    expect(await getDocument('http://c')).toBe(await getDocument('http://c'));
    expect(build).toHaveBeenCalledTimes(1);
  });

  it('builds it again after a failure', async () => {
    const build = vi.fn().mockRejectedValueOnce(new Error('EMFILE')).mockReturnValue({ a: 1 });
    const getDocument = cacheDocument(build);
    await expect(getDocument('x')).rejects.toThrow('EMFILE');
    expect((await getDocument('x')).toString()).toBe('{"a":1}');
  });
});
