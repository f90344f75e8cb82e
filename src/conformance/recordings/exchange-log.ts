import { createHash } from 'node:crypto';
import { createCredentialRedactor, redactDeep } from '../../http/redaction.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { WireSample } from '../../openapi/wire-samples.ts';
import { isInProgress } from '../assertions.ts';
import type { CaseInfo, Exchange } from '../case-context.ts';

/** Response headers that are recorded: the ones about rate limits. */
const RECORDED_HEADERS = /^(x-ratelimit-.+|retry-after)$/;
const MAX_INLINE_CHARACTERS = 200;
/** Text in base64. Prose does not match: it has spaces. */
const BASE64 = /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/-]+={0,2}$/;

export type RecordedSample = Omit<WireSample, 'id'> & { recordedAt: string; case: string; exchange: number };

export type ExchangeLog = ReturnType<typeof createExchangeLog>;

/**
 * Returns a function that converts an exchange with the server at `url` to the name, source, request and response of a
 * sample. It redacts keys and signed URLs, and replaces uploads with their size.
 */
export function createSampleConverter(url: string, getFourSecondVideo: () => Buffer) {
  const { origin, pathname } = new URL(url);
  const source = `Recorded from ${(origin + pathname).replace(/\/+$/, '')}`;
  const fourSecondUpload = getFourSecondVideo().toString('base64');
  return (exchange: Exchange, name: string, keys: Iterable<string>) => {
    const { failure, notRepeatable } = exchange;
    const sample = {
      ...{ name, source: failure === undefined ? source : 'The response of exec --record' },
      ...(failure !== undefined && { failure }),
      ...(notRepeatable !== undefined && { notRepeatable }),
      ...{ request: toSampleRequest(exchange), response: toSampleResponse(exchange) },
    };
    const withoutUploads = replaceUploads(sample, exchange.requestBody, fourSecondUpload);
    return redactDeep(withoutUploads, createCredentialRedactor(keys));
  };
}

/**
 * Converts exchanges to samples, case by case.
 *
 * @param options.keys Keys to redact in addition to those that the requests use.
 */
export function createExchangeLog(options: {
  url: string;
  keys: readonly string[];
  nowMs: () => number;
  getFourSecondVideo: () => Buffer;
}) {
  const toSample = createSampleConverter(options.url, options.getFourSecondVideo);
  const cases = new Map<string, { count: number; lastPoll: string | undefined; keys: Set<string> }>();

  return {
    /**
     * Adds an exchange. While a task is in progress, each poll replaces the previous one. Returns undefined for an
     * incomplete response, which is not recorded.
     */
    add(exchange: Exchange, { id, name }: CaseInfo): RecordedSample | undefined {
      if (!exchange.response.isWhole) return undefined;
      const known = cases.get(id) ?? { count: 0, lastPoll: undefined, keys: new Set(options.keys) };
      if (exchange.key !== null) known.keys.add(exchange.key);
      const digest = getRequestDigest(exchange);
      const lastPoll = isInProgress(exchange.response) ? digest : undefined;
      cases.set(id, { ...known, count: known.count + (known.lastPoll === digest ? 0 : 1), lastPoll });
      const { request, response, ...metadata } = toSample(exchange, name, known.keys);
      return {
        ...metadata,
        provenance: 'recorded',
        recordedAt: new Date(options.nowMs()).toISOString(),
        case: id,
        exchange: cases.get(id)!.count,
        request,
        response,
      };
    },
  };
}

/** Identifies equal requests. Keeping whole exchanges would add up: bodies and responses can be large. */
export const getRequestDigest = ({ method, path, requestBody }: Exchange) =>
  createHash('sha256')
    .update(JSON.stringify([method, path, requestBody]))
    .digest('base64');

function toSampleRequest({
  method,
  path,
  requestBody,
  isRawText: isText,
  contentType,
}: Exchange): WireSample['request'] {
  return {
    ...(method !== 'POST' && { method }),
    path,
    ...(contentType !== undefined && { contentType }),
    ...(requestBody !== undefined && (isText ? { text: requestBody } : { body: requestBody })),
  };
}

function toSampleResponse({ response: { status, headers, text, body } }: Exchange): WireSample['response'] {
  const contentType = headers.get('content-type');
  const recordedHeaders = [...headers].filter(([name]) => RECORDED_HEADERS.test(name));
  return {
    status,
    ...(contentType !== null && { contentType }),
    ...(recordedHeaders.length > 0 && { headers: Object.fromEntries(recordedHeaders) }),
    ...(body !== undefined && { body }),
    // Also records the exact text if serializing the parsed JSON does not reproduce it, for example its white space.
    ...((body === undefined || JSON.stringify(body) !== text) && { text }),
  };
}

/** Replaces uploads with placeholders in the request, and in a response that repeats them. */
function replaceUploads<T>(sample: T, requestBody: Json, fourSecondUpload: string): T {
  const uploads = new Map<string, string>();
  JSON.stringify(requestBody, (name, value) => {
    if (typeof value !== 'string' || value.length <= MAX_INLINE_CHARACTERS) return value;
    const isUpload = name === 'videoFile' || /^data:[^,]*;base64,/.test(value) || BASE64.test(value);
    if (!isUpload) return value;
    const bytes = Buffer.byteLength(value.replace(/^data:[^,]*,/, ''), 'base64');
    uploads.set(value, value === fourSecondUpload ? '{{video of 4 s}}' : `{{file of ${bytes} bytes}}`);
    return value;
  });
  if (uploads.size === 0) return sample;
  return redactDeep(sample, (text) =>
    [...uploads].reduce((rest, [upload, placeholder]) => rest.replaceAll(upload, placeholder), text),
  );
}
