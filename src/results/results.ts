import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import PQueue from 'p-queue';
import { EmulatorError } from '../core/errors.ts';
import type { Content, Picture, Storyboard } from './content.ts';
import { createDrawing } from './drawing.ts';
import { createVideos } from './videos.ts';

/** One processor is left for who polls meanwhile; an image of 4K takes about 200 MB while it is drawn. */
const DRAWN_AT_ONCE = Math.max(1, Math.min(2, availableParallelism() - 1));
const MOST_WAITING = 1000;
/** A hundred images of 4K, or a thousand of 1K. */
const MOST_KEPT_BYTES = 64 * 1024 * 1024;

export interface ResultsOptions {
  fixturesDir: string;
  /** Of the emulator: another may draw otherwise. */
  version: string;
  /** Ends what waits to be drawn. */
  stopping: AbortSignal;
}

export type Results = ReturnType<typeof createResults>;

/** The files behind result URLs: videos from the fixtures, images drawn when they are first asked for. */
export function createResults({ fixturesDir, version, stopping }: ResultsOptions) {
  const videos = createVideos(join(fixturesDir, 'videos'));
  const drawing = createDrawing(join(fixturesDir, 'fonts'));
  const queue = new PQueue({ concurrency: DRAWN_AT_ONCE });
  /** By tag. Whoever asks for an image that is being drawn waits for the same one. */
  const images = new LRUCache<string, Buffer, { draw: () => Promise<Buffer> }>({
    maxSize: MOST_KEPT_BYTES,
    sizeCalculation: (image) => image.length,
    fetchMethod: (_tag, _old, { context: { draw } }) => queue.add(draw, { signal: stopping }),
  });

  const draw = (content: Picture | Storyboard) =>
    content.kind === 'picture' ? drawing.picture(content) : drawing.storyboard(content);

  return {
    /** Changes whenever a byte of the file does. `mark`: what a video says in its comment. */
    tagOf: (content: Content, mark: string): string =>
      content.kind === 'video'
        ? videos.tagOf(content.fixture, mark)
        : createHash('sha256').update(version).update(JSON.stringify(content)).digest('hex').slice(0, 32),

    /**
     * A video is there at once, an image when it is drawn.
     * @throws EmulatorError SERVICE_UNAVAILABLE when too many wait already, STOPPING
     */
    read(content: Content, tag: string, mark: string): Buffer | Promise<Buffer> {
      if (content.kind === 'video') return videos.read(content.fixture, mark);
      const image = images.get(tag);
      if (image) return image;
      if (queue.size >= MOST_WAITING) {
        throw new EmulatorError('SERVICE_UNAVAILABLE', `${MOST_WAITING} images wait to be drawn already`);
      }
      return images.forceFetch(tag, { context: { draw: () => draw(content) } }).catch((error) => {
        throw stopping.aborted ? new EmulatorError('STOPPING', 'the server stops') : error;
      });
    },
  };
}
