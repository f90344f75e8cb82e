import type { CannedResponse, Rule } from '../../client/types.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { WireSample } from '../../openapi/wire-samples.ts';
import { parseBody } from '../http-client.ts';

/** Fields with text by the user, the most distinctive first. */
const DISTINCTIVE_FIELDS = ['prompt', 'topic', 'adTheme', 'share_link', 'videoUrl', 'imageUrl'];
/** The maximum length of a rule's `contains`. */
const MAX_CHARACTERS = 1000;
/** Replaces keys in recordings. */
const KEY_PLACEHOLDER = '[key]';

/** Creates a rule that replays the response of a sample once, or returns the reason why there cannot be one. */
export function ruleFromSample({ request, response, failure }: WireSample): Rule | string {
  if (failure !== undefined) return `the service gave no usable response: ${failure}`;
  const { method = 'POST', path, text } = request;
  if (method !== 'POST') return `rules only apply to POST requests, not to ${method}`;
  const body = text === undefined ? request.body : parseBody(text);
  if (body === undefined) return 'a request that is not JSON is rejected before any rule applies';
  if (Array.isArray(response.text)) return 'its response has patterns instead of a text';
  const contains = findDistinctiveText(body);
  const match = { endpoint: path, ...(contains !== undefined && { contains }) };
  return { at: 'request', match, effect: { answer: toCannedResponse(response) }, times: 1 };
}

function toCannedResponse({ status, contentType, headers, body, text }: WireSample['response']): CannedResponse {
  return {
    status,
    ...(contentType !== undefined && { contentType }),
    ...(headers && { headers }),
    // If a sample has both, `text` is the exact text of `body`.
    ...(text ? { text: text as string } : body !== undefined && { body }),
  };
}

/** Finds a text that identifies the request, escaped as in JSON. */
function findDistinctiveText(body: Json): string | undefined {
  const shots: Json[] = Array.isArray(body?.shots) ? body.shots : [];
  for (const field of DISTINCTIVE_FIELDS) {
    for (const value of [body, ...shots].map((one) => one?.[field])) {
      if (typeof value !== 'string') continue;
      const [longest] = value.split(KEY_PLACEHOLDER).sort((a, b) => b.length - a.length);
      if (longest) return JSON.stringify(longest).slice(1, -1).slice(0, MAX_CHARACTERS);
    }
  }
  return undefined;
}
