import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Content, Picture, ResultBytes, Storyboard } from './content.ts';
import { createImages } from './image-cache.ts';
import { createDrawing } from './image-renderer.ts';
import { createVideos } from './video-fixtures.ts';

/** One processor is left for who polls meanwhile; an image of 4K takes about 200 MB while it is drawn. */
const DRAWN_AT_ONCE = Math.max(1, Math.min(2, availableParallelism() - 1));
const MOST_WAITING = 1000;

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
  const images = createImages({ atOnce: DRAWN_AT_ONCE, mostWaiting: MOST_WAITING, stopping });

  const draw = (content: Picture | Storyboard) =>
    content.kind === 'picture' ? drawing.picture(content) : drawing.storyboard(content);

  return {
    /** Changes whenever a byte of the file does. `name`: what a video says in its comment. */
    tagOf: (content: Content, name: string): string =>
      content.kind === 'video'
        ? videos.tagOf(content.fixture, name)
        : createHash('sha256').update(version).update(JSON.stringify(content)).digest('hex').slice(0, 32),

    /**
     * A video is there at once, an image when it is drawn. `goneOf` is asked where there is something to wait for.
     * @throws EmulatorError SERVICE_UNAVAILABLE when too many wait already, STOPPING
     */
    async read(content: Content, tag: string, name: string, goneOf: () => AbortSignal): Promise<ResultBytes> {
      if (content.kind === 'video') return videos.read(content.fixture, name);
      const image = await images.get(tag, () => draw(content), goneOf);
      return { size: image.length, slice: (start, end) => image.subarray(start, end) };
    },
  };
}
