import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { assertFreeDescriptors } from '../core/file-descriptors.ts';
import type { AbortSignal } from '../core/globals.ts';
import type { Content, Picture, ResultBytes, Storyboard } from './content.ts';
import { createImageCache } from './image-cache.ts';
import { createImageRenderer } from './image-renderer.ts';
import { RENDER_CONCURRENCY } from './render-concurrency.ts';
import { createVideoFixtures } from './video-fixtures.ts';

const MAX_QUEUED = 1000;

export interface ResultsOptions {
  fixturesDir: string;
  /** Version of the emulator, part of the ETag: another version may render differently. */
  version: string;
  /** Cancels queued renders. */
  stopping: AbortSignal;
}

export type Results = ReturnType<typeof createResults>;

/** The content of result files: videos from the fixtures, images rendered on first request. */
export function createResults({ fixturesDir, version, stopping }: ResultsOptions) {
  const videos = createVideoFixtures(join(fixturesDir, 'videos'));
  const renderer = createImageRenderer(join(fixturesDir, 'fonts'));
  const imageCache = createImageCache({ concurrency: RENDER_CONCURRENCY, maxQueued: MAX_QUEUED, stopping });

  async function render(content: Picture | Storyboard): Promise<Buffer> {
    // Pango draws nothing for a font that it cannot open, and the image would be cached.
    assertFreeDescriptors();
    return content.kind === 'picture' ? renderer.renderPicture(content) : renderer.renderStoryboard(content);
  }

  return {
    /** Changes whenever a byte of the file does. `name` is the task id in a video's metadata. */
    etagFor: (content: Content, name: string): string =>
      content.kind === 'video'
        ? videos.etagFor(content.fixture, name)
        : createHash('sha256').update(version).update(JSON.stringify(content)).digest('hex').slice(0, 32),

    /**
     * Reads a file. An image may have to be rendered first; then `getAbortSignal` returns the signal that ends the
     * wait.
     * @throws SERVICE_UNAVAILABLE when too many images are waiting to be rendered
     * @throws STOPPING when the emulator is stopping
     */
    async read(content: Content, etag: string, name: string, getAbortSignal: () => AbortSignal): Promise<ResultBytes> {
      if (content.kind === 'video') return videos.read(content.fixture, name);
      const image = await imageCache.get(etag, () => render(content), getAbortSignal);
      return { size: image.length, slice: (start, end) => image.subarray(start, end) };
    },
  };
}
