import type { CannedResponse, Rule } from '../../client/types.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { WireSample } from '../../openapi/wire-samples.ts';

/** The fields that people write themselves, the most telling first. */
const DISTINCTIVE_FIELDS = ['prompt', 'topic', 'adTheme', 'share_link', 'videoUrl', 'imageUrl'];
/** So much of a text a rule can look for. */
const MAX_CHARACTERS = 1000;
/** What recordings have in the place of a key. */
const KEY_PLACEHOLDER = '[key]';

/** The rule that gives a sample's answer once more, or why there can be none. */
export function ruleFromSample({ request, response }: WireSample): Rule | string {
  const { method = 'POST', path, text } = request;
  if (method !== 'POST') return `no rule strikes a request with ${method}`;
  const body = text === undefined ? request.body : parseJson(text);
  if (body === undefined) return 'a request that is no JSON is refused before any rule';
  if (Array.isArray(response.text)) return 'it has patterns in the place of a text';
  const contains = findDistinctiveText(body);
  const match = { endpoint: path, ...(contains !== undefined && { contains }) };
  return { at: 'request', match, effect: { answer: toCannedResponse(response) }, times: 1 };
}

function toCannedResponse({ status, contentType, headers, body, text }: WireSample['response']): CannedResponse {
  return {
    status,
    ...(contentType !== undefined && { contentType }),
    ...(headers && { headers }),
    // A text beside a body is what the body was to the byte.
    ...(text ? { text: text as string } : body !== undefined && { body }),
  };
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A text by which the request can be known again, as it stands in JSON. */
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
