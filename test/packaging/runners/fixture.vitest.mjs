import { createRequire } from 'node:module';
import { expect, test } from 'nanophoto-emulator/vitest';
import { vi } from 'vitest';

const { makeVideo, makeVideoWithXhr } = createRequire(import.meta.url)('./make-video.cjs');

// Before the fixtures start the emulator.
vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'Date', 'performance'], now: 4e12 });

test('pays for a video', async ({ nanophoto }) => {
  expect(await makeVideo('A cat')).toMatch(/\.mp4$/);
  await expect(nanophoto).toHaveSpent(4);
});

test('gets a refund when the generation fails', async ({ nanophoto }) => {
  await expect(makeVideo('A cat @emulator(fail)')).rejects.toThrow('GENERATION_FAILED');
  await expect(nanophoto).toHaveSpent(0);
});

test('reports that the rate limit is reached', async ({ nanophoto }) => {
  await nanophoto.rateLimit({ remaining: 0 });
  await expect(makeVideo('A cat')).rejects.toThrow('API_KEY_RATE_LIMIT_EXCEEDED');
});

test.runIf(makeVideoWithXhr)('pays for a video that was requested as a page does', async ({ nanophoto }) => {
  expect(await makeVideoWithXhr('A cat')).toMatch(/\.mp4$/);
  await expect(nanophoto).toHaveSpent(4);
});
