import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createClient } from './client.ts';

const INTERVAL_MS = 10;

/** Sends requests to an idle server at a fixed rate; `onLatency` receives each response time. */
export async function startBaseline(onLatency: (ms: number) => void) {
  const child = fork(fileURLToPath(new URL('./baseline.mjs', import.meta.url)), { execArgv: [] });
  const [{ port }] = await once(child, 'message');
  const client = createClient(`http://127.0.0.1:${port}`, 8);
  const timer = setInterval(() => {
    const startedMs = performance.now();
    client.request('GET', '/').then(
      () => onLatency(performance.now() - startedMs),
      () => {},
    );
  }, INTERVAL_MS);
  return async function stop(): Promise<void> {
    clearInterval(timer);
    await client.close();
    child.disconnect();
    await once(child, 'exit');
  };
}
