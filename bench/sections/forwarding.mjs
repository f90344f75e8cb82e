// The time that `exec --record` adds to a request: a client sends each request directly to an emulator and through the
// recording proxy in front of it.
import { once } from 'node:events';
import { join } from 'node:path';
import { here, spawnServer, startServer, tempDir } from '../support/process-runner.mjs';
import { CHECK_STATUS, GENERATE, SORA, SORA_ORDER } from '../support/requests.mjs';
import { generate, HEADERS } from '../support/tasks.mjs';

/** Exceeds the price of all requests. */
const SPEND = 1_000_000;

export async function measureForwarding({ emulator, settings, log }) {
  const upstream = await startServer(emulator);
  const { taskId } = await generate(upstream.url, SORA, SORA_ORDER);
  const requests = {
    poll: { path: CHECK_STATUS, body: JSON.stringify({ taskId }) },
    generate: { path: GENERATE, body: JSON.stringify(SORA_ORDER) },
  };
  const options = { url: upstream.url, headers: HEADERS, requests, turns: settings.forwardingTurns };
  const flags = [`--record=${join(tempDir, 'recorded')}`, `--upstream=${upstream.url}`, `--spend=${SPEND}`];
  const client = [process.execPath, here('tools/forwarding-client.mjs'), JSON.stringify(options)];
  const exec = spawnServer([emulator[0], 'exec', ...flags, '--', ...client], { stderr: 'log' });
  const [code] = await once(exec.child, 'exit');
  const output = exec.output();
  if (code !== 0) throw new Error(`exec --record exited with ${code}; its output:\n${output}`);
  await upstream.stop();
  const latencies = JSON.parse(output.split('\n', 1)[0]);
  for (const [name, routes] of Object.entries(latencies)) {
    const medians = Object.entries(routes).map(([route, { p50Ms }]) => `${route} ${p50Ms}`);
    log(`forwarding, ${name}  ${medians.join('  ')} ms`);
  }
  return latencies;
}
