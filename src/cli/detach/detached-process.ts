// The process that `start --detach` starts. It gets its settings from there, and reports when it is ready.
import { SetupError } from '../../core/errors.ts';
import type { Config } from '../../settings/config.ts';
import { limitHeapGrowth } from '../heap-growth.ts';
import { start } from '../start.ts';
import { serveControlSocket } from './control-socket.ts';
import type { DetachedReport } from './start-detached.ts';

process.once('message', (config) => run(config as Config));

async function run(config: Config): Promise<void> {
  // On Windows, a process cannot send itself a signal that it handles.
  const stop = () => process.emit('SIGTERM', 'SIGTERM') || process.exit(1);
  // Nothing waits for this process any longer when `start --detach` was interrupted.
  process.once('disconnect', stop);
  limitHeapGrowth();
  try {
    const ready = await start(config, []);
    const emulator = { ...ready, pid: process.pid };
    await serveControlSocket(emulator, once(stop));
    process.off('disconnect', stop);
    process.send!({ emulator } satisfies DetachedReport, (error: Error | null) => error && stop());
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.send!({ error: error.message } satisfies DetachedReport, () => process.exit(2));
  }
}

/** Several `stop` commands stop the emulator once: a second signal would skip the graceful shutdown. */
function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
