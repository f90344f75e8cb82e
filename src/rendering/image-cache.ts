import { LRUCache } from 'lru-cache';
import PQueue from 'p-queue';
import { firstOf } from '../core/abort-signals.ts';
import { EmulatorError } from '../core/errors.ts';

/** Thirty to a hundred images of 4K, a thousand of 1K. */
const MOST_KEPT_BYTES = 64 * 1024 * 1024;

interface Drawing {
  image: Promise<Buffer>;
  /** How many wait for it. */
  askers: number;
  /** Takes it out of the queue, if it still is there. */
  abandon: AbortController;
}

export interface ImagesOptions {
  /** How many are drawn at once, and how many may wait. */
  atOnce: number;
  mostWaiting: number;
  keptBytes?: number;
  /** Ends what waits to be drawn. */
  stopping: AbortSignal;
}

export type Images = ReturnType<typeof createImages>;

/**
 * Images that are drawn when they are asked for, a few at a time, and kept while there is room. Whoever asks for one that is
 * being drawn waits for the same; one that nobody waits for any more is not begun.
 */
export function createImages({ atOnce, mostWaiting, keptBytes = MOST_KEPT_BYTES, stopping }: ImagesOptions) {
  const queue = new PQueue({ concurrency: atOnce });
  const drawings = new Map<string, Drawing>();
  const kept = new LRUCache<string, Buffer>({ maxSize: keptBytes, sizeCalculation: ({ length }) => length });

  function begin(tag: string, draw: () => Promise<Buffer>): Drawing {
    if (queue.size >= mostWaiting) {
      throw new EmulatorError('SERVICE_UNAVAILABLE', `${mostWaiting} images wait to be drawn already`);
    }
    const abandon = new AbortController();
    const image = queue
      .add(draw, { signal: firstOf([abandon.signal, stopping]) })
      .then((drawn) => {
        kept.set(tag, drawn);
        return drawn;
      })
      .finally(() => {
        if (drawings.get(tag) === drawing) drawings.delete(tag);
        abandon.abort();
      });
    const drawing = { image, askers: 0, abandon };
    drawings.set(tag, drawing);
    return drawing;
  }

  return {
    /**
     * The image that this tag stands for. What `goneOf` gives says when this asker waits no more.
     * @throws EmulatorError SERVICE_UNAVAILABLE when too many wait already, STOPPING
     */
    async get(tag: string, draw: () => Promise<Buffer>, goneOf: () => AbortSignal): Promise<Buffer> {
      const image = kept.get(tag);
      if (image) return image;
      const drawing = drawings.get(tag) ?? begin(tag, draw);
      drawing.askers += 1;
      const gone = goneOf();
      const leave = () => {
        drawing.askers -= 1;
        if (drawing.askers > 0) return;
        // Who comes now begins it anew.
        if (drawings.get(tag) === drawing) drawings.delete(tag);
        drawing.abandon.abort();
      };
      gone.addEventListener('abort', leave, { once: true });
      try {
        return await drawing.image;
      } catch (error) {
        if (stopping.aborted) throw new EmulatorError('STOPPING', 'the server stops');
        if (gone.aborted)
          throw new EmulatorError('SERVICE_UNAVAILABLE', 'nobody waits for the image any more');
        throw error;
      } finally {
        gone.removeEventListener('abort', leave);
      }
    },
  };
}
