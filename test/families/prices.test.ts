import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../src/families/index.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { writeSeedFile } from '../support/seed-file.ts';

const VIDEO = { prompt: 'a', mode: 'textToVideo' };
const SHOT = { prompt: 'a', generationType: 'TEXT_2_VIDEO', aspectRatio: '16:9' };
const SEEDANCE = { ...VIDEO, aspectRatio: 'portrait', resolution: '480p', duration: '4' };
const IMAGE = { prompt: 'a', mode: 'generate' };

/** For each family: changes, a request that they concern, and one that keeps the vendor's price. */
const CASES: Record<string, { path: string; changes: unknown; changed: [object, number]; kept?: [object, number] }> = {
  'sora-2': {
    path: '/api/sora-2/generate',
    changes: { sora2: { '10': 5 } },
    changed: [VIDEO, 5],
    kept: [{ ...VIDEO, videoDuration: '15' }, 8],
  },
  'veo-3': {
    path: '/api/veo-3/generate',
    changes: { '720p': 11 },
    changed: [
      {
        shots: [
          { ...SHOT, id: 'a' },
          { ...SHOT, id: 'b' },
        ],
      },
      22,
    ],
    kept: [{ shots: [{ ...SHOT, id: 'a' }], resolution: '4k' }, 30],
  },
  'seedance-1-5-pro': {
    path: '/api/seedance-1-5-pro/generate',
    changes: { '480p': { audio: { '4': 7 } } },
    changed: [{ ...SEEDANCE, generateAudio: true }, 7],
    kept: [SEEDANCE, 2],
  },
  'sora-2-tvc': {
    path: '/api/sora-2-tvc/generate',
    changes: { '15': 12 },
    changed: [{ adTheme: 'a', videoDuration: '15' }, 12],
    kept: [{ adTheme: 'a' }, 8],
  },
  'sora-watermark': {
    path: '/api/sora/remove-watermark',
    changes: 3,
    changed: [{ share_link: 'https://sora.chatgpt.com/p/s_1' }, 3],
  },
  'nano-banana-pro': {
    path: '/api/nano-banana-pro/generate',
    changes: { '4K': 24 },
    changed: [{ ...IMAGE, imageQuality: '4K' }, 24],
    kept: [IMAGE, 4],
  },
  'nano-banana-2': {
    path: '/api/nano-banana-2/generate',
    changes: { '1K': 2 },
    changed: [IMAGE, 2],
    kept: [{ ...IMAGE, imageQuality: '2K' }, 8],
  },
  'prompt-generator': { path: '/api/sora-2/generate-prompt', changes: 6, changed: [{ topic: 'a' }, 6] },
  'reverse-prompt': {
    path: '/api/sora-2/reverse-prompt',
    changes: 9,
    changed: [{ videoSource: 'url', videoUrl: 'https://example.com/a.mp4' }, 9],
  },
};

describe('prices of the seed file', () => {
  it('can be tried for every family', () => {
    expect(Object.keys(CASES).sort()).toEqual(FAMILIES.map(({ name }) => name).sort());
  });

  it.each(Object.entries(CASES))('are charged by %s, and told when they are missing', async (family, one) => {
    const file = writeSeedFile({ prices: { [family]: one.changes } });
    const { post, createAccount, account } = await createTestEmulator(['--seed-file', file]);
    for (const [body, price] of one.kept ? [one.changed, one.kept] : [one.changed]) {
      const key = `np_${price}`;
      createAccount(key, { credits: price, clock: { mode: 'frozen' } });
      expect((await post(one.path, body, key)).status).toBe(200);
      expect(account(key).balance).toBe(0);
      const refused = await post(one.path, body, key);
      expect(refused).toMatchObject({ status: 402, body: { requiredCredits: price } });
    }
  });

  it('leave other families alone', async () => {
    const { post, account } = await createTestEmulator(['--seed-file', writeSeedFile({ prices: { 'sora-2': {} } })]);
    await post('/api/sora-2/generate', VIDEO);
    expect(account('np_test_default').balance).toBe(996);
  });

  it('can be nothing', async () => {
    const file = writeSeedFile({ prices: { 'sora-2': { sora2: { '10': 0 } } } });
    const { post, core, account } = await createTestEmulator(['--seed-file', file]);
    const { status, body } = await post('/api/sora-2/generate', VIDEO, 'np_test_empty');
    expect(status).toBe(200);
    const { taskId } = body;
    core.tasks.fail(account('np_test_empty').id, taskId, 'GENERATION_FAILED');
    expect(core.ledger.entries(account('np_test_empty').id, 10)).toEqual([]);
  });
});
