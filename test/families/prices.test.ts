import { describe, expect, it } from 'vitest';
import { createContractValidator } from '../../src/conformance/contract-validator.ts';
import { minimalBody } from '../../src/conformance/request-bodies.ts';
import { FAMILIES } from '../../src/families/index.ts';
import { toPriceList } from '../../src/http/pipeline/route-docs.ts';
import type { PriceTable } from '../../src/http/prices.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { writeSeedFile } from '../support/seed-file.ts';

const VIDEO = { prompt: 'a', mode: 'textToVideo' };
const SHOT = { prompt: 'a', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' };

/** Overrides for the first price of a table: it costs one credit more. */
function overrideFirst(prices: PriceTable): unknown {
  if (typeof prices === 'number') return prices + 1;
  const [[option, inner]] = Object.entries(prices) as [[string, PriceTable]];
  return { [option]: overrideFirst(inner) };
}

describe('prices of the seed file', () => {
  it.each(FAMILIES)('$name charges the overridden price and keeps the others', async ({ name, prices, routes }) => {
    const file = writeSeedFile({ prices: { [name]: overrideFirst(prices) } });
    const { post, get, createAccount, account } = await createTestEmulator(['--seed-file', file]);
    const validator = createContractValidator(JSON.parse((await get('/openapi.json')).text));
    const priced = routes.filter(({ docs }) => docs.prices);
    expect(priced.length).toBeGreaterThan(0);
    for (const { path, docs } of priced) {
      for (const [index, { when, credits }] of toPriceList(prices, docs.prices!.by).entries()) {
        const price = index === 0 ? credits + 1 : credits;
        const body = { ...minimalBody(validator, path), ...when };
        const key = `np_${index}`;
        createAccount(key, { credits: price, clock: { mode: 'frozen' } });
        expect((await post(path, body, key)).status, JSON.stringify(when)).toBe(200);
        expect(account(key).balance).toBe(0);
        const rejected = await post(path, body, key);
        if (price > 0) expect(rejected).toMatchObject({ status: 402, body: { requiredCredits: price } });
      }
    }
  });

  it('are charged for each shot', async () => {
    const { post, account } = await createTestEmulator([
      '--seed-file',
      writeSeedFile({ prices: { 'veo-3': { '720p': 11 } } }),
    ]);
    const shots = [
      { ...SHOT, id: 'a' },
      { ...SHOT, id: 'b' },
    ];
    expect((await post('/api/veo-3/generate', { shots })).status).toBe(200);
    expect(account('np_test_default').balance).toBe(1000 - 22);
  });

  it('do not change other families', async () => {
    const { post, account } = await createTestEmulator(['--seed-file', writeSeedFile({ prices: { 'sora-2': {} } })]);
    await post('/api/sora-2/generate', VIDEO);
    expect(account('np_test_default').balance).toBe(996);
  });

  it('can be zero', async () => {
    const file = writeSeedFile({ prices: { 'sora-2': { sora2: { '10': 0 } } } });
    const { post, core, account } = await createTestEmulator(['--seed-file', file]);
    const { status, body } = await post('/api/sora-2/generate', VIDEO, 'np_test_empty');
    expect(status).toBe(200);
    const { taskId } = body;
    core.tasks.fail(account('np_test_empty').id, taskId, 'GENERATION_FAILED');
    expect(core.ledger.entries(account('np_test_empty').id, 10)).toEqual([]);
  });
});
