// The package as tests use it: starts emulators one after another in this process.
import { round } from '../report/stats.mjs';
import { GENERATE, SORA_ORDER } from '../support/requests.mjs';
import { serve } from './responses.mjs';

/** The first starts load and compile the code and are not counted. */
const WARM_UPS = 5;

serve(measure);

async function measure({ starts }) {
  const startedMs = performance.now();
  const { startEmulator } = await import('../../dist/index.js');
  const importMs = performance.now() - startedMs;
  const startMs = [];
  for (let number = 1; number <= WARM_UPS + starts; number++) {
    const startedAt = performance.now();
    const emulator = await startEmulator();
    if (number > WARM_UPS) startMs.push(round(performance.now() - startedAt, 1));
    await check(emulator);
    await emulator.close();
  }
  return { importMs: round(importMs, 1), warmUps: WARM_UPS, startMs };
}

/** @throws Error when the emulator does not accept an order */
async function check({ url, apiKey }) {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const response = await fetch(url + GENERATE, { method: 'POST', headers, body: JSON.stringify(SORA_ORDER) });
  const { taskId } = await response.json();
  if (response.status !== 200 || !taskId) throw new Error(`an emulator returned ${response.status}`);
}
