/** Width and height in pixels. */
export type Size = readonly [width: number, height: number];

/** The content of a result file. */
export type Content = Video | Picture | Storyboard;

export interface Video {
  kind: 'video';
  /** File name in fixtures/videos. */
  fixture: string;
}

/** An image that shows the request it was made for. */
export interface Picture {
  kind: 'picture';
  size: Size;
  /** Display name of the model. */
  model: string;
  prompt: string;
  taskId: string;
  /** Other parameters of the request, in a few words. */
  note: string;
}

/** The scenes of an ad in a 3 × 3 grid, in black and white. */
export interface Storyboard extends Omit<Picture, 'kind' | 'note'> {
  kind: 'storyboard';
}

/**
 * The bytes of a file. `slice` takes the offset of the first byte and the one after the last, like `Buffer.subarray`.
 */
export interface ResultBytes {
  size: number;
  slice(start: number, end: number): Buffer;
}

export const video = ([width, height]: Size, seconds: string | number, hasSound: boolean): Video => ({
  kind: 'video',
  fixture: `${width}x${height}-${seconds}s${hasSound ? '' : '-silent'}.mp4`,
});

export const WATERMARK_REMOVED: Video = { kind: 'video', fixture: 'watermark-removed.mp4' };

export const swapSides = ([width, height]: Size): Size => [height, width];
