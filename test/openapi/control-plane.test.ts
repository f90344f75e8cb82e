import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
type Json = any;

const PATH = '/__admin/openapi.json';
const page = readFileSync(new URL('../../docs/control-plane.md', import.meta.url), 'utf8');
const [head, ...parts] = page.split(/^##+ /m);

const operationsOf = (document: Json): [string, Json][] =>
  Object.entries<Json>(document.paths).flatMap(([path, operations]) =>
    Object.entries<Json>(operations).map(([method, operation]): [string, Json] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

/** Its codes by status. */
function codesOf(document: Json, { responses }: Json): Record<string, string[]> {
  const told = Object.entries<Json>(responses).map(([status, { $ref, ...own }]) => {
    const { content = {} } = $ref ? document.components.responses[$ref.split('/').at(-1)] : own;
    return [status, Object.keys(content['application/json']?.examples ?? {})];
  });
  return Object.fromEntries(told.filter(([, codes]) => codes!.length > 0));
}

async function read(): Promise<Json> {
  const { get } = await createTestEmulator();
  return (await get(PATH)).body;
}

describe('the document of the control plane', () => {
  it('has every call of the page, with its status', async () => {
    const told = parts.flatMap((part) => {
      const [, call, status] = /^`(\w+ \S+)` → (\d+)\n/.exec(part) ?? [];
      return call ? [`${call} ${status}`] : [];
    });
    const documented = operationsOf(await read()).map(
      ([call, { responses }]) => `${call} ${Object.keys(responses).find((status) => status < '300')}`,
    );
    expect(documented.sort()).toEqual(told.sort());
  });

  it('has the codes of the page, each with an example and under its status', async () => {
    const document = await read();
    const common = [...head!.matchAll(/^\| (\d{3}) \|((?: `\w+`,?)+) \|/gm)].flatMap(([, status, codes]) =>
      [...codes!.matchAll(/\w+/g)].map(([code]) => `${status} ${code}`),
    );
    const seen = new Set<string>();
    for (const [call, operation] of operationsOf(document)) {
      const part = parts.find((one) => one.startsWith(`\`${call}\``))!;
      const own = [...part.matchAll(/\b([45]\d\d)((?:,?\s`[A-Z_]+`)+)/g)].flatMap(([, status, codes]) =>
        [...codes!.matchAll(/\w+/g)].map(([code]) => `${status} ${code}`),
      );
      const told = Object.entries(codesOf(document, operation)).flatMap(([status, codes]) =>
        codes.map((code) => `${status} ${code}`),
      );
      for (const code of told) seen.add(code);
      expect(told.filter((code) => !common.includes(code)).sort(), call).toEqual(own.sort());
    }
    expect(common.filter((code) => !seen.has(code))).toEqual([]);
  });

  it('is read without a token and from everywhere, and is nothing else than read', async () => {
    const { app, send } = await createTestEmulator(['--admin-token', 'very-secret']);
    const headers = { host: 'emulator:6266', origin: 'http://else.test' };
    const answer = await app.inject({ method: 'GET', url: PATH, remoteAddress: '10.0.0.5', headers });
    expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([200, '*']);
    expect((await send('POST', PATH, { key: null, body: {} })).status).toBe(401);
    const token = { 'x-admin-token': 'very-secret' };
    expect((await send('DELETE', PATH, { key: null, headers: token })).body.code).toBe('NOT_FOUND');
  });

  it('knows what stands for what is absent, and numbers as numbers', async () => {
    const { paths } = await read();
    const schemaOf = (path: string, name: string) =>
      paths[path].get.parameters.find((parameter: Json) => parameter.name === name).schema;
    const limit = { type: 'integer', minimum: 1, maximum: 1000, default: 100 };
    expect(schemaOf('/__admin/accounts', 'limit')).toEqual(limit);
    const wait = '/__admin/accounts/{key}/wait';
    expect(schemaOf(wait, 'timeoutMs')).toEqual({ ...limit, minimum: 0, maximum: 600_000, default: 10_000 });
    const { schema } = paths['/__admin/accounts/{key}/credits'].post.requestBody.content['application/json'];
    expect(schema.properties.reason.default).toBe('by the control plane');
  });
});
