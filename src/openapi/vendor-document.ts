import type { z } from 'zod';
import type { Family } from '../http/family.ts';
import type { ErrorTable } from '../http/pipeline/error-table.ts';
import type { Provenance, RouteDoc } from '../http/pipeline/route-docs.ts';
import { type Components, type Json, toJsonSchema, toSortedSchemas } from './json-schema.ts';
import { toResponsesObject } from './responses.ts';
import { toExamples, type WireSample } from './wire-samples.ts';

/** A route as it was registered, as far as the document tells of it. */
export interface DocumentedRoute {
  url: string;
  schema: { body: z.ZodType };
  config: { family: string; errors: ErrorTable; doc: RouteDoc };
}

export interface VendorDocumentOptions {
  routes: readonly DocumentedRoute[];
  families: readonly Family[];
  samples: readonly WireSample[];
  version: string;
  /** Where the emulator answers. */
  url: string;
}

const PROVENANCE_MEANINGS: Record<Provenance, string> = {
  documented: 'stated on a vendor page',
  observed: 'seen in the code of public clients',
  assumed: 'stated nowhere; chosen so that real clients work',
};

const DESCRIPTION = `The HTTP API of NanoPhoto.AI, as nanophoto-emulator answers it.

\`x-source\` says how well each part is known: ${Object.entries(PROVENANCE_MEANINGS)
  .map(([provenance, meaning]) => `**${provenance}** ${meaning}`)
  .join('; ')}. What is said of an operation holds for its parts that say nothing themselves.

Tasks are submitted, charged at once and polled; what fails is refunded. Prices are in \`x-prices\`, in credits.`;

/** The vendor's API as an OpenAPI 3.1 document, made of what its routes are registered with. */
export function createVendorDocument({ routes, families, samples, version, url }: VendorDocumentOptions): Json {
  const components: Components = new Map();
  const paths = routes.map((route) => [route.url, { post: toOperationObject(route, samples, components) }]);
  return {
    openapi: '3.1.1',
    info: {
      title: 'NanoPhoto.AI API',
      version,
      summary: 'AI video and image generation: submit, poll, fetch.',
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
      contact: { name: 'NanoPhoto.AI', email: 'support@nanophoto.ai', url: 'https://nanophoto.ai' },
    },
    servers: [
      { url, description: 'This emulator' },
      { url: 'https://nanophoto.ai', description: 'The real service' },
    ],
    security: [{ apiKey: [] }],
    tags: families.map(({ name, title }) => ({ name, description: title })),
    paths: Object.fromEntries(paths),
    components: {
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key. Every key has credits and a rate limit of its own.',
          'x-source': 'documented',
        },
      },
      headers: HEADERS,
      schemas: toSortedSchemas(components),
    },
    'x-rate-limit': { requests: 100, perSeconds: 3600, 'x-source': 'documented' },
    'x-sources': PROVENANCE_MEANINGS,
  };
}

const createIntegerHeader = (description: string) => ({
  description,
  schema: { type: 'integer', minimum: 0 },
  'x-source': 'assumed',
});
const HEADERS = {
  RateLimitLimit: createIntegerHeader('Requests an hour. Absent for keys without a limit, as the other two.'),
  RateLimitRemaining: createIntegerHeader('How many of them are left.'),
  RateLimitReset: createIntegerHeader('Seconds until they are all there again.'),
  RetryAfter: createIntegerHeader('Seconds until there is one again.'),
};

function toOperationObject(route: DocumentedRoute, samples: readonly WireSample[], components: Components): Json {
  const { doc, errors, family } = route.config;
  const routeSamples = samples.filter(
    ({ request: { path, method = 'POST', body } }) => path === route.url && method === 'POST' && body !== undefined,
  );
  const accepted = routeSamples.filter(({ response }) => response.status === 200);
  const { provenance, prices } = doc;
  return {
    operationId: toOperationId(route.url),
    summary: doc.summary,
    description: describeCost(prices),
    tags: [family],
    'x-source': provenance.endpoint,
    ...(prices && {
      'x-prices': { unit: 'credits', per: prices.per, 'x-source': provenance.prices, list: prices.list },
    }),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: toRequestSchema(route, components),
          ...toExamples(accepted.filter(isShort), ({ request }) => request.body),
        },
      },
    },
    responses: toResponsesObject(doc, errors, routeSamples, components),
  };
}

function describeCost(prices: RouteDoc['prices']): string {
  const amounts = (prices?.list ?? []).map(({ credits }) => credits);
  const [min, max] = [Math.min(...amounts), Math.max(...amounts)];
  if (prices === undefined || max === 0) return 'Costs no credits.';
  const range = min === max ? `${min}` : `${min} to ${max}`;
  const unit = max === 1 ? 'credit' : 'credits';
  return `Costs ${range} ${unit} a ${prices.per}, deducted at once and refunded for what fails.`;
}

/** `/api/sora-2/check-status` is `sora2CheckStatus`. */
const toOperationId = (url: string) =>
  url.replace('/api/', '').replace(/[-/]+(\w)/g, (_, letter: string) => letter.toUpperCase());

function toRequestSchema({ schema, config }: DocumentedRoute, components: Components): Json {
  const { properties, ...rest } = toJsonSchema(schema.body, 'input', components);
  const annotated = Object.entries(properties as Record<string, Json>).map(([name, property]) => [
    name,
    { 'x-source': config.doc.provenance.request, ...property },
  ]);
  return { ...rest, properties: Object.fromEntries(annotated) };
}

/** Those with a file in them are too long to be shown. */
const isShort = ({ request }: WireSample) => !JSON.stringify(request.body).includes('{{');
