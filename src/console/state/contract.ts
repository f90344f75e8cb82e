import { signal } from '@preact/signals';
import type { Stage } from '../../client/types.ts';
import { requestJson } from './api.ts';

/** An endpoint of the API, from the OpenAPI document. */
export interface Endpoint {
  path: string;
  family: string;
  summary: string;
  codes: { code: string; status: number }[];
}

export interface Contract {
  endpoints: Endpoint[];
  families: string[];
  /** The error codes of all endpoints, sorted. */
  codes: string[];
  /** The effects that a fault rule can have at each stage. */
  effects: Record<Stage, string[]>;
}

/** The endpoints and fault effects that the forms offer; undefined until loaded. */
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

/** Loads `contract` from both OpenAPI documents, which require no token. */
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

/** Reads the rule schema's if/then branches: if `at` is one of these stages, these effect names are allowed. */
function parseEffects({ properties, allOf }: RuleSchema): Contract['effects'] {
  const branchFor = (stage: Stage) => allOf.find((one) => JSON.stringify(one.if).includes(JSON.stringify(stage)));
  const entries = properties.at.enum.map((stage) => [
    stage,
    branchFor(stage)?.then.properties.effect.propertyNames.enum ?? [],
  ]);
  return Object.fromEntries(entries);
}

/** The address of an endpoint, or of one of its responses, in the API reference at /docs. */
export const docsHref = ({ path, family }: Pick<Endpoint, 'path' | 'family'>, status?: number): string =>
  `docs#api/tag/${family}/POST${path}${status === undefined ? '' : `.responses.${status}`}`;

/** The endpoint of a request path; undefined if unknown or not loaded yet. */
export function findEndpoint(path: string): Endpoint | undefined {
  return contract.value?.endpoints.find((endpoint) => endpoint.path === path.replace(/\?.*/, ''));
}
