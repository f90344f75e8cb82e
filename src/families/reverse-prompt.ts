import { z } from 'zod';
import { EmulatorError } from '../core/errors.ts';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import type { App } from '../http/context.ts';
import { defineFamily } from '../http/family.ts';
import { parseJsonBody, readChunks } from '../http/pipeline/body.ts';
import { COMMON_ERRORS, type ErrorTable } from '../http/pipeline/error-table.ts';
import { ifSchema, priceList, type RouteProvenance } from '../http/pipeline/route-docs.ts';
import { type AnalysisRequest, writeAnalysis } from '../texts/analysis.ts';
import { LOCALES, loadPhrases } from '../texts/phrases.ts';
import { StreamingFieldExtractor } from '../uploads/streaming-json-parser.ts';
import { VideoUpload } from '../uploads/upload.ts';
import { isPublicUrl } from './kit/request-fields.ts';
import { streamText } from './kit/text-stream.ts';

/** Video reverse prompt, a text stream. Source: vendor page "Video Reverse Prompt API". */
const FAMILY = 'reverse-prompt';
const PROVENANCE: RouteProvenance = {
  endpoint: 'documented',
  request: 'documented',
  responses: 'documented',
  codes: 'documented',
  prices: 'documented',
};

/** "1 credit per analysis." */
const PRICE = 1;

/** "Maximum file size: 30 MB (before Base64 encoding)." */
export const MAX_FILE_BYTES = 30 * 1024 * 1024;
/** Everything in the body but the file. */
const MAX_OTHER_FIELDS_BYTES = 1024 * 1024;
/** A body that no allowed file fits in is refused as FILE_TOO_LARGE without looking into it. */
const MAX_BODY_BYTES = (MAX_FILE_BYTES / 3) * 4 + MAX_OTHER_FIELDS_BYTES;

/** How long a model takes to watch a video and write about it; not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [18, 42], steps: [{ name: 'streaming', share: 1 }] };

/** A linked video is never fetched, so its length is drawn. */
const LINKED_VIDEO_DURATION_MS = { min: 8_000, max: 60_000 };

const MP4_NAME = /\.mp4$/i;
/** A reserved name that never resolves (RFC 2606): the way to make a download fail. */
const UNREACHABLE_HOST = /(^|\.)invalid\.?$/i;

const requireField = (field: string, rule: object) => ({ properties: { [field]: rule }, required: [field] });

export const Body = z
  .object({
    videoSource: z.enum(['youtube', 'url', 'file']),
    locale: z.enum(LOCALES).default('en'),
    videoUrl: z
      .string()
      .trim()
      .meta({ description: 'For `youtube` a link to a video, for `url` the address of an .mp4 file.' })
      .optional(),
    videoFile: z
      .instanceof(VideoUpload, { error: 'expected a base64 string' })
      .meta({
        type: 'string',
        description: 'For `file`: an MP4 of at most 30 MB in base64, plain or as a data URL.',
        'x-max-bytes': MAX_FILE_BYTES,
      })
      .optional(),
    videoFileName: z.string().trim().optional(),
  })
  .superRefine((body, ctx) => {
    const field = body.videoSource === 'file' ? 'videoFile' : 'videoUrl';
    const code = findErrorCode(body);
    if (code) ctx.addIssue({ code: 'custom', path: [field], message: code });
  })
  .meta(
    ifSchema(
      'videoSource',
      ['file'],
      requireField('videoFile', { minLength: 1 }),
      requireField('videoUrl', { pattern: '\\S' }),
    ),
  );
type Body = z.output<typeof Body>;

function findErrorCode({ videoSource, videoUrl, videoFile, videoFileName }: Body): string | undefined {
  switch (videoSource) {
    case 'youtube':
      if (!videoUrl) return 'INVALID_INPUT';
      return parseYoutubeId(videoUrl) ? undefined : 'INVALID_YOUTUBE_URL';
    case 'url':
      if (!videoUrl) return 'INVALID_INPUT';
      if (!isPublicUrl(videoUrl) || !MP4_NAME.test(new URL(videoUrl).pathname)) return 'INVALID_VIDEO_URL';
      return UNREACHABLE_HOST.test(new URL(videoUrl).hostname) ? 'VIDEO_DOWNLOAD_FAILED' : undefined;
    case 'file':
      if (!videoFile || videoFile.isEmpty) return 'INVALID_INPUT';
      if (!videoFile.isMp4 || (videoFileName && !MP4_NAME.test(videoFileName))) return 'INVALID_FORMAT';
      return videoFile.isTooLarge ? 'FILE_TOO_LARGE' : undefined;
  }
}

const YOUTUBE_HOST = /^(?:(?:www|m|music)\.)?(?:youtube\.com|youtube-nocookie\.com)$/;
const YOUTUBE_ID = /^[\w-]{11}$/;

/** The id in a link of the forms watch, youtu.be, shorts, embed and live; undefined: no link to a video. */
function parseYoutubeId(link: string): string | undefined {
  if (!isPublicUrl(link)) return undefined;
  const { hostname, pathname, searchParams } = new URL(link);
  const id = YOUTUBE_HOST.test(hostname)
    ? pathname === '/watch'
      ? searchParams.get('v')
      : /^\/(?:shorts|embed|live|v)\/([^/]+)\/?$/.exec(pathname)?.[1]
    : /^(?:www\.)?youtu\.be$/.test(hostname)
      ? /^\/([^/]+)\/?$/.exec(pathname)?.[1]
      : undefined;
  return id && YOUTUBE_ID.test(id) ? id : undefined;
}

const ERRORS: ErrorTable = {
  INVALID_INPUT: { status: 400, error: 'Missing required parameters' },
  INVALID_YOUTUBE_URL: { status: 400, error: 'Invalid YouTube URL' },
  INVALID_VIDEO_URL: { status: 400, error: 'Invalid video URL' },
  INVALID_FORMAT: { status: 400, error: 'Invalid MP4 format' },
  FILE_TOO_LARGE: { status: 400, error: 'File exceeds 30MB' },
  BODY_TOO_LARGE: { status: 400, errorCode: 'FILE_TOO_LARGE', error: 'File exceeds 30MB' },
  VIDEO_DOWNLOAD_FAILED: { status: 400, error: 'Video download failed' },
  INSUFFICIENT_CREDITS: { ...COMMON_ERRORS.INSUFFICIENT_CREDITS, provenance: 'documented' },
  VIDEO_PROCESSING_FAILED: { status: 422, error: 'Video processing failed' },
  AI_SERVICE_ERROR: { status: 503, error: 'AI service temporarily unavailable. Please try again later.' },
  SERVICE_UNAVAILABLE: { status: 503, error: 'Service temporarily unavailable. Please try again later.' },
};

export const reversePrompt = defineFamily({
  name: FAMILY,
  title: 'Reverse prompt',
  prices: PRICE,
  registerRoutes: (parent, context, price) => {
    const { fixturesDir } = context.settings;

    // In a context of its own, because here a JSON body is read in another way.
    void parent.register(async (instance) => {
      const app = instance as unknown as App;
      app.removeAllContentTypeParsers();
      app.addContentTypeParser('application/json', readUpload);

      app.post(
        '/api/sora-2/reverse-prompt',
        {
          schema: { body: Body },
          config: {
            kind: 'stream',
            errors: ERRORS,
            doc: {
              summary: 'Have a video described',
              provenance: PROVENANCE,
              responses: 'text',
              prices: { per: 'request', list: priceList(price) },
            },
          },
        },
        async (request, reply) => {
          const { videoFile, ...fields } = request.body;
          const input = { ...fields, videoFile: videoFile?.summary };
          const order = { family: FAMILY, price, input, template: TEMPLATE };
          return streamText(context, request, reply, order, (random) => {
            const drawnMs = random.int(LINKED_VIDEO_DURATION_MS.min / 100, LINKED_VIDEO_DURATION_MS.max / 100) * 100;
            const durationMs = fields.videoSource === 'file' ? videoFile?.durationMs : drawnMs;
            if (durationMs === undefined) {
              throw new EmulatorError('VIDEO_PROCESSING_FAILED', 'the uploaded video has no readable picture track');
            }
            const video: AnalysisRequest = {
              kind: fields.videoSource,
              name: getVideoName(fields),
              durationMs,
            };
            return writeAnalysis(video, loadPhrases(fields.locale, fixturesDir), random);
          });
        },
      );
    });
  },
});

/**
 * Decodes and parses the file while it arrives, so that an upload costs next to no memory: `videoFile` of the body it
 * resolves with is what was found out about the file.
 */
async function readUpload(
  request: Parameters<typeof readChunks>[0],
  payload: Parameters<typeof readChunks>[1],
): Promise<unknown> {
  const extractor = new StreamingFieldExtractor({
    field: 'videoFile',
    keepLimitBytes: MAX_OTHER_FIELDS_BYTES,
    sink: () => new VideoUpload(MAX_FILE_BYTES),
  });
  await readChunks(request, payload, MAX_BODY_BYTES, (chunk) => extractor.write(chunk));
  if (extractor.overflowed) throw new EmulatorError('BODY_TOO_LARGE', 'too much beside the file');
  const body = parseJsonBody(request, extractor.end());
  if (!extractor.sink) return body;
  await extractor.sink.end();
  return { ...(body as object), videoFile: extractor.sink };
}

/** What the text calls the video. */
function getVideoName({ videoSource, videoUrl = '', videoFileName = '' }: Omit<Body, 'videoFile'>): string {
  if (videoSource === 'file') return videoFileName;
  return videoSource === 'youtube' ? parseYoutubeId(videoUrl)! : new URL(videoUrl).pathname.split('/').at(-1)!;
}
