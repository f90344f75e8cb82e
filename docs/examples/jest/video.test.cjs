const { startEmulator } = require('nanophoto-emulator');

let emulator;

beforeAll(async () => {
  emulator = await startEmulator({ clock: 'auto' });
});
afterAll(() => emulator.close());

async function call(path, body) {
  const response = await fetch(emulator.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${emulator.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

test('pays for an image and can download it', async () => {
  const { generationId } = await call('/api/nano-banana-2/generate', { prompt: 'A cat', mode: 'generate' });
  let poll = { status: 'pending' };
  while (!['completed', 'failed'].includes(poll.status)) {
    poll = await call('/api/nano-banana-2/check-status', { generationId });
  }
  expect((await fetch(poll.imageUrl)).headers.get('content-type')).toBe('image/jpeg');
  const { balance } = await emulator.account(emulator.apiKey).ledger();
  expect(balance).toBe(996);
});
