const assert = require('node:assert/strict');
const { request } = require('node:http');
const { performance } = require('node:perf_hooks');

// Read before a test replaces them.
const { abs } = Math;
const parseMs = Date.parse;
const readElapsedMs = performance.now.bind(performance);

/** Sends a request of the application under test, without the globals that a test replaces. */
function post(url, key, body) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const sent = request(url, { method: 'POST', headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text)));
    });
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}

/** Uses everything of the emulator that depends on time. A step that needs a replaced timer never ends. */
module.exports = async function runScenario({ startEmulator, connectEmulator, ControlError }) {
  const emulator = await startEmulator({ clock: 'auto' });
  const generate = (key) => post(`${emulator.url}/api/sora-2/generate`, key, { prompt: 'a', mode: 'textToVideo' });
  const poll = (key, taskId) => post(`${emulator.url}/api/sora-2/check-status`, key, { taskId });

  // An auto clock.
  const { taskId } = await generate(emulator.apiKey);
  let polled = await poll(emulator.apiKey, taskId);
  while (polled.status === 'processing') polled = await poll(emulator.apiKey, taskId);
  assert.equal(polled.status, 'completed');
  const file = await emulator.account(emulator.apiKey).tasks.file(taskId, 'videoUrl');
  assert.ok(file.length > 10_000);

  // A frozen clock, which is advanced.
  const account = await emulator.accounts.create({ clock: 'frozen' });
  const job = await generate(account.key);
  const timeout = await account.tasks.wait(job.taskId, { timeoutMs: 20 }).catch((error) => error);
  assert.ok(timeout instanceof ControlError);
  assert.equal(timeout.code, 'WAIT_TIMEOUT');
  const waiting = account.tasks.wait(job.taskId);
  const { transitions } = await account.clock.advance(3_600_000);
  assert.equal(transitions.at(-1).to, 'completed');
  assert.equal((await waiting).status, 'completed');

  await account.faults.add({ at: 'request', effect: { delayMs: 20 }, times: 1 });
  assert.equal((await poll(account.key, job.taskId)).status, 'completed');

  // A real clock, over HTTP: shows the real time, and tasks complete without being polled.
  const real = await connectEmulator(emulator.url).accounts.create({ clock: 'real', speed: 100_000 });
  const ordered = await generate(real.key);
  assert.equal((await real.tasks.wait(ordered.taskId)).status, 'completed');
  const { now } = (await real.get()).clock;
  assert.ok(abs(parseMs(now) - (performance.timeOrigin + readElapsedMs())) < 60_000, `the emulator shows ${now}`);

  assert.match(await emulator.certificate(), /^-----BEGIN CERTIFICATE-----/);
  // What `await using` calls; compilers use the second symbol where the first is missing.
  await emulator[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]();
};
