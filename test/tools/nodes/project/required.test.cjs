const { test } = require('node:test');
const { startEmulator } = require('nanophoto-emulator');

test('the package works with require', async () => {
  const { runFlow } = await import('./flow.mjs');
  const emulator = await startEmulator({ clock: 'auto' });
  await runFlow({ url: emulator.url, key: emulator.apiKey });
  await emulator.close();
});
