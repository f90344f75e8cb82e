import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
type Json = any;

const PATH = '/__admin/openapi.json';
const page = readFileSync(new URL('../../docs/reference/control-plane.md', import.meta.url), 'utf8');
const [head, ...parts] = page.split(/^##+ /m);

const operationsOf = (document: Json): [string, Json][] =>
  Object.entries<Json>(document.paths).flatMap(([path, operations]) =>
    Object.entries<Json>(operations).map(([method, operation]): [string, Json] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

/** The error codes of an operation by status. */
function getCodes(document: Json, { responses }: Json): Record<string, string[]> {
  const codesByStatus = Object.entries<Json>(responses).map(([status, { $ref, ...own }]) => {
    const { content = {} } = $ref ? document.components.responses[$ref.split('/').at(-1)] : own;
    return [status, Object.keys(content['application/json']?.examples ?? {})];
  });
  return Object.fromEntries(codesByStatus.filter(([, codes]) => codes!.length > 0));
}

async function fetchDocument(): Promise<Json> {
  const { get } = await createTestEmulator();
  return (await get(PATH)).body;
}

describe('control-plane document', () => {
  it('has every operation of docs/reference/control-plane.md with its status', async () => {
    const described = parts.flatMap((part) => {
      const [, call, status] = /^`(\w+ \S+)` → (\d+)\n/.exec(part) ?? [];
      return call ? [`${call} ${status}`] : [];
    });
    const documented = operationsOf(await fetchDocument()).map(
      ([call, { responses }]) => `${call} ${Object.keys(responses).find((status) => status < '300')}`,
    );
    expect(documented.sort()).toEqual(described.sort());
  });

  it('has the error codes of docs/reference/control-plane.md, each with an example and its status', async () => {
    const document = await fetchDocument();
    const common = [...head!.matchAll(/^\| (\d{3}) \|((?: `\w+`,?)+) \|/gm)].flatMap(([, status, codes]) =>
      [...codes!.matchAll(/\w+/g)].map(([code]) => `${status} ${code}`),
    );
    const seen = new Set<string>();
    for (const [call, operation] of operationsOf(document)) {
      const part = parts.find((one) => one.startsWith(`\`${call}\``))!;
      const own = [...part.matchAll(/\b([45]\d\d)((?:,?\s`[A-Z_]+`)+)/g)].flatMap(([, status, codes]) =>
        [...codes!.matchAll(/\w+/g)].map(([code]) => `${status} ${code}`),
      );
      const documented = Object.entries(getCodes(document, operation)).flatMap(([status, codes]) =>
        codes.map((code) => `${status} ${code}`),
      );
      for (const code of documented) seen.add(code);
      expect(documented.filter((code) => !common.includes(code)).sort(), call).toEqual(own.sort());
    }
    expect(common.filter((code) => !seen.has(code))).toEqual([]);
  });

  it('can be read without a token and from any origin, but not written', async () => {
    const { app, send } = await createTestEmulator(['--admin-token', 'very-secret']);
    const headers = { host: 'emulator:6266', origin: 'http://else.test' };
    const answer = await app.inject({ method: 'GET', url: PATH, remoteAddress: '10.0.0.5', headers });
    expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([200, '*']);
    expect((await send('POST', PATH, { key: null, body: {} })).status).toBe(401);
    const token = { 'x-admin-token': 'very-secret' };
    expect((await send('DELETE', PATH, { key: null, headers: token })).body.code).toBe('NOT_FOUND');
  });

  it('states defaults and numeric types', async () => {
    const { paths } = await fetchDocument();
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
