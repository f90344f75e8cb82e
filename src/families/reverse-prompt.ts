import * as z from 'zod';
import { URL } from '../core/globals.ts';
import type { PlanTemplate } from '../core/tasks/plan.ts';
import { type BodyParser, defineFamily, defineRoute } from '../http/family.ts';
import { parseJsonBody, readBody } from '../http/pipeline/body.ts';
import { COMMON_ERRORS, createError, type ErrorCode, type ErrorTable } from '../http/pipeline/error-table.ts';
import { ifSchema, routeProvenance } from '../http/pipeline/route-docs.ts';
import { type AnalysisRequest, writeAnalysis } from '../texts/analysis.ts';
import { LOCALES, loadPhrases } from '../texts/phrases.ts';
import { StreamingFieldExtractor } from '../uploads/streaming-json-parser.ts';
import { VideoUpload } from '../uploads/upload.ts';
import { isPublicUrl, requestFields } from './kit/request-fields.ts';
import { streamText } from './kit/text-stream.ts';

const FAMILY = 'reverse-prompt';

/** "Maximum file size: 30 MB (before Base64 encoding)." */
const MAX_FILE_BYTES = 30 * 1024 * 1024;
/** Limit of the body without the file. */
const MAX_OTHER_FIELDS_BYTES = 1024 * 1024;
/** A larger body cannot hold an allowed file: it is rejected as FILE_TOO_LARGE without being parsed. */
const MAX_BODY_BYTES = (MAX_FILE_BYTES / 3) * 4 + MAX_OTHER_FIELDS_BYTES;

/** The time a model takes to analyze a video and describe it; not documented. */
const TEMPLATE: PlanTemplate = { typicalSeconds: [18, 42], steps: [{ name: 'streaming', share: 1 }] };

/** Linked videos are never fetched, so their duration is random. */
const LINKED_VIDEO_DURATION_MS = { min: 8_000, max: 60_000 };

const MP4_NAME = /\.mp4$/i;
/** Reserved names that never resolve (RFC 2606). A URL with one makes the download fail. */
const UNREACHABLE_HOST = /(^|\.)invalid\.?$/i;

const ERRORS = {
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
} satisfies ErrorTable;

const { createIssue } = requestFields(ERRORS);

const requireField = (field: string, rule: object) => ({ properties: { [field]: rule }, required: [field] });

const Body = z
  .object({
    videoSource: z.enum(['youtube', 'url', 'file']),
    locale: z.enum(LOCALES).default('en'),
    videoUrl: z
      .string()
      .trim()
      .meta({ description: 'For `youtube` a link to a video, for `url` the URL of an .mp4 file.' })
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
    if (code) ctx.addIssue(createIssue(code, field));
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

function findErrorCode({
  videoSource,
  videoUrl,
  videoFile,
  videoFileName,
}: Body): ErrorCode<typeof ERRORS> | undefined {
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
/** Embeds of a playlist and of a channel's live stream. Their names are as long as the id of a video. */
const EMBEDS_WITHOUT_ID = ['videoseries', 'live_stream'];

/** The video id of a watch, youtu.be, shorts, embed or live link; undefined for other URLs. */
function parseYoutubeId(link: string): string | undefined {
  if (!isPublicUrl(link)) return undefined;
  const { hostname, pathname, searchParams } = new URL(link);
  const id = YOUTUBE_HOST.test(hostname)
    ? /^\/watch\/?$/.test(pathname)
      ? searchParams.get('v')
      : /^\/(?:shorts|embed|live|v)\/([^/]+)\/?$/.exec(pathname)?.[1]
    : /^(?:www\.)?youtu\.be$/.test(hostname)
      ? /^\/([^/]+)\/?$/.exec(pathname)?.[1]
      : undefined;
  return id && YOUTUBE_ID.test(id) && !EMBEDS_WITHOUT_ID.includes(id) ? id : undefined;
}

/**
 * Decodes and probes the uploaded file while it arrives, so that an upload takes little memory. `videoFile` of the
 * returned body is a VideoUpload instead of the base64 text.
 */
const readUpload: BodyParser = async (request, payload) => {
  const extractor = new StreamingFieldExtractor({
    field: 'videoFile',
    keepLimitBytes: MAX_OTHER_FIELDS_BYTES,
    sink: () => new VideoUpload(MAX_FILE_BYTES),
  });
  await readBody(request, payload, MAX_BODY_BYTES, extractor);
  if (extractor.overflowed) throw createError(ERRORS, 'BODY_TOO_LARGE', 'the fields besides the file are too large');
  const body = parseJsonBody(request, extractor.end());
  if (!extractor.sink) return body;
  await extractor.sink.end();
  return { ...(body as object), videoFile: extractor.sink };
};

/** Video reverse prompt, a text stream. Source: vendor page "Video Reverse Prompt API". */
export const reversePrompt = defineFamily({
  name: FAMILY,
  title: 'Reverse prompt',
  /** "1 credit per analysis." */
  prices: 1,
  routes: [
    defineRoute({
      path: '/api/sora-2/reverse-prompt',
      kind: 'stream',
      body: Body,
      errors: ERRORS,
      docs: {
        summary: 'Describe a video',
        provenance: routeProvenance('documented'),
        responses: 'text',
        prices: { per: 'request', by: [] },
      },
      parseBody: readUpload,
      handle: async (context, request, reply, price: number) => {
        const { videoFile, ...fields } = request.body;
        const input = { ...fields, videoFile: videoFile?.summary };
        const order = { family: FAMILY, price, input, template: TEMPLATE };
        return streamText(context, request, reply, order, (random) => {
          const drawnMs = random.int(LINKED_VIDEO_DURATION_MS.min / 100, LINKED_VIDEO_DURATION_MS.max / 100) * 100;
          const durationMs = fields.videoSource === 'file' ? videoFile?.durationMs : drawnMs;
          if (durationMs === undefined) {
            throw createError(ERRORS, 'VIDEO_PROCESSING_FAILED', 'the uploaded video has no readable video track');
          }
          const video: AnalysisRequest = { kind: fields.videoSource, name: getVideoName(fields), durationMs };
          return writeAnalysis(video, loadPhrases(fields.locale, context.settings.fixturesDir), random);
        });
      },
    }),
  ],
});

/** The name of the video in the text. */
function getVideoName({ videoSource, videoUrl = '', videoFileName = '' }: Omit<Body, 'videoFile'>): string {
  if (videoSource === 'file') return videoFileName;
  return videoSource === 'youtube' ? parseYoutubeId(videoUrl)! : new URL(videoUrl).pathname.split('/').at(-1)!;
}
