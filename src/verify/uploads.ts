import type { Source } from '../http/doc.ts';
import type { Json } from '../openapi/schema.ts';
import { assertRefused, type Bench } from './bench.ts';
import type { Case } from './case.ts';
import { type Conformity, propertiesOf } from './conformity.ts';

interface Refusal {
  id: string;
  name: string;
  body: (bench: Bench) => Json;
  code: string;
  /** Where it is not the code's. */
  mark?: Source;
}

const file = (bytes: Buffer, more: object = {}) => ({
  videoSource: 'file',
  videoFile: bytes.toString('base64'),
  ...more,
});
/** The beginning of an MP4 file, and nothing behind it: a file of its kind in which there is no video. */
const NO_MOVIE = Buffer.from('\0\0\0\x18ftypisom\0\0\x02\0isomiso2mp41', 'latin1').subarray(0, 24);

const refusals = (mostBytes: number): Refusal[] => [
  {
    id: 'other-site',
    name: 'a link to another site than YouTube is refused',
    body: () => ({ videoSource: 'youtube', videoUrl: 'https://vimeo.com/76979871' }),
    code: 'INVALID_YOUTUBE_URL',
  },
  {
    id: 'no-mp4-link',
    name: 'a link to a file that is no .mp4 is refused',
    body: () => ({ videoSource: 'url', videoUrl: 'https://static.nanophoto.ai/demo/nano-banana-pro.webp' }),
    code: 'INVALID_VIDEO_URL',
  },
  {
    id: 'unreachable',
    name: 'a link that leads nowhere is refused',
    body: () => ({ videoSource: 'url', videoUrl: 'https://nowhere.invalid/video.mp4' }),
    code: 'VIDEO_DOWNLOAD_FAILED',
    mark: 'X',
  },
  {
    id: 'no-mp4-file',
    name: 'a file that is no MP4 is refused',
    body: () => file(Buffer.from('This is a text, and no video at all.')),
    code: 'INVALID_FORMAT',
  },
  {
    id: 'no-mp4-name',
    name: 'a file with another ending than .mp4 is refused',
    body: ({ videoOf4s }) => file(videoOf4s(), { videoFileName: 'video.mov' }),
    code: 'INVALID_FORMAT',
    mark: 'X',
  },
  {
    id: 'too-large',
    name: `a file of more than ${mostBytes} bytes is refused`,
    body: ({ videoOf4s }) => {
      const video = videoOf4s();
      return file(Buffer.concat([video, Buffer.alloc(mostBytes + 1 - video.length)]));
    },
    code: 'FILE_TOO_LARGE',
  },
  {
    id: 'no-video',
    name: 'an MP4 without a video in it is refused',
    body: () => file(NO_MOVIE),
    code: 'VIDEO_PROCESSING_FAILED',
    mark: 'X',
  },
];

/** What is refused of a video that is to be looked at. */
export function uploadCases(conformity: Conformity, path: string): Case[] {
  const { videoFile } = propertiesOf(conformity.operationOf(path));
  if (!videoFile) return [];
  return refusals(videoFile['x-max-bytes']).map(({ id, name, body, code, mark }) => {
    const known = conformity.codeOf(path, code);
    const ownMark = mark ?? known.mark;
    return {
      id: `${path.slice('/api/'.length)}/${id}`,
      name: `${path}: ${name}`,
      mark: ownMark,
      isFree: ownMark === 'D',
      check: async (bench) => assertRefused(await bench.conforming(path, body(bench)), known.status, code),
    };
  });
}
