// Preloaded into a server (`node --expose-gc --require …`): on request, sends its memory usage after a garbage
// collection and its active resources to the parent process. Does not keep the process alive. Not an ES module: loading
// one would start libuv's pool before the server has set its size.
const { setImmediate: nextTurn } = require('node:timers/promises');

process.on('message', async () => {
  // Finalizers that run after one collection may free more objects.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await nextTurn();
  }
  process.send({ memory: process.memoryUsage(), resources: process.getActiveResourcesInfo() });
});
process.channel.unref();
