// Loaded into a server before its own code (`node --expose-gc --import …`): tells its parent what it holds when all that
// nobody needs has been collected. It keeps nothing alive itself.
import { setImmediate as turn } from 'node:timers/promises';

process.on('message', async () => {
  // What one collection sets free may be held by a finalizer that runs after it.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await turn();
  }
  process.send({ memory: process.memoryUsage(), resources: process.getActiveResourcesInfo() });
});
process.channel.unref();
