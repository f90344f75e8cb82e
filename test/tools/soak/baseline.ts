import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createClient } from './client.ts';

const EVERY_MS = 10;

/** Asks a server that does nothing, all the time; `tell` learns how long it took. */
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
  }, EVERY_MS);
  return async function stop(): Promise<void> {
    clearInterval(timer);
    await client.close();
    child.disconnect();
    await once(child, 'exit');
  };
}
