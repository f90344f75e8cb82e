const { useEmulator } = require('nanophoto-emulator/jest');
const { makeVideo } = require('./make-video.cjs');

const nanophoto = useEmulator();

beforeEach(() => void jest.useFakeTimers({ now: 4e12 }));
afterEach(() => void jest.useRealTimers());

test('pays for a video', async () => {
  expect(await makeVideo('A cat')).toMatch(/\.mp4$/);
  await expect(nanophoto).toHaveSpent(4);
});

test('gets a refund when the generation fails', async () => {
  await expect(makeVideo('A cat @emulator(fail)')).rejects.toThrow('GENERATION_FAILED');
  await expect(nanophoto).toHaveSpent(0);
});

test('reports that the rate limit is reached', async () => {
  await nanophoto.rateLimit({ remaining: 0 });
  await expect(makeVideo('A cat')).rejects.toThrow('API_KEY_RATE_LIMIT_EXCEEDED');
});
