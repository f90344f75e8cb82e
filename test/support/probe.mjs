// Preloaded into a server (`node --expose-gc --import …`): on request, sends its memory usage after a garbage
// collection and its active resources to the parent process. Does not keep the process alive.
import { setImmediate as nextTurn } from 'node:timers/promises';

process.on('message', async () => {
  // Finalizers that run after one collection may free more objects.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await nextTurn();
  }
  process.send({ memory: process.memoryUsage(), resources: process.getActiveResourcesInfo() });
});
process.channel.unref();
