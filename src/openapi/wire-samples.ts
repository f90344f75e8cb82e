import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from './json-schema.ts';

/** A request and its answer, as somebody documented or saw them: fixtures/wire has one in each file. */
export interface WireSample {
  /** Its family and its file: `sora-2/check-status-completed`. */
  id: string;
  /** One sentence. */
  name: string;
  /** Where it comes from. */
  source: string;
  provenance: Provenance;
  /** What has to be so before the request. */
  given?: {
    credits?: number;
    requestsBefore?: number;
    submitted?: { path: string; body: Json };
    submittedBy?: 'np_another';
    /** How often the submitted task has moved on to its next step. */
    changes?: number;
    ended?: 'completed' | 'failed';
    /** A code that no request can provoke. */
    refusal?: string;
  };
  /** `text`: what was sent instead of JSON. */
  request: { path: string; body?: Json; method?: string; text?: string };
  /** `text`: patterns that a streamed text matches, or the text itself as it was recorded. */
  response: {
    status: number;
    body?: Json;
    contentType?: string;
    text?: string | string[];
    headers?: Record<string, string>;
  };
  /** Of a recorded one: when, in which case of `verify`, and as which of its exchanges. */
  recordedAt?: string;
  case?: string;
  exchange?: number;
}

/** What a text has to match, whatever its words are. */
export const getTextPatterns = ({ text }: WireSample['response']): string[] => (Array.isArray(text) ? text : []);

/** For a document: samples by their names, each with what it is an example of. */
export function toExamples(samples: readonly WireSample[], render: (sample: WireSample) => Json): { examples?: Json } {
  if (samples.length === 0) return {};
  const examples = samples.map((sample) => [
    sample.id.split('/').at(-1),
    { summary: sample.name, value: render(sample), 'x-source': sample.provenance },
  ]);
  return { examples: Object.fromEntries(examples) };
}

/** All samples below a directory, in the order of their names. */
export function readSamples(dir: string): WireSample[] {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => parseWireSample(file.slice(0, -'.json'.length), readFileSync(join(dir, file), 'utf8')));
}

/** Earlier versions wrote provenance as a letter, in `mark`. */
const PROVENANCE_OF_MARK: Record<string, Provenance> = { D: 'documented', C: 'observed', X: 'assumed' };

/** Parses a sample file. `path` without its extension becomes the id, unless the file has one. */
export function parseWireSample(path: string, json: string): WireSample {
  const { mark, ...sample } = JSON.parse(json);
  return {
    id: path.replaceAll('\\', '/'),
    ...(mark !== undefined && { provenance: PROVENANCE_OF_MARK[mark] ?? mark }),
    ...sample,
  };
}
