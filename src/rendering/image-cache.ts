import { LRUCache } from 'lru-cache';
import PQueue from 'p-queue';
import { anySignal } from '../core/abort-signals.ts';
import { EmulatorError } from '../core/errors.ts';

/** Thirty to a hundred images of 4K, a thousand of 1K. */
const MAX_CACHE_BYTES = 64 * 1024 * 1024;

interface PendingImage {
  image: Promise<Buffer>;
  /** How many wait for it. */
  waiters: number;
  /** Takes it out of the queue, if it still is there. */
  abandon: AbortController;
}

export interface ImageCacheOptions {
  /** How many are drawn at once, and how many may wait. */
  concurrency: number;
  maxQueued: number;
  maxCacheBytes?: number;
  /** Ends what waits to be drawn. */
  stopping: AbortSignal;
}

export type ImageCache = ReturnType<typeof createImageCache>;

/**
 * Images that are drawn when they are asked for, a few at a time, and kept while there is room. Whoever asks for one that is
 * being drawn waits for the same; one that nobody waits for any more is not begun.
 */
export function createImageCache({
  concurrency,
  maxQueued,
  maxCacheBytes = MAX_CACHE_BYTES,
  stopping,
}: ImageCacheOptions) {
  const queue = new PQueue({ concurrency });
  const pendingImages = new Map<string, PendingImage>();
  const cache = new LRUCache<string, Buffer>({
    maxSize: maxCacheBytes,
    sizeCalculation: ({ length }) => length,
  });

  function startRender(etag: string, render: () => Promise<Buffer>): PendingImage {
    if (queue.size >= maxQueued) {
      throw new EmulatorError('SERVICE_UNAVAILABLE', `${maxQueued} images wait to be drawn already`);
    }
    const abandon = new AbortController();
    const image = queue
      .add(render, { signal: anySignal([abandon.signal, stopping]) })
      .then((bytes) => {
        cache.set(etag, bytes);
        return bytes;
      })
      .finally(() => {
        if (pendingImages.get(etag) === pending) pendingImages.delete(etag);
        abandon.abort();
      });
    const pending = { image, waiters: 0, abandon };
    pendingImages.set(etag, pending);
    return pending;
  }

  return {
    /**
     * The image that this tag stands for. What `goneOf` gives says when this asker waits no more.
     * @throws EmulatorError SERVICE_UNAVAILABLE when too many wait already, STOPPING
     */
    async get(etag: string, render: () => Promise<Buffer>, getAbortSignal: () => AbortSignal): Promise<Buffer> {
      const image = cache.get(etag);
      if (image) return image;
      const pending = pendingImages.get(etag) ?? startRender(etag, render);
      pending.waiters += 1;
      const abortSignal = getAbortSignal();
      const onAbort = () => {
        pending.waiters -= 1;
        if (pending.waiters > 0) return;
        // Who comes now begins it anew.
        if (pendingImages.get(etag) === pending) pendingImages.delete(etag);
        pending.abandon.abort();
      };
      abortSignal.addEventListener('abort', onAbort, { once: true });
      try {
        return await pending.image;
      } catch (error) {
        if (stopping.aborted) throw new EmulatorError('STOPPING', 'the server stops');
        if (abortSignal.aborted) throw new EmulatorError('SERVICE_UNAVAILABLE', 'nobody waits for the image any more');
        throw error;
      } finally {
        abortSignal.removeEventListener('abort', onAbort);
      }
    },
  };
}
