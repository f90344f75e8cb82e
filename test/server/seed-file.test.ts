import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createInitialRulesSchema } from '../../src/control-plane/fault-rule-schema.ts';
import { readSeedFile } from '../../src/server/seed-file.ts';
import { buildDocument } from '../support/account-document.ts';
import { createTestCore } from '../support/core.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { writeSeedFile } from '../support/seed-file.ts';
import { tempDir } from '../support/temp-dir.ts';

const DEFAULTS = { rateLimit: 100, speed: 60, failureRate: 0.05, seed: 'nanophoto', clock: 'real' as const };

const seedOf = (content: unknown) => readSeedFile(writeSeedFile(content), DEFAULTS);

describe('default seed file', () => {
  it('has the documented accounts', async () => {
    const { account } = await createTestEmulator();
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

describe('seed file', () => {
  it('may start with a byte order mark', () => {
    expect(seedOf('\uFEFF{"accounts":[{"key":"a"}]}').accounts).toMatchObject([{ key: 'a' }]);
  });

  it('completes accounts from its defaults, then from the settings', () => {
    const seed = seedOf({
      defaults: { credits: 5, speed: 2 },
      accounts: [
        { key: 'a' },
        { key: 'b', credits: 0, rateLimit: null, speed: 9, failureRate: 0, seed: 7 },
        { key: 'c', clock: { mode: 'frozen', now: '2026-01-01T00:00:00.000Z' } },
      ],
    });
    expect(seed.newAccount).toEqual({
      credits: 5,
      rateLimit: 100,
      clock: { mode: 'real' },
      speed: 2,
      failureRate: 0.05,
      seed: 'nanophoto',
    });
    expect(seed.accounts.map(({ profile }) => profile)).toMatchObject([
      { credits: 5, rateLimit: 100, speed: 2, failureRate: 0.05 },
      { credits: 0, rateLimit: null, speed: 9, failureRate: 0, seed: '7' },
      { clock: { mode: 'frozen', nowMs: Date.UTC(2026, 0, 1) } },
    ]);
  });

  it('uses the default accounts with its own defaults when it has no accounts', () => {
    const builtIn = readSeedFile(undefined, DEFAULTS);
    expect(seedOf({})).toEqual(builtIn);
    const { accounts } = seedOf({ defaults: { credits: 7 } });
    expect(accounts.map(({ key }) => key)).toEqual(builtIn.accounts.map(({ key }) => key));
    expect(accounts.find(({ key }) => key === 'np_test_default')!.profile.credits).toBe(7);
    expect(accounts.find(({ key }) => key === 'np_test_empty')!.profile.credits).toBe(0);
    expect(seedOf({ accounts: [] }).accounts).toEqual([]);
  });

  it('creates accounts once: those of an earlier start are kept', () => {
    const core = createTestCore();
    const seed = readSeedFile(undefined, DEFAULTS);
    core.accounts.createMissing(seed.accounts);
    const { id } = core.accounts.find('np_test_default')!;
    core.ledger.grant(id, 5, 'more', 0);
    core.accounts.createMissing(seed.accounts);
    expect(core.accounts.find('np_test_default')!.balance).toBe(1005);
  });

  it.each([
    ['{', /is not valid JSON/],
    [[], /is invalid at the top level: /],
    [
      { acounts: [] },
      /is invalid at the top level: unknown field "acounts"; the fields are accounts, defaults, prices, \$schema\.$/,
    ],
    [{ accounts: [{}] }, /is invalid at accounts\[0\]\.key: /],
    [
      { accounts: [{ key: 'a', seed: { length: { toString: 1, valueOf: 1 } } }] },
      /is invalid at accounts\[0\]\.seed: /,
    ],
    [{ accounts: [{ key: 'a b' }] }, /accounts\[0\]\.key: expected 1 to 200 visible ASCII characters/],
    [{ accounts: [{ key: 'a', credits: 1.5 }] }, /accounts\[0\]\.credits/],
    [{ accounts: [{ key: 'a', credits: -1 }] }, /accounts\[0\]\.credits/],
    [{ accounts: [{ key: 'a', rateLimit: 0 }] }, /accounts\[0\]\.rateLimit/],
    [{ accounts: [{ key: 'a', clock: 'fast' }] }, /accounts\[0\]\.clock/],
    [{ accounts: [{ key: 'a', credit: 5 }] }, /accounts\[0\]: unknown field "credit"; the fields are key, credits, /],
    [{ defaults: { speed: 0 } }, /defaults\.speed: expected a number from 0\.000001 to 1000000\.$/],
    [{ accounts: [{ key: 'a', speed: 1e-300 }] }, /accounts\[0\]\.speed: expected a number from/],
    [{ defaults: { failureRate: 1.5 } }, /defaults\.failureRate: expected a number from 0 to 1\.$/],
    [{ accounts: [{ key: 'a', failureRate: null }] }, /accounts\[0\]\.failureRate: expected a number from 0 to 1\.$/],
    [{ accounts: [{ key: 'a' }, { key: 'a' }] }, /has the key a twice/],
    [
      {
        accounts: [
          {
            key: 'a',
            faults: [
              { at: 'task', effect: { hang: true } },
              { at: 'task', effect: {} },
            ],
          },
        ],
      },
      /accounts\[0\]\.faults\[1\]\.effect: expected at least one of errorCode, fail, hang, durationMs\.$/,
    ],
    [
      { accounts: [{ key: 'a', faults: [{ at: 'request', effect: { answer: { status: 99 } } }] }] },
      /accounts\[0\]\.faults\[0\]\.effect\.answer\.status: expected a whole number from 200 to 599\.$/,
    ],
    [
      {
        accounts: [{ key: 'a', faults: [{ at: 'request', effect: { fail: true }, match: { famly: 'x' } }] }],
      },
      /accounts\[0\]\.faults\[0\]\.match: unknown field "famly"; the fields are family, endpoint, contains\.$/,
    ],
    [{ accounts: [{ key: 'a', faults: {} }] }, /accounts\[0\]\.faults: /],
    [{ prices: 5 }, /is invalid at prices: expected an object with prices for sora-2, veo-3, /],
    [{ prices: { sora2: {} } }, /at prices: unknown field "sora2"; the fields are sora-2, veo-3, [\w, -]+\.$/],
    [{ prices: { 'veo-3': 10 } }, /at prices\.veo-3: expected an object with prices for 720p, 1080p, 4k\.$/],
    [{ prices: { 'veo-3': { '8k': 5 } } }, /at prices\.veo-3: unknown field "8k"; the fields are 720p, 1080p, 4k\.$/],
    [{ prices: { 'prompt-generator': { en: 2 } } }, /at prices\.prompt-generator: expected a whole number/],
    [{ prices: { 'sora-2': { sora2: { '10': 1.5 } } } }, /at prices\.sora-2\.sora2\.10: expected a whole number/],
    [{ prices: { 'sora-2': { sora2: { '10': '4' } } } }, /at prices\.sora-2\.sora2\.10: expected a whole/],
    [{ prices: { 'sora-2': { sora2: { '10': null } } } }, /at prices\.sora-2\.sora2\.10: expected a whole/],
    [{ prices: { 'reverse-prompt': -1 } }, /of credits from 0 to 1000000000\.$/],
    [{ prices: { 'reverse-prompt': 1e9 + 1 } }, /of credits from 0 to 1000000000\.$/],
  ])('is rejected when it is %j, with the location of the error', (content, sentence) => {
    expect(() => seedOf(content)).toThrow(sentence);
  });
});

describe('fault rules of seeded accounts', () => {
  const GENERATE = '/api/sora-2/generate';
  const VALID = { prompt: 'a dog', mode: 'textToVideo' };
  const teapot = { status: 418, text: 'short and stout' };
  const file = () =>
    writeSeedFile({
      accounts: [
        { key: 'np_test_odd', faults: [{ at: 'charge', effect: { answer: teapot }, times: 1 }] },
        { key: 'np_test_even' },
      ],
    });

  it('exist from the start, and again after a reset of the account or of all accounts', async () => {
    const { post, send, core, account } = await createTestEmulator(['--seed-file', file()]);
    const statuses = async () => {
      const statuses: number[] = [];
      for (let n = 0; n < 2; n++) statuses.push((await post(GENERATE, VALID, 'np_test_odd')).status);
      return statuses;
    };
    expect(await statuses()).toEqual([418, 200]);
    expect((await post(GENERATE, VALID, 'np_test_even')).status).toBe(200);
    for (const path of ['/__admin/accounts/np_test_odd/reset', '/__admin/reset']) {
      expect(await statuses()).toEqual([200, 200]);
      expect((await send('POST', path, { key: null })).status).toBe(200);
      expect(await statuses()).toEqual([418, 200]);
    }
    expect(core.faults.list(account('np_test_odd').id)).toMatchObject([{ times: 1, fired: 1 }]);
  });

  it('are limited in total, so that an import can hold an exported account', () => {
    const Rules = createInitialRulesSchema(z.string());
    const rule = 'x'.repeat(1024 * 1024 - 4);
    expect(Rules.safeParse(Array(32).fill(rule)).success).toBe(true);
    expect(Rules.safeParse([...Array(31).fill(rule), `${rule}x`]).error?.issues).toMatchObject([
      { message: 'expected at most 33554432 bytes in total' },
    ]);
  });

  it('are not created again by a later start with the same data', async () => {
    const flags = ['--seed-file', file(), '--data-dir', tempDir()];
    const first = await createTestEmulator(flags);
    expect((await first.post(GENERATE, VALID, 'np_test_odd')).status).toBe(418);
    await first.close();
    const second = await createTestEmulator(flags);
    expect((await second.post(GENERATE, VALID, 'np_test_odd')).status).toBe(200);
  });

  it('stop the start without storing anything when an error code is unknown', async () => {
    const rule = (errorCode: string) => ({ at: 'request', effect: { errorCode } });
    const seedFile = writeSeedFile({
      accounts: [{ key: 'a' }, { key: 'b', faults: [rule('VIDEO_PROCESSING_FAILED'), rule('NO_SUCH')] }],
    });
    const dataDir = tempDir();
    await expect(createTestEmulator(['--seed-file', seedFile, '--data-dir', dataDir])).rejects.toThrow(
      `The seed file ${seedFile} is invalid at accounts[1].faults[1].effect.errorCode: expected a documented error code.`,
    );
    const { account } = await createTestEmulator(['--data-dir', dataDir]);
    expect([account('a'), account('b')]).toEqual([undefined, undefined]);
  });
});

describe('documents of exports in the seed file', () => {
  const KEY = 'np_imported';
  const open = (content: unknown, flags: string[] = []) =>
    createTestEmulator(['--seed-file', writeSeedFile(content), ...flags]);

  it('are accounts among others, with the key of the first one as the default', async () => {
    const emulator = await open({ $schema: 'x', accounts: [buildDocument(), { key: 'other', credits: 3 }] });
    expect(emulator.firstKey).toBe(KEY);
    expect(emulator.account(KEY).balance).toBe(2);
    expect(emulator.account('other').balance).toBe(3);
    expect(emulator.core.tasks.find(emulator.account(KEY).id, 'task_two')).toMatchObject({ status: 'processing' });
  });

  it('can be the whole file', async () => {
    const emulator = await open({ $schema: 'x', ...buildDocument() });
    expect((await emulator.get('/__admin/accounts')).body.accounts).toMatchObject([{ key: KEY }]);
  });

  it('are the state to which a reset of the account or of all accounts returns', async () => {
    const emulator = await open({ accounts: [buildDocument(), { key: 'other' }] });
    const before = (await emulator.get(`/__admin/accounts/${KEY}/export`)).text;
    const changes: string[] = [];
    emulator.core.events.listen((event) => {
      if (event.type === 'account' && event.accountId === emulator.account(KEY)?.id) changes.push(event.change);
    });
    for (const path of [`/__admin/accounts/${KEY}/reset`, '/__admin/reset']) {
      await emulator.post(`/__admin/accounts/${KEY}/clock/advance`, { ms: 100_000 }, null);
      await emulator.post(`/__admin/accounts/${KEY}/faults`, { at: 'task', effect: { fail: true } }, null);
      expect((await emulator.post(path, {}, null)).status).toBe(200);
      expect((await emulator.get(`/__admin/accounts/${KEY}/export`)).text).toBe(before);
    }
    expect(changes).toEqual(['clock', 'faults', 'reset', 'clock', 'faults', 'reset']);
    await emulator.send('DELETE', `/__admin/accounts/${KEY}`, { key: null });
    await emulator.post('/__admin/reset', {}, null);
    expect((await emulator.get(`/__admin/accounts/${KEY}/export`)).text).toBe(before);
  });

  it('keep their state across restarts', async () => {
    const flags = ['--data-dir', tempDir()];
    const first = await open(buildDocument(), flags);
    await first.post(`/__admin/accounts/${KEY}/credits`, { amount: 7 }, null);
    await first.close();
    const second = await open(buildDocument(), flags);
    expect(second.account(KEY).balance).toBe(9);
  });

  it.each([
    [
      { ...buildDocument(), version: 2 },
      /seed\.json is invalid at version: expected 1; a newer emulator wrote version 2\.$/,
    ],
    [{ ...buildDocument(), tasks: undefined }, /seed\.json is invalid at tasks: it is missing\.$/],
    [
      { ...buildDocument(), defaults: {} },
      /seed\.json is invalid at the top level: unknown field "defaults"; the fields are /,
    ],
    [
      { ...buildDocument(), tasks: [] },
      /^The seed file \S+seed\.json is invalid at ledger\[1\]: the hold has no task\.$/,
    ],
    [
      { accounts: [{ key: 'a' }, { ...buildDocument(), tasks: [] }] },
      /^The seed file \S+seed\.json is invalid at accounts\[1\]\.ledger\[1\]: the hold has no task\.$/,
    ],
    [{ accounts: [buildDocument(), { key: KEY }] }, /has the key np_imported twice/],
    [{ accounts: [{ key: 'a' }, { ...buildDocument(), ledger: [{}] }] }, /at accounts\[1\]\.ledger\[0\]\.seq: /],
  ])('are refused with one sentence if they are invalid (%#)', async (content, sentence) => {
    await expect(open(content)).rejects.toThrow(sentence);
  });
});
