import { describe, expect, it, vi } from 'vitest';
import { createTestEmulator } from '../support/emulator.ts';
import { itRejects } from '../support/refusals.ts';
import { writeSeedFile } from '../support/seed-file.ts';

const PATH = '/api/sora/remove-watermark';
const LINK = 'https://sora.chatgpt.com/p/s_68e1f0a2b3c4';
const priced = () => createTestEmulator(['--seed-file', writeSeedFile({ prices: { 'sora-watermark': 5 } })]);

describe('Sora watermark removal', () => {
  it.each(['frozen', 'auto'] as const)('responds at once on a %s clock', async (mode) => {
    const { post, createAccount, core } = await createTestEmulator();
    const { id } = createAccount('k', { clock: { mode }, credits: 0 });
    const answer = await post(PATH, { share_link: LINK }, 'k');
    expect(answer.status).toBe(200);
    expect(answer.text).toMatch(
      /^\{"success":true,"status":"completed","url":"http:\/\/localhost:80\/media\/sora\/watermark-remover\/[0-9a-f]{32}\.mp4"\}$/,
    );
    expect(core.tasks.list(id, 10)).toMatchObject([{ family: 'sora-watermark', status: 'completed', price: 0 }]);
    expect(core.ledger.entries(id, 10)).toEqual([]);
  });

  it('responds after its simulated time divided by speed on a real clock', async () => {
    const { post, createAccount, core, clock } = await createTestEmulator();
    const { id } = createAccount('k', { speed: 10, rateLimit: null });
    const submitted = vi.spyOn(core.tasks, 'submitSynchronous');
    const ends: number[] = [];
    for (let index = 0; index < 30; index++) {
      let hasResponded = false;
      const answer = post(PATH, { share_link: LINK }, 'k').then((one) => {
        hasResponded = true;
        return one;
      });
      await vi.waitUntil(() => core.accounts.get(id).taskCount === index + 1, { interval: 1 });
      const task = core.tasks.list(id, 1, index)[0]!;
      clock.advance(task.plan.endMs / 10 - 1);
      await new Promise(setImmediate);
      expect(hasResponded).toBe(false);
      clock.advance(1);
      expect((await answer).body.status).toBe('completed');
      expect(core.tasks.find(id, task.id)).toMatchObject({
        status: 'completed',
        simulatedMs: task.plan.endMs,
      });
      ends.push(task.plan.endMs / 1000);
    }
    expect(submitted.mock.lastCall![1].template.typicalSeconds).toEqual([5, 20]);
    expect(Math.min(...ends)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...ends)).toBeLessThanOrEqual(20);
    expect(new Set(ends).size).toBeGreaterThan(5);
  });

  it('returns the same URL for the same link and key only', async () => {
    const { post } = await createTestEmulator();
    const other = await createTestEmulator(['--seed', 'something else']);
    const url = async (share_link: string, key: string, from = post) =>
      (await from(PATH, { share_link }, key)).body.url as string;
    const first = await url(LINK, 'np_test_auto');
    expect(await url(LINK, 'np_test_auto')).toBe(first);
    expect(await url(`  ${LINK}\n`, 'np_test_auto')).toBe(first);
    expect(await url(LINK, 'np_test_frozen')).not.toBe(first);
    expect(await url(LINK, 'np_test_auto', other.post)).toBe(first);
    expect(await url(`${LINK}x`, 'np_test_auto')).not.toBe(first);
  });

  it('accepts a link without a scheme or with a query', async () => {
    const { post } = await createTestEmulator();
    for (const share_link of ['sora.chatgpt.com/p/s_1', `${LINK}?psh=abc`, `look: ${LINK}`])
      expect((await post(PATH, { share_link }, 'np_test_auto')).status).toBe(200);
  });

  itRejects(PATH, [
    [{}, 'MISSING_SHARE_LINK'],
    [{ share_link: null }, 'MISSING_SHARE_LINK'],
    [{ share_link: 5 }, 'MISSING_SHARE_LINK'],
    [{ share_link: [LINK] }, 'MISSING_SHARE_LINK'],
    [{ share_link: '' }, 'MISSING_SHARE_LINK'],
    [{ share_link: '  ' }, 'MISSING_SHARE_LINK'],
    [{ shareLink: LINK }, 'MISSING_SHARE_LINK'],
    [{ share_link: 'https://example.com/p/s_1' }, 'INVALID_SHARE_LINK'],
    [{ share_link: 'https://sora.chatgpt.com/g/gen_1' }, 'INVALID_SHARE_LINK'],
    [{ share_link: 'not a link' }, 'INVALID_SHARE_LINK'],
  ]);

  it('charges the price of the seed file and responds with 402 without credits', async () => {
    const { post, createAccount, core } = await priced();
    const { id } = createAccount('k', { credits: 8, clock: { mode: 'frozen' } });
    expect((await post(PATH, { share_link: LINK }, 'k')).status).toBe(200);
    expect(core.ledger.entries(id, 10).map(({ kind, amount }) => [kind, amount])).toEqual([
      ['grant', 8],
      ['hold', -5],
      ['capture', 0],
    ]);
    const rejected = await post(PATH, { share_link: LINK }, 'k');
    expect(rejected.status).toBe(402);
    expect(rejected.text).toBe(
      '{"success":false,"error":"Insufficient credits","errorCode":"INSUFFICIENT_CREDITS","requiredCredits":5}',
    );
  });

  it('responds with INTERNAL_ERROR and refunds when the server stops during the request', async () => {
    const { post, createAccount, core, app } = await priced();
    const { id } = createAccount('k', { speed: 1 });
    const answer = post(PATH, { share_link: LINK }, 'k');
    await vi.waitUntil(() => core.accounts.get(id).taskCount === 1);
    expect(core.accounts.get(id).balance).toBe(995);
    await app.close();
    expect(await answer).toMatchObject({
      status: 500,
      body: { success: false, errorCode: 'INTERNAL_ERROR' },
    });
    expect(core.accounts.get(id).balance).toBe(1000);
    expect(core.ledger.verify(id)).toEqual([]);
  });
});
