// A burst of requests for images that must be rendered, while a client polls: how long the images take, the latency of
// the polls meanwhile, and the peak memory.
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { roundToTenth } from '../report/stats.mjs';
import { assertCorrect } from '../support/measure.mjs';
import { peakMib } from '../support/proc-stats.mjs';
import { startServer } from '../support/process-runner.mjs';
import { CHECK_STATUS, running, SORA, SORA_ORDER } from '../support/requests.mjs';
import { complete, generate, HEADERS } from '../support/tasks.mjs';

const MAX_CONNECTIONS = 64;

const IMAGES = '/api/nano-banana-pro';
const WARM_UP_SECONDS = 1.5;
const TIMEOUT_MS = 45_000;
/** Width of a 4K image at 16:9, in pixels. */
const WIDTH = 5504;

/** Each round uses a new server: one that has rendered before is warm and uses more memory. */
export async function measureBurst({ emulator, settings, fixedRate, log }) {
  const rounds = [];
  for (let number = 1; number <= settings.longRounds; number++) {
    const server = await startServer(emulator);
    const measured = await measureRound(server, fixedRate, settings.burst);
    await server.stop();
    rounds.push(measured);
    const { seconds, during, maxMib } = measured;
    log(`burst ${number}/${settings.longRounds}  ${seconds} s  p99 of polls ${during.p99Ms} ms  ${maxMib} MiB`);
  }
  return { ...settings.burst, rounds };
}

async function measureRound({ url, pid }, fixedRate, { images: count, pollsPerSecond, quietSeconds }) {
  const { taskId } = await generate(url, SORA, SORA_ORDER);
  const images = [];
  for (let number = 1; number <= count; number++) {
    const prompt = `A lighthouse in storm number ${number}`;
    const order = { prompt, mode: 'generate', aspectRatio: '16:9', imageQuality: '4K' };
    images.push((await complete(url, IMAGES, order)).imageUrl);
  }
  const window = {
    ...{ url: url + CHECK_STATUS, method: 'POST', headers: HEADERS, body: JSON.stringify({ taskId }) },
    ...{ expected: running(taskId), connections: MAX_CONNECTIONS, perSecond: pollsPerSecond },
  };
  const measure = async (work) => {
    const { result, figures } = await fixedRate.during(work, window);
    assertCorrect('polls with images', figures);
    return { result, figures };
  };
  const wait = (seconds) => () => sleep(seconds * 1000);

  await measure(wait(WARM_UP_SECONDS));
  const { figures: before } = await measure(wait(quietSeconds));
  const maxMibBefore = roundToTenth(peakMib(pid));
  const { result, figures: during } = await measure(() => fetchConcurrently(images));
  const maxMib = roundToTenth(peakMib(pid));
  const bytes = await checkImages(result.responses);
  return { seconds: result.seconds, bytes, before, during, maxMibBefore, maxMib };
}

async function fetchConcurrently(urls) {
  const startedMs = performance.now();
  const responses = await Promise.all(urls.map(get));
  return { responses, seconds: roundToTenth((performance.now() - startedMs) / 1000) };
}

function get(url) {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false, timeout: TIMEOUT_MS }, async (response) => {
      try {
        const chunks = [];
        // Throws when the response ends before its Content-Length.
        for await (const chunk of response) chunks.push(chunk);
        const { statusCode: status, headers } = response;
        resolve({ status, type: headers['content-type'], body: Buffer.concat(chunks) });
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error('burst: an image request timed out')));
    call.on('error', reject);
    call.end();
  });
}

/** The total size in bytes. @throws Error unless all are distinct 4K images */
async function checkImages(responses) {
  const digests = new Set();
  for (const { status, type, body } of responses) {
    if (status !== 200 || type !== 'image/jpeg') throw new Error(`burst: an image request returned ${status} ${type}`);
    const { format, width } = await sharp(body).metadata();
    if (format !== 'jpeg' || width !== WIDTH) throw new Error(`burst: an image is ${format}, ${width} pixels wide`);
    digests.add(createHash('sha256').update(body).digest('hex'));
  }
  if (digests.size < responses.length)
    throw new Error(`burst: only ${digests.size} of ${responses.length} images are distinct`);
  return responses.reduce((sum, { body }) => sum + body.length, 0);
}
