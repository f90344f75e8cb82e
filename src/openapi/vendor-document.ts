import { type Family, getPrices, type Route } from '../http/family.ts';
import { type Price, type Provenance, toPriceList } from '../http/pipeline/route-docs.ts';
import { MAX_LIST_ITEMS } from '../http/pipeline/validation.ts';
import type { PriceOverrides } from '../http/prices.ts';
import { type Components, type Json, toJsonSchema, toSortedSchemas } from './json-schema.ts';
import { toResponsesObject } from './responses.ts';
import { toExamples, type WireSample } from './wire-samples.ts';

export interface VendorDocumentOptions {
  families: readonly Family[];
  priceOverrides: Readonly<Record<string, PriceOverrides>>;
  samples: readonly WireSample[];
  version: string;
  /** Maximum length of a text without a documented maximum. */
  maxTextLength: number;
  /** The emulator's own base URL. */
  url: string;
}

const PROVENANCE_MEANINGS: Record<Provenance, string> = {
  documented: 'stated on a vendor page',
  observed: 'found in the code of public clients',
  assumed: 'not known; chosen so that real clients work',
};

const DESCRIPTION = `The HTTP API of NanoPhoto.AI, as nanophoto-emulator implements it.

\`x-source\` is the provenance of each part: ${Object.entries(PROVENANCE_MEANINGS)
  .map(([provenance, meaning]) => `**${provenance}** ${meaning}`)
  .join('; ')}. Parts without one have that of their operation.

Tasks are submitted, charged at once and polled; failed tasks are refunded. Prices are in \`x-prices\`, in credits.`;

/** The vendor's API as an OpenAPI 3.1 document, made from the families. */
export function createVendorDocument(options: VendorDocumentOptions): Json {
  const { families, priceOverrides, samples, version, maxTextLength, url } = options;
  const components: Components = new Map();
  const paths = families.flatMap((family) =>
    family.routes.map((route) => {
      const { prices: priced } = route.docs;
      const prices = priced ? toPriceList(getPrices(family, priceOverrides), priced.by) : [];
      return [route.path, { post: toOperationObject(family.name, route, prices, samples, maxTextLength, components) }];
    }),
  );
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
          description: 'An API key. Every key has its own credits and rate limit.',
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
  RequestId: {
    description: 'The header of that name of the request, or a generated id. No vendor page mentions it.',
    schema: { type: 'string', pattern: '^[!-~]{1,128}$' },
    'x-source': 'assumed',
  },
  RateLimitLimit: createIntegerHeader(
    'Requests per hour. Keys without a limit do not get this header, nor the other two.',
  ),
  RateLimitRemaining: createIntegerHeader('Remaining requests in this hour.'),
  RateLimitReset: createIntegerHeader('Seconds until the hour ends and the limit is reset.'),
  RetryAfter: createIntegerHeader('Seconds until the next request is accepted.'),
};

function toOperationObject(
  family: string,
  route: Route,
  priceList: readonly Price[],
  samples: readonly WireSample[],
  maxTextLength: number,
  components: Components,
): Json {
  const { summary, provenance, prices } = route.docs;
  const routeSamples = samples.filter(
    ({ request: { path, method = 'POST', body } }) => path === route.path && method === 'POST' && body !== undefined,
  );
  const accepted = routeSamples.filter(({ response }) => response.status === 200);
  return {
    operationId: toOperationId(route.path),
    summary,
    description: describeCost(prices?.per, priceList),
    tags: [family],
    'x-source': provenance.endpoint,
    ...(prices && {
      'x-prices': { unit: 'credits', per: prices.per, 'x-source': provenance.prices, list: priceList },
    }),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: addLimits(toRequestSchema(route, components), maxTextLength),
          ...toExamples(accepted.filter(isShort), ({ request }) => request.body),
        },
      },
    },
    responses: toResponsesObject(route, priceList, routeSamples, components),
  };
}

function describeCost(unit: string | undefined, priceList: readonly Price[]): string {
  const amounts = priceList.map(({ credits }) => credits);
  const [min, max] = [Math.min(...amounts), Math.max(...amounts)];
  if (unit === undefined || max === 0) return 'Costs no credits.';
  const range = min === max ? `${min}` : `${min} to ${max}`;
  return `Costs ${range} ${max === 1 ? 'credit' : 'credits'} per ${unit}, charged at once; failed tasks are refunded.`;
}

/** Converts `/api/sora-2/check-status` to `sora2CheckStatus`. */
const toOperationId = (path: string) =>
  path.replace('/api/', '').replace(/[-/]+(\w)/g, (_, letter: string) => letter.toUpperCase());

function toRequestSchema({ body, docs }: Route, components: Components): Json {
  const { properties, ...rest } = toJsonSchema(body, 'input', components);
  const annotated = Object.entries(properties as Record<string, Json>).map(([name, property]) => [
    name,
    { 'x-source': docs.provenance.request, ...property },
  ]);
  return { ...rest, properties: Object.fromEntries(annotated) };
}

/** Adds the assumed limits of texts and lists without a documented limit; `x-limit` marks them. */
function addLimits(value: Json, maxTextLength: number): Json {
  if (Array.isArray(value)) return value.map((inner) => addLimits(inner, maxTextLength));
  if (typeof value !== 'object' || value === null) return value;
  const { type, maxLength, maxItems } = value;
  const isFile = 'x-max-bytes' in value;
  const limits =
    type === 'string' && !value.enum && maxLength === undefined && !isFile
      ? {
          ...{ maxLength: maxTextLength, 'x-length-unit': 'UTF-16 code units' },
          'x-limit': { setting: '--text-limit-characters', 'x-source': 'assumed' },
        }
      : type === 'array' && maxItems === undefined
        ? { maxItems: MAX_LIST_ITEMS, 'x-limit': { 'x-source': 'assumed' } }
        : {};
  const schema = Object.entries(value as Record<string, Json>).map(([name, inner]) => [
    name,
    name === 'default' || name === 'enum' ? inner : addLimits(inner, maxTextLength),
  ]);
  return { ...Object.fromEntries(schema), ...limits };
}

/** Samples with an uploaded file, written as `{{…}}`, are too long for an example. */
const isShort = ({ request }: WireSample) => !JSON.stringify(request.body).includes('{{');
