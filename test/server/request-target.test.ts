import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { findForeignAuthority, normalizeRequestTarget } from '../../src/server/request-target.ts';

const rewritten = (url: string | undefined, host: string | undefined = 'other') => {
  const request = { url, headers: { host } } as IncomingMessage;
  return { path: normalizeRequestTarget(request), host: request.headers.host };
};

describe('normalizeRequestTarget', () => {
  it.each([
    ['http://nanophoto.ai/health', '/health'],
    ['http://nanophoto.ai/health?x=1', '/health?x=1'],
    ['https://nanophoto.ai/', '/'],
    ['https://nanophoto.ai', '/'],
    ['http://nanophoto.ai?x=1', '/?x=1'],
    ['http://nanophoto.ai?x=/y', '/?x=/y'],
    ['HTTP://nanophoto.ai//twice', '//twice'],
    ['http://nanophoto.ai/http://example.com/', '/http://example.com/'],
  ])('turns %s into %s and sets Host from it', (url, path) => {
    expect(rewritten(url)).toEqual({ path, host: 'nanophoto.ai' });
  });

  it.each([
    ['http://video.nanophoto.ai:8080/sora/x.mp4', '/media/sora/x.mp4', 'video.nanophoto.ai:8080'],
    ['https://static.nanophoto.ai?x=1', '/media/?x=1', 'static.nanophoto.ai'],
    ['https://video.nanophoto.ai/media/sora/x.mp4', '/media/sora/x.mp4', 'video.nanophoto.ai'],
  ])('maps %s on the vendor hosts of result files to %s', (url, path, host) => {
    expect(rewritten(url)).toEqual({ path, host });
  });

  it.each(['/health', '/health?x=http://nanophoto.ai/', '//nanophoto.ai/health', '*', 'ftp://nanophoto.ai/'])(
    'leaves %s and its Host unchanged',
    (url) => {
      expect(rewritten(url)).toEqual({ path: url, host: 'other' });
      expect(findForeignAuthority(url, 6266)).toBeUndefined();
    },
  );

  it('returns the root for an empty target', () => {
    expect(rewritten(undefined)).toEqual({ path: '/', host: 'other' });
  });
});

describe('findForeignAuthority', () => {
  it.each([
    'http://nanophoto.ai',
    'http://nanophoto.ai?x=1',
    'https://API.nanophoto.ai:8080/',
    'http://localhost:6266/',
    'http://127.1.2.3:6266/',
    'http://[::1]:6266/',
  ])('accepts %s', (url) => {
    expect(findForeignAuthority(url, 6266)).toBeUndefined();
  });

  it.each([
    ['http://example.com', 'example.com'],
    ['http://example.com?nanophoto.ai', 'example.com'],
    ['http://example.com#nanophoto.ai', 'example.com'],
    ['http://nanophoto-ai/', 'nanophoto-ai'],
    ['http://localhost:6267/', 'localhost:6267'],
    ['http://localhost/', 'localhost'],
    ['http://127x0.0.1:6266/', '127x0.0.1:6266'],
    ['http://nanophoto.ai:123456/', 'nanophoto.ai:123456'],
    ['http://', ''],
  ])('returns the authority of %s', (url, host) => {
    expect(findForeignAuthority(url, 6266)).toBe(host);
  });

  it('accepts loopback hosts without a port on port 80', () => {
    expect(findForeignAuthority('http://localhost/', 80)).toBeUndefined();
  });
});
