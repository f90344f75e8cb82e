import type { Json } from '../../openapi/json-schema.ts';
import type { Case, CaseContext } from '../case-context.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import { toCase, type Variant } from '../variants.ts';

interface Upload extends Omit<Variant, 'body'> {
  body: (context: CaseContext) => Json;
}

const createFileBody = (bytes: Buffer, more: object = {}) => ({
  videoSource: 'file',
  videoFile: bytes.toString('base64'),
  ...more,
});
const createDataUrlBody =
  (mediaType: string) =>
  ({ getFourSecondVideo }: CaseContext) => ({
    videoSource: 'file',
    videoFile: `data:${mediaType};base64,${getFourSecondVideo().toString('base64')}`,
  });
/** The file type box of an MP4 file and nothing else: a valid MP4 without a video track. */
const MP4_WITHOUT_VIDEO = Buffer.from('\0\0\0\x18ftypisom\0\0\x02\0isomiso2mp41', 'latin1').subarray(0, 24);

/** Pads a video to this many bytes with a `free` box, which players ignore. */
function padTo(video: Buffer, bytes: number): Buffer {
  const rest = Buffer.alloc(bytes - video.length);
  rest.writeUInt32BE(rest.length, 0);
  rest.write('free', 4, 'latin1');
  return Buffer.concat([video, rest]);
}

/** Forms of links to the same video, as sites and apps create them. The vendor's page only shows the form `watch`. */
const YOUTUBE_LINKS = {
  'youtu.be': 'https://youtu.be/W-15-UmGP5s?si=4fPzJ4m3xY1c2d3e',
  shorts: 'https://www.youtube.com/shorts/W-15-UmGP5s',
  embed: 'https://www.youtube.com/embed/W-15-UmGP5s',
  live: 'https://www.youtube.com/live/W-15-UmGP5s',
  mobile: 'https://m.youtube.com/watch?v=W-15-UmGP5s&t=10s',
};
const createLinkBody = (videoSource: string, videoUrl: string) => () => ({ videoSource, videoUrl });

const uploads = (maxBytes: number): Upload[] => [
  ...Object.entries(YOUTUBE_LINKS).map(([form, link]) => ({
    id: `youtube-${form}`,
    name: `a YouTube link of the form ${form} is accepted`,
    body: createLinkBody('youtube', link),
    provenance: 'assumed' as const,
  })),
  {
    id: 'youtube-channel',
    name: 'a YouTube link that is not a link to a video is rejected',
    body: createLinkBody('youtube', 'https://www.youtube.com/@nanophoto'),
    code: 'INVALID_YOUTUBE_URL',
    provenance: 'assumed',
  },
  {
    id: 'mp4-link-with-query',
    name: 'a link to an .mp4 file may have a query',
    body: createLinkBody('url', 'https://static.nanophoto.ai/demo/sk2-ad.mp4?token=abc&x=1'),
    provenance: 'assumed',
  },
  {
    id: 'mp4-in-query',
    name: 'a link with .mp4 only in its query is rejected',
    body: createLinkBody('url', 'https://static.nanophoto.ai/demo/nano-banana-pro.webp?as=video.mp4'),
    code: 'INVALID_VIDEO_URL',
    provenance: 'assumed',
  },
  {
    id: 'data-url',
    name: 'a file may be sent as a data URL',
    body: createDataUrlBody('video/mp4'),
    provenance: 'documented',
  },
  {
    id: 'other-media-type',
    name: 'a data URL with a media type other than MP4 is rejected',
    body: createDataUrlBody('video/webm'),
    code: 'INVALID_FORMAT',
    provenance: 'assumed',
  },
  {
    id: 'largest',
    name: `a file of ${maxBytes} bytes is accepted`,
    body: ({ getFourSecondVideo }) => createFileBody(padTo(getFourSecondVideo(), maxBytes)),
    provenance: 'documented',
  },
  {
    id: 'other-site',
    name: 'a link to a site other than YouTube is rejected',
    body: createLinkBody('youtube', 'https://vimeo.com/76979871'),
    code: 'INVALID_YOUTUBE_URL',
  },
  {
    id: 'no-mp4-link',
    name: 'a link to a file other than .mp4 is rejected',
    body: createLinkBody('url', 'https://static.nanophoto.ai/demo/nano-banana-pro.webp'),
    code: 'INVALID_VIDEO_URL',
  },
  {
    id: 'unreachable',
    name: 'a link to an unreachable host is rejected',
    body: createLinkBody('url', 'https://nowhere.invalid/video.mp4'),
    code: 'VIDEO_DOWNLOAD_FAILED',
    provenance: 'assumed',
  },
  {
    id: 'no-mp4-file',
    name: 'a file that is not an MP4 is rejected',
    body: () => createFileBody(Buffer.from('This is a text and not a video.')),
    code: 'INVALID_FORMAT',
  },
  {
    id: 'no-mp4-name',
    name: 'a file name with an extension other than .mp4 is rejected',
    body: ({ getFourSecondVideo }) => createFileBody(getFourSecondVideo(), { videoFileName: 'video.mov' }),
    code: 'INVALID_FORMAT',
    provenance: 'assumed',
  },
  {
    id: 'too-large',
    name: `a file of more than ${maxBytes} bytes is rejected`,
    body: ({ getFourSecondVideo }) => createFileBody(padTo(getFourSecondVideo(), maxBytes + 1)),
    code: 'FILE_TOO_LARGE',
  },
  {
    id: 'no-video',
    name: 'an MP4 without a video track is rejected',
    body: () => createFileBody(MP4_WITHOUT_VIDEO),
    code: 'VIDEO_PROCESSING_FAILED',
    provenance: 'assumed',
  },
];

/** Cases for the sources of a video to analyze: links and uploads that are accepted or rejected. */
export function uploadCases(validator: ContractValidator, path: string): Case[] {
  const { videoFile } = getProperties(validator.operationOf(path));
  if (!videoFile) return [];
  return uploads(videoFile['x-max-bytes']).map((upload) => toCase(validator, path, upload, upload.body));
}
