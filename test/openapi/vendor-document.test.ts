import { readFileSync } from 'node:fs';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../src/families/index.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { listRegisteredRoutes } from '../support/routes.ts';
import { writeSeedFile } from '../support/seed-file.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON of every shape
type Json = any;

const DOCUMENTS = [
  ['/openapi.json', 'docs/openapi.json'],
  ['/__admin/openapi.json', 'docs/openapi-control-plane.json'],
] as const;

async function fetchDocument(path: string, flags: string[] = []): Promise<Json> {
  const { send } = await createTestEmulator(flags);
  const answer = await send('GET', path, { key: null, headers: { host: '127.0.0.1:6266' } });
  expect(answer.status).toBe(200);
  return answer.body;
}

describe.each(DOCUMENTS)('%s', (path, file) => {
  const url = new URL(`../../${file}`, import.meta.url);

  it(`equals ${file}, which npm run openapi writes`, async () => {
    expect(await fetchDocument(path)).toEqual(JSON.parse(readFileSync(url, 'utf8')));
  });

  it("passes Redocly's recommended rules", async () => {
    const config = await createConfig({ extends: ['recommended'] });
    const problems = await lintFromString({ source: JSON.stringify(await fetchDocument(path)), config });
    expect(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual([]);
  });

  it("passes Spectral's recommended rules", async () => {
    const linter = new spectral.Spectral();
    linter.setRuleset({ extends: [[rulesets.oas as never, 'recommended']] });
    expect(await linter.run(await fetchDocument(path))).toEqual([]);
  });

  it('does not require a key, and names the URL of the emulator', async () => {
    const { send } = await createTestEmulator(['--public-url', 'http://else:1']);
    const { body, headers } = await send('GET', path, { key: null, headers: { host: 'emulator:80' } });
    expect(body.servers[0].url).toBe('http://emulator:80');
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
  });
});

describe('vendor document', () => {
  it('has every route and an example of each error code', async () => {
    const { paths } = await fetchDocument('/openapi.json');
    expect(Object.keys(paths).sort()).toEqual(
      listRegisteredRoutes()
        .map(({ url }) => url)
        .sort(),
    );
    for (const { post } of Object.values<Json>(paths)) {
      for (const [status, response] of Object.entries<Json>(post.responses)) {
        if (status === '200') continue;
        const { examples } = response.content['application/json'];
        const exampleCodes = Object.values<Json>(examples).map(({ value }) => value.errorCode);
        expect(new Set(exampleCodes)).toEqual(new Set(response['x-error-codes'].map(({ code }: Json) => code)));
      }
    }
  });

  it('states the provenance of every part', async () => {
    const { paths } = await fetchDocument('/openapi.json');
    const PROVENANCE = /^(documented|observed|assumed)$/;
    for (const { post } of Object.values<Json>(paths)) {
      expect(post['x-source']).toMatch(PROVENANCE);
      const { schema } = post.requestBody.content['application/json'];
      for (const property of Object.values<Json>(schema.properties)) expect(property['x-source']).toMatch(PROVENANCE);
      if (post['x-prices']) expect(post['x-prices']['x-source']).toMatch(PROVENANCE);
      for (const response of Object.values<Json>(post.responses)) {
        expect(response['x-source'] ?? response['x-error-codes'].at(0)?.['x-source'] ?? 'assumed').toMatch(PROVENANCE);
        for (const one of response['x-error-codes'] ?? []) expect(one['x-source']).toMatch(PROVENANCE);
      }
    }
  });

  it('has the prices in effect of every family', async () => {
    const numbersOf = (prices: Json): number[] =>
      typeof prices === 'number' ? [prices] : Object.values(prices).flatMap(numbersOf);
    const { paths } = await fetchDocument('/openapi.json');
    for (const { name, prices } of FAMILIES) {
      const listed = Object.values<Json>(paths)
        .filter(({ post }) => post.tags[0] === name)
        .flatMap(({ post }) => post['x-prices']?.list ?? [])
        .map(({ credits }: Json) => credits);
      expect(listed.sort()).toEqual(numbersOf(prices).sort());
    }
    const changed = writeSeedFile({ prices: { 'seedance-1-5-pro': { '720p': { audio: { '8': 17 } } } } });
    const other = await fetchDocument('/openapi.json', ['--seed-file', changed]);
    expect(other.paths['/api/seedance-1-5-pro/generate'].post['x-prices'].list).toContainEqual({
      when: { resolution: '720p', generateAudio: true, duration: '8' },
      credits: 17,
    });
  });

  it('does not have the undocumented image fields', async () => {
    expect(JSON.stringify(await fetchDocument('/openapi.json'))).not.toContain('imageBase64');
  });
});
