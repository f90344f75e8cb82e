import { LRUCache } from 'lru-cache';
import PQueue from 'p-queue';
import { anySignal } from '../core/abort-signals.ts';
import { EmulatorError } from '../core/errors.ts';
import { AbortController, type AbortSignal } from '../core/globals.ts';

/** Cache size, enough for about ten images in 4K, or 250 in 1K. */
const MAX_CACHE_BYTES = 16 * 1024 * 1024;

interface PendingImage {
  image: Promise<Buffer>;
  /** Number of requests that wait for the image. */
  waiters: number;
  /** Whether the render has left the queue. It then keeps its slot to its end, because libvips cannot be cancelled. */
  isRendering: () => boolean;
  /** Removes the render from the queue. */
  abandon: AbortController;
}

export interface ImageCacheOptions {
  /** Number of concurrent renders. */
  concurrency: number;
  /** Number of renders that may wait in the queue. */
  maxQueued: number;
  maxCacheBytes?: number;
  /** Cancels queued renders. */
  stopping: AbortSignal;
}

/**
 * Renders images on demand with limited concurrency and caches them. Concurrent requests for an image share one render;
 * a queued render is cancelled when all of its requests are gone.
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
      throw new EmulatorError('SERVICE_UNAVAILABLE', `${maxQueued} images are already waiting to be rendered`);
    }
    const abandon = new AbortController();
    let isRendering = false;
    const image = queue
      .add(
        () => {
          isRendering = true;
          return render();
        },
        { signal: anySignal([abandon.signal, stopping]) },
      )
      .then((bytes) => {
        cache.set(etag, bytes);
        return bytes;
      })
      .finally(() => {
        if (pendingImages.get(etag) === pending) pendingImages.delete(etag);
        abandon.abort();
      });
    const pending: PendingImage = { image, waiters: 0, isRendering: () => isRendering, abandon };
    pendingImages.set(etag, pending);
    return pending;
  }

  return {
    /**
     * Returns the image with this ETag. `getAbortSignal` is called only if the request has to wait; its signal ends the
     * wait when the client disconnects.
     * @throws SERVICE_UNAVAILABLE when the queue is full or the client has disconnected
     * @throws STOPPING when the emulator is stopping
     */
    async get(etag: string, render: () => Promise<Buffer>, getAbortSignal: () => AbortSignal): Promise<Buffer> {
      const image = cache.get(etag);
      if (image) return image;
      const pending = pendingImages.get(etag) ?? startRender(etag, render);
      pending.waiters += 1;
      const abortSignal = getAbortSignal();
      const onAbort = () => {
        pending.waiters -= 1;
        if (pending.waiters > 0 || pending.isRendering()) return;
        // A later request starts a new render.
        if (pendingImages.get(etag) === pending) pendingImages.delete(etag);
        pending.abandon.abort();
      };
      abortSignal.addEventListener('abort', onAbort, { once: true });
      try {
        return await pending.image;
      } catch (error) {
        if (stopping.aborted) throw new EmulatorError('STOPPING', 'the emulator is stopping');
        if (abortSignal.aborted)
          throw new EmulatorError('SERVICE_UNAVAILABLE', 'the client stopped waiting for the image');
        throw error;
      } finally {
        abortSignal.removeEventListener('abort', onAbort);
      }
    },
  };
}
