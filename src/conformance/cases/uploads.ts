import type { Provenance } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, assertRefused, type CaseContext } from '../case-context.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';

interface Upload {
  id: string;
  name: string;
  body: (context: CaseContext) => Json;
  /** Undefined: it is accepted. */
  code?: string;
  /** Where it is not the code's. */
  provenance?: Provenance;
}

const createFileBody = (bytes: Buffer, more: object = {}) => ({
  videoSource: 'file',
  videoFile: bytes.toString('base64'),
  ...more,
});
/** The beginning of an MP4 file, and nothing behind it: a file of its kind in which there is no video. */
const MP4_WITHOUT_VIDEO = Buffer.from('\0\0\0\x18ftypisom\0\0\x02\0isomiso2mp41', 'latin1').subarray(0, 24);

/** With what no reader looks at behind it, to be so many bytes long. */
function padTo(video: Buffer, bytes: number): Buffer {
  const rest = Buffer.alloc(bytes - video.length);
  rest.writeUInt32BE(rest.length, 0);
  rest.write('free', 4, 'latin1');
  return Buffer.concat([video, rest]);
}

/** Links to one video, as sites and apps give them; the vendor's page has the first form alone. */
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
    name: `a link to a YouTube video of the form ${form} is taken`,
    body: createLinkBody('youtube', link),
    provenance: 'assumed' as const,
  })),
  {
    id: 'youtube-channel',
    name: 'a link to YouTube that leads to no video is refused',
    body: createLinkBody('youtube', 'https://www.youtube.com/@nanophoto'),
    code: 'INVALID_YOUTUBE_URL',
    provenance: 'assumed',
  },
  {
    id: 'mp4-link-with-query',
    name: 'a link to an .mp4 file can have a query',
    body: createLinkBody('url', 'https://static.nanophoto.ai/demo/sk2-ad.mp4?token=abc&x=1'),
    provenance: 'assumed',
  },
  {
    id: 'mp4-in-query',
    name: 'a link that has .mp4 in its query alone is refused',
    body: createLinkBody('url', 'https://static.nanophoto.ai/demo/nano-banana-pro.webp?as=video.mp4'),
    code: 'INVALID_VIDEO_URL',
    provenance: 'assumed',
  },
  {
    id: 'data-url',
    name: 'a file can be sent as a data URL',
    body: ({ getFourSecondVideo }) => ({
      videoSource: 'file',
      videoFile: `data:video/mp4;base64,${getFourSecondVideo().toString('base64')}`,
    }),
    provenance: 'documented',
  },
  {
    id: 'other-media-type',
    name: 'a file that a data URL says to be no MP4 is refused',
    body: ({ getFourSecondVideo }) => ({
      videoSource: 'file',
      videoFile: `data:video/webm;base64,${getFourSecondVideo().toString('base64')}`,
    }),
    code: 'INVALID_FORMAT',
    provenance: 'assumed',
  },
  {
    id: 'largest',
    name: `a file of ${maxBytes} bytes is taken`,
    body: ({ getFourSecondVideo }) => createFileBody(padTo(getFourSecondVideo(), maxBytes)),
    provenance: 'documented',
  },
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
    provenance: 'assumed',
  },
  {
    id: 'no-mp4-file',
    name: 'a file that is no MP4 is refused',
    body: () => createFileBody(Buffer.from('This is a text, and no video at all.')),
    code: 'INVALID_FORMAT',
  },
  {
    id: 'no-mp4-name',
    name: 'a file with another ending than .mp4 is refused',
    body: ({ getFourSecondVideo }) => createFileBody(getFourSecondVideo(), { videoFileName: 'video.mov' }),
    code: 'INVALID_FORMAT',
    provenance: 'assumed',
  },
  {
    id: 'too-large',
    name: `a file of more than ${maxBytes} bytes is refused`,
    body: ({ getFourSecondVideo }) => {
      const video = getFourSecondVideo();
      return createFileBody(padTo(video, maxBytes + 1));
    },
    code: 'FILE_TOO_LARGE',
  },
  {
    id: 'no-video',
    name: 'an MP4 without a video in it is refused',
    body: () => createFileBody(MP4_WITHOUT_VIDEO),
    code: 'VIDEO_PROCESSING_FAILED',
    provenance: 'assumed',
  },
];

/** What is taken and what is refused of a video that is to be looked at. */
export function uploadCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  const { videoFile } = getProperties(operation);
  if (!videoFile) return [];
  return uploads(videoFile['x-max-bytes']).map(({ id, name, body, code, provenance }) => {
    const expectedError = code === undefined ? undefined : validator.getErrorCode(path, code);
    const ownProvenance = provenance ?? expectedError?.provenance ?? (operation['x-source'] as Provenance);
    return {
      id: `${path.slice('/api/'.length)}/${id}`,
      name: `${path}: ${name}`,
      provenance: ownProvenance,
      isFree: expectedError !== undefined && ownProvenance === 'documented',
      async check(context) {
        const response = await context.callAndValidate(path, body(context));
        if (expectedError) assertRefused(response, expectedError.status, code!);
        else assertAccepted(response);
      },
    };
  });
}
