import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Content, Picture, ResultBytes, Storyboard } from './content.ts';
import { createImageCache } from './image-cache.ts';
import { createImageRenderer } from './image-renderer.ts';
import { createVideoFixtures } from './video-fixtures.ts';

/** One processor is left for who polls meanwhile; an image of 4K takes about 200 MB while it is drawn. */
const RENDER_CONCURRENCY = Math.max(1, Math.min(2, availableParallelism() - 1));
const MAX_QUEUED = 1000;

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
  const videos = createVideoFixtures(join(fixturesDir, 'videos'));
  const renderer = createImageRenderer(join(fixturesDir, 'fonts'));
  const imageCache = createImageCache({ concurrency: RENDER_CONCURRENCY, maxQueued: MAX_QUEUED, stopping });

  const render = (content: Picture | Storyboard) =>
    content.kind === 'picture' ? renderer.renderPicture(content) : renderer.renderStoryboard(content);

  return {
    /** Changes whenever a byte of the file does. `name`: what a video says in its comment. */
    etagFor: (content: Content, name: string): string =>
      content.kind === 'video'
        ? videos.etagFor(content.fixture, name)
        : createHash('sha256').update(version).update(JSON.stringify(content)).digest('hex').slice(0, 32),

    /**
     * A video is there at once, an image when it is drawn. `goneOf` is asked where there is something to wait for.
     * @throws EmulatorError SERVICE_UNAVAILABLE when too many wait already, STOPPING
     */
    async read(content: Content, etag: string, name: string, getAbortSignal: () => AbortSignal): Promise<ResultBytes> {
      if (content.kind === 'video') return videos.read(content.fixture, name);
      const image = await imageCache.get(etag, () => render(content), getAbortSignal);
      return { size: image.length, slice: (start, end) => image.subarray(start, end) };
    },
  };
}
