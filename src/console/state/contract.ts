import { signal } from '@preact/signals';
import type { Stage } from '../../client/types.ts';
import { requestJson } from './api.ts';

/** An endpoint of the API, as the contract document has it. */
export interface Endpoint {
  path: string;
  family: string;
  summary: string;
  codes: { code: string; status: number }[];
}

export interface Contract {
  endpoints: Endpoint[];
  families: string[];
  /** All codes that some endpoint documents, in order. */
  codes: string[];
  /** What can go wrong when. */
  effects: Record<Stage, string[]>;
}

/** What the forms know; undefined until it is read. */
export const contract = signal<Contract | undefined>(undefined);

interface Operation {
  tags: string[];
  summary: string;
  responses: Record<string, { 'x-error-codes'?: { code: string }[] }>;
}
interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
  tags: { name: string }[];
}
interface RuleSchema {
  properties: { at: { enum: Stage[] } };
  allOf: { if: object; then: { properties: { effect: { propertyNames: { enum: string[] } } } } }[];
}
interface ControlDocument {
  components: { schemas: { Rule: RuleSchema } };
}

/** Reads both documents, which need no token. */
export async function readContract(): Promise<void> {
  const [api, control] = await Promise.all([
    requestJson<ApiDocument>('GET', 'openapi.json'),
    requestJson<ControlDocument>('GET', '__admin/openapi.json'),
  ]);
  const endpoints = Object.entries(api.paths).flatMap(([path, { post }]) => (post ? [toEndpoint(path, post)] : []));
  contract.value = {
    endpoints,
    families: api.tags.map(({ name }) => name),
    codes: [...new Set(endpoints.flatMap(({ codes }) => codes.map(({ code }) => code)))].sort(),
    effects: parseEffects(control.components.schemas.Rule),
  };
}

const toEndpoint = (path: string, { tags, summary, responses }: Operation): Endpoint => ({
  ...{ path, family: tags[0] ?? '', summary },
  codes: Object.entries(responses).flatMap(([status, { 'x-error-codes': codes = [] }]) =>
    codes.map(({ code }) => ({ code, status: Number(status) })),
  ),
});

/** In the document it is said as: where `at` is one of these, the names of effects are these. */
function parseEffects({ properties, allOf }: RuleSchema): Contract['effects'] {
  const branchFor = (stage: Stage) => allOf.find((one) => JSON.stringify(one.if).includes(JSON.stringify(stage)));
  const entries = properties.at.enum.map((stage) => [
    stage,
    branchFor(stage)?.then.properties.effect.propertyNames.enum ?? [],
  ]);
  return Object.fromEntries(entries);
}

/** Where /docs tells of an endpoint, or of one of its answers. */
export const docsHref = ({ path, family }: Pick<Endpoint, 'path' | 'family'>, status?: number): string =>
  `docs#api/tag/${family}/POST${path}${status === undefined ? '' : `.responses.${status}`}`;

/** The endpoint that a request went to, and what its code means there. */
export function findEndpoint(path: string): Endpoint | undefined {
  return contract.value?.endpoints.find((endpoint) => endpoint.path === path.replace(/\?.*/, ''));
}
