import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../core/json.ts';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from './json-schema.ts';

/** A documented or recorded request with its response. Each file in fixtures/wire is one. */
export interface WireSample {
  /** Its family and file name, such as `sora-2/check-status-completed`. */
  id: string;
  /** One sentence. */
  name: string;
  /** The vendor page or the recording that it is from. */
  source: string;
  provenance: Provenance | 'recorded';
  /** The state that the sample requires before its request. */
  given?: {
    credits?: number;
    requestsBefore?: number;
    submitted?: { path: string; body: Json };
    submittedBy?: 'np_another';
    /** The request has no valid key. */
    unauthorized?: true;
    /** The number of step changes of the submitted task before the request. */
    changes?: number;
    ended?: 'completed' | 'failed';
    /** The outcomes of tasks, if `submitted` created several, by their placeholders such as `task_abc123_2`. */
    endedTasks?: Record<string, 'completed' | 'failed'>;
    /** An error code that no request can cause, so the test injects it. */
    refusal?: string;
  };
  /**
   * `text` is a body that is not JSON. `contentType` is only stated if it is not `application/json`; it is empty for a
   * body without a content type.
   */
  request: { path: string; body?: Json; method?: string; text?: string; contentType?: string };
  /** `text` is a list of patterns that a streamed text matches, or a recorded text. */
  response: {
    status: number;
    body?: Json;
    contentType?: string;
    text?: string | string[];
    headers?: Record<string, string>;
  };
  /** Only recordings: the time, the case of `verify`, and the number of the exchange in that case. */
  recordedAt?: string;
  case?: string;
  exchange?: number;
  /** Only recordings: why the service gave no usable response. `response` is that of `exec --record` itself. */
  failure?: string;
  /** Only recordings: why `drift` cannot send the request again. */
  notRepeatable?: string;
}

/** The patterns that a streamed text must match. */
export const getTextPatterns = ({ text }: WireSample['response']): string[] => (Array.isArray(text) ? text : []);

/** Converts samples to OpenAPI examples by name. `render` picks the part that the example shows. */
export function toExamples(samples: readonly WireSample[], render: (sample: WireSample) => Json): { examples?: Json } {
  if (samples.length === 0) return {};
  const examples = samples.map((sample) => [
    sample.id.split('/').at(-1),
    { summary: sample.name, value: render(sample), 'x-source': sample.provenance },
  ]);
  return { examples: Object.fromEntries(examples) };
}

/** Reads all samples below a directory, sorted by name. */
export function readSamples(dir: string): WireSample[] {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => parseWireSample(file.slice(0, -'.json'.length), readFileSync(join(dir, file), 'utf8')));
}

/** Deeper than any body of the API. Recordings of other servers may be nested up to here. */
const MAX_NESTING = 64;

/** Earlier versions wrote provenance as a letter in `mark`. */
const PROVENANCE_OF_MARK: Record<string, Provenance> = { D: 'documented', C: 'observed', X: 'assumed' };

/** Parses a sample file. Without an id of its own, its id is `path` without the extension. @throws Error if invalid */
export function parseWireSample(path: string, json: string): WireSample {
  const { mark, ...sample } = parseJson(json, { maxNesting: MAX_NESTING }) as Json;
  return {
    id: path.replaceAll('\\', '/'),
    ...(mark !== undefined && { provenance: PROVENANCE_OF_MARK[mark] ?? mark }),
    ...sample,
  };
}
