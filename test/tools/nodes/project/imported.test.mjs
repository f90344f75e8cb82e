import { test } from 'node:test';
import { startEmulator } from 'nanophoto-emulator';
import { runFlow } from './flow.mjs';

test('the package works with import', async () => {
  const emulator = await startEmulator({ clock: 'auto' });
  await runFlow({ url: emulator.url, key: emulator.apiKey });
  await emulator.close();
});
