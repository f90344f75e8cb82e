/** Width and height in pixels. */
export type Size = readonly [width: number, height: number];

/** What is in the file behind a result's URL. */
export type Content = Video | Picture | Storyboard;

export interface Video {
  kind: 'video';
  /** Its name among the fixtures. */
  fixture: string;
}

/** An image that says what was asked for. */
export interface Picture {
  kind: 'picture';
  size: Size;
  /** The model, as people call it. */
  model: string;
  prompt: string;
  taskId: string;
  /** What else was asked for, in a few words. */
  note: string;
}

/** The scenes of an ad, three by three, in black and white. */
export interface Storyboard extends Omit<Picture, 'kind' | 'note'> {
  kind: 'storyboard';
}

/** A file, ready to be sent: `slice` is told the first byte and the one after the last. */
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
