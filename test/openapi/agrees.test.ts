import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
type Json = any;

const IMAGE = 'https://example.com/a.png';
const URLS = [
  ...['http://', 'https://?', 'HTTPS://EXAMPLE.COM/a', 'https://exämple.com/ü', 'https://a/b c', 'https://a b/'],
  ...['ftp://a/', '//a', 'https:///a', 'https://a/%zz', 'https://u:p@a/', ' https://a', 'https://a '],
  ...['https://[::1]/', 'https://[', 'https://a:99999/', 'data:image/png;base64,AA==', 'https:\\\\a', '/a.png'],
  ...['https://a/{x}', 'https://a/b|c', 'https://a/<b>', 'https://a/山'],
];
const TEXTS = [
  ...['', ' ', '\n', '\u3000', '\ufeff', '\u0085', '\u200b', '\0', 'x', ' x ', '10', '10 ', 'PORTRAIT'],
  ...['\ud800', 'a\udc00b', '🐕'],
  ...[500, 501, 1000, 1001].flatMap((count) => ['x', '山', '🐕'].map((one) => one.repeat(count))),
  ...['🐕'.repeat(250), '🐕'.repeat(251), `${' '.repeat(600)}x`],
];
const VALUES: Json[] = [
  ...[undefined, null, true, 0, 1, -1, 1.5, 10, 600, 601, 1e9, {}, { length: 1 }, { length: {} }],
  ...[[], [null], [''], ['x'], [[]], [1], ...[1, 2, 3, 4, 8, 9, 14, 15].map((count) => Array(count).fill(IMAGE))],
  ...TEXTS,
  IMAGE,
];
const WITH_URLS: Json[] = [...VALUES, ...URLS, ...URLS.map((url) => [url])];

/** To the other fields, a URL is a text like any other. */
const valuesFor = (field: string) => (/url|link/i.test(field) ? WITH_URLS : VALUES);

/** Requests with each value in each field, including the fields of the first object in a list. */
function* createVariants(schema: Json, base: Json): Generator<{ field: string; value: Json; body: Json }> {
  for (const [field, property] of Object.entries<Json>(schema.properties)) {
    for (const value of valuesFor(field)) yield { field, value, body: { ...base, [field]: value } };
    const [first, ...rest] = property.items?.properties ? base[field] : [];
    for (const inner of Object.keys(first ? property.items.properties : {}))
      for (const value of valuesFor(inner))
        yield { field: inner, value, body: { ...base, [field]: [{ ...first, [inner]: value }, ...rest] } };
  }
  for (const value of VALUES) yield { field: '', value, body: value };
}

/** Rules that a schema cannot express (docs/reference/contract.md): lengths in other units, invalid hosts, links. */
function isBeyondSchemas(value: Json, code: string, max: number | undefined): boolean {
  const [text] = Array.isArray(value) ? value : [value];
  if (typeof text !== 'string') return false;
  if (['INVALID_YOUTUBE_URL', 'INVALID_VIDEO_URL'].includes(code)) return true;
  return (max !== undefined && text.length > max) || (/^https?:\/\//.test(text) && !URL.canParse(text));
}

it('vendor document › accepts and rejects the same requests as the emulator', async () => {
  const { send, app } = await createTestEmulator(['--rate-limit', 'off']);
  const document = (await app.inject({ url: '/openapi.json' })).json();
  const ajv = new Ajv2020({ strict: false, validateSchema: false });
  formats.default(ajv);
  ajv.addSchema({ $id: 'contract', ...document });
  const disagreements: string[] = [];
  let acceptedCount = 0;
  for (const [path, { post }] of Object.entries<Json>(document.paths)) {
    const { schema, examples = {} } = post.requestBody.content['application/json'];
    const at = `contract#/paths/${path.replaceAll('/', '~1')}/post/requestBody/content/application~1json/schema`;
    const validate = ajv.compile({ $ref: at });
    const bodies = new Map(Object.values<Json>(examples).map(({ value }) => [Object.keys(value).join(), value]));
    for (const base of bodies.values())
      for (const { field, value, body } of createVariants(schema, base)) {
        if (body === undefined) continue;
        const sent = JSON.stringify(body);
        const answer = await send('POST', path, { body: sent });
        // Missing credits and unknown tasks are not in the schema.
        const isAccepted = ![400, 422].includes(answer.status);
        const isAllowed = validate(JSON.parse(sent));
        acceptedCount += Number(isAccepted);
        if (isAccepted === isAllowed) continue;
        const { maxLength: max } = schema.properties[field] ?? {};
        if (isAllowed && isBeyondSchemas(value, answer.body.errorCode, max)) continue;
        const side = isAccepted ? 'the emulator' : 'the document';
        disagreements.push(`${path}: only ${side} accepts ${field} ${JSON.stringify(value)?.slice(0, 80)}`);
      }
  }
  expect(disagreements).toEqual([]);
  expect(acceptedCount).toBeGreaterThan(500);
});
