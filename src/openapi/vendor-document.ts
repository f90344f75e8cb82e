import type { z } from 'zod';
import type { Family } from '../http/family.ts';
import type { Problems } from '../http/pipeline/errors.ts';
import type { RouteDoc, Source } from '../http/pipeline/route-docs.ts';
import { type Components, type Json, jsonSchemaOf, schemasOf } from './json-schema.ts';
import { responsesOf } from './responses.ts';
import { examplesOf, type WireSample } from './wire-samples.ts';

/** A route as it was registered, as far as the document tells of it. */
export interface DocumentedRoute {
  url: string;
  schema: { body: z.ZodType };
  config: { family: string; problems: Problems; doc: RouteDoc };
}

export interface VendorDocumentParts {
  routes: readonly DocumentedRoute[];
  families: readonly Family[];
  samples: readonly WireSample[];
  version: string;
  /** Where the emulator answers. */
  url: string;
}

const SOURCES: Record<Source, string> = {
  D: 'documented on a vendor page',
  C: 'known from public client code',
  X: 'stated nowhere: an assumption, chosen so that real clients work',
};

const DESCRIPTION = `The HTTP API of NanoPhoto.AI, as nanophoto-emulator answers it.

\`x-source\` says how well each part is known: ${Object.entries(SOURCES)
  .map(([mark, meaning]) => `**${mark}** ${meaning}`)
  .join('; ')}. What is said of an operation holds for its parts that say nothing themselves.

Tasks are submitted, charged at once and polled; what fails is refunded. Prices are in \`x-prices\`, in credits.`;

/** The vendor's API as an OpenAPI 3.1 document, made of what its routes are registered with. */
export function vendorDocument({ routes, families, samples, version, url }: VendorDocumentParts): Json {
  const components: Components = new Map();
  const paths = routes.map((route) => [route.url, { post: operationOf(route, samples, components) }]);
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
          'x-source': 'D',
        },
      },
      headers: HEADERS,
      schemas: schemasOf(components),
    },
    'x-rate-limit': { requests: 100, perSeconds: 3600, 'x-source': 'D' },
    'x-sources': SOURCES,
  };
}

const whole = (description: string) => ({
  description,
  schema: { type: 'integer', minimum: 0 },
  'x-source': 'X',
});
const HEADERS = {
  RateLimitLimit: whole('Requests an hour. Absent for keys without a limit, as the other two.'),
  RateLimitRemaining: whole('How many of them are left.'),
  RateLimitReset: whole('Seconds until they are all there again.'),
  RetryAfter: whole('Seconds until there is one again.'),
};

function operationOf(route: DocumentedRoute, samples: readonly WireSample[], components: Components): Json {
  const { doc, problems, family } = route.config;
  const own = samples.filter(
    ({ request: { path, method = 'POST', body } }) =>
      path === route.url && method === 'POST' && body !== undefined,
  );
  const accepted = own.filter(({ response }) => response.status === 200);
  const { sources, prices } = doc;
  return {
    operationId: operationIdOf(route.url),
    summary: doc.summary,
    description: costOf(prices),
    tags: [family],
    'x-source': sources.endpoint,
    ...(prices && {
      'x-prices': { unit: 'credits', per: prices.per, 'x-source': sources.prices, list: prices.list },
    }),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: requestSchemaOf(route, components),
          ...examplesOf(accepted.filter(isShort), ({ request }) => request.body),
        },
      },
    },
    responses: responsesOf(doc, problems, own, components),
  };
}

function costOf(prices: RouteDoc['prices']): string {
  const amounts = (prices?.list ?? []).map(({ credits }) => credits);
  const [least, most] = [Math.min(...amounts), Math.max(...amounts)];
  if (prices === undefined || most === 0) return 'Costs no credits.';
  const range = least === most ? `${least}` : `${least} to ${most}`;
  const unit = most === 1 ? 'credit' : 'credits';
  return `Costs ${range} ${unit} a ${prices.per}, deducted at once and refunded for what fails.`;
}

/** `/api/sora-2/check-status` is `sora2CheckStatus`. */
const operationIdOf = (url: string) =>
  url.replace('/api/', '').replace(/[-/]+(\w)/g, (_, letter: string) => letter.toUpperCase());

function requestSchemaOf({ schema, config }: DocumentedRoute, components: Components): Json {
  const { properties, ...rest } = jsonSchemaOf(schema.body, 'input', components);
  const marked = Object.entries(properties as Record<string, Json>).map(([name, property]) => [
    name,
    { 'x-source': config.doc.sources.request, ...property },
  ]);
  return { ...rest, properties: Object.fromEntries(marked) };
}

/** Those with a file in them are too long to be shown. */
const isShort = ({ request }: WireSample) => !JSON.stringify(request.body).includes('{{');
