import { afterEach, describe, expect, it, vi } from 'vitest';

const MINUTE_MS = 60_000;

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function load() {
  vi.resetModules();
  return import('../../src/core/globals.ts');
}

describe('globals', () => {
  it('are those of Node when everything was faked before', async () => {
    const realMs = Date.now();
    vi.useFakeTimers({ now: 4e12 });
    const { Date: RealDate, now, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } = await load();
    expect(now() - realMs).toBeLessThan(MINUTE_MS);
    expect(new RealDate().getTime() - realMs).toBeLessThan(MINUTE_MS);
    clearTimeout(setTimeout(() => {}, MINUTE_MS));
    clearInterval(setInterval(() => {}, MINUTE_MS));
    const timer = setTimeout(() => {}, MINUTE_MS);
    expect(vi.getTimerCount()).toBe(0);
    clearTimeout(timer);
    await new Promise<void>((resolve) => setImmediate(resolve));
  });

  it('stay those of Node when they are replaced later', async () => {
    const realMs = Date.now();
    const { AbortController: RealController, Date: RealDate, now, queueMicrotask, URL: RealUrl } = await load();
    vi.spyOn(Date, 'now').mockReturnValue(4e12);
    for (const name of ['AbortController', 'Date', 'URL', 'queueMicrotask']) vi.stubGlobal(name, undefined);
    expect(now() - realMs).toBeLessThan(MINUTE_MS);
    expect(new RealDate(0).toISOString()).toBe('1970-01-01T00:00:00.000Z');
    expect(new RealController().signal.aborted).toBe(false);
    expect(new RealUrl('http://a/b').pathname).toBe('/b');
    await new Promise<void>((resolve) => queueMicrotask(resolve));
  });

  it('have the classes that Buffer has', async () => {
    const { ArrayBuffer: BufferMemory, Uint8Array: BufferBase } = await load();
    expect(Buffer.alloc(1)).toBeInstanceOf(BufferBase);
    expect(Buffer.alloc(1).buffer).toBeInstanceOf(BufferMemory);
  });
});
