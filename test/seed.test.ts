import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applySeed, readSeed } from '../src/seed.ts';
import { testCore } from './support/core.ts';
import { testEmulator } from './support/emulator.ts';
import { tempDir } from './support/temp-dir.ts';

const DEFAULTS = { rateLimit: 100, speed: 60, seed: 'nanophoto' };

function seedOf(content: unknown) {
  const file = join(tempDir(), 'seed.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return readSeed(file, DEFAULTS);
}

describe('the default seed file', () => {
  it('has the promised accounts', async () => {
    const { account } = await testEmulator();
    expect(account('np_test_default')).toMatchObject({
      balance: 1000,
      rateLimit: 100,
      clockMode: 'real',
      speed: 60,
    });
    expect(account('np_test_empty')).toMatchObject({ balance: 0 });
    expect(account('np_test_limited')).toMatchObject({ rateLimit: 3 });
    expect(account('np_test_unlimited')).toMatchObject({ rateLimit: null, balance: 1_000_000 });
    expect(account('np_test_auto')).toMatchObject({ clockMode: 'auto', balance: 1000 });
  });
});

describe('a seed file', () => {
  it('fills what an account does not say from its defaults, then from the settings', () => {
    const seed = seedOf({
      defaults: { credits: 5, speed: 2 },
      accounts: [
        { key: 'a' },
        { key: 'b', credits: 0, rateLimit: null, speed: 9, seed: 7 },
        { key: 'c', clock: { mode: 'frozen', now: '2026-01-01T00:00:00.000Z' } },
      ],
    });
    expect(seed.selfMade).toEqual({
      credits: 5,
      rateLimit: 100,
      clock: { mode: 'real' },
      speed: 2,
      seed: 'nanophoto',
    });
    expect(seed.accounts.map(({ profile }) => profile)).toMatchObject([
      { credits: 5, rateLimit: 100, speed: 2 },
      { credits: 0, rateLimit: null, speed: 9, seed: '7' },
      { clock: { mode: 'frozen', nowMs: Date.UTC(2026, 0, 1) } },
    ]);
  });

  it('gives accounts once: those of an earlier start keep what they have', () => {
    const core = testCore();
    const seed = readSeed(undefined, DEFAULTS);
    applySeed(core, seed);
    const { id } = core.accounts.find('np_test_default')!;
    core.ledger.grant(id, 5, 'more', 0);
    applySeed(core, seed);
    expect(core.accounts.find('np_test_default')!.balance).toBe(1005);
  });

  it.each([
    ['{', /is not valid JSON/],
    [[], /is wrong at its top: /],
    [{ acounts: [] }, /is wrong at its top: Unrecognized key: "acounts"/],
    [{ accounts: [{}] }, /is wrong at accounts\[0\]\.key: /],
    [{ accounts: [{ key: 'a b' }] }, /accounts\[0\]\.key: expected 1 to 200 visible ASCII characters/],
    [{ accounts: [{ key: 'a', credits: 1.5 }] }, /accounts\[0\]\.credits/],
    [{ accounts: [{ key: 'a', credits: -1 }] }, /accounts\[0\]\.credits/],
    [{ accounts: [{ key: 'a', rateLimit: 0 }] }, /accounts\[0\]\.rateLimit/],
    [{ accounts: [{ key: 'a', clock: 'fast' }] }, /accounts\[0\]\.clock/],
    [{ accounts: [{ key: 'a', credit: 5 }] }, /accounts\[0\]: Unrecognized key: "credit"/],
    [{ defaults: { speed: 0 } }, /defaults\.speed/],
    [{ accounts: [{ key: 'a' }, { key: 'a' }] }, /names the key a twice/],
  ])('is refused when it is %j, with the place of the mistake', (content, sentence) => {
    expect(() => seedOf(content)).toThrow(sentence);
  });
});
