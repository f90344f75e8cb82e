// Many images are asked for at once and have to be drawn, while somebody polls: how long the images take, how late the
// polls are answered meanwhile, and how much memory it needs.
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { peakMib } from './proc-stats.mjs';
import { startPolls, startServer } from './process-runner.mjs';
import { SORA, SORA_ORDER } from './requests.mjs';
import { rounded } from './stats.mjs';
import { complete, generate, HEADERS } from './tasks.mjs';

const BURST = { images: 200, pollsPerSecond: 200, quietSeconds: 4 };

const IMAGES = '/api/nano-banana-pro';
const WARM_UP_SECONDS = 1.5;
const TIMEOUT_MS = 45_000;
/** Of 4K at 16:9, in pixels. */
const WIDTH = 5504;

/** Each round has a server of its own: one that has drawn before is warm already, and larger. */
export async function measureBurst({ emulator, settings, say }) {
  const polls = startPolls();
  const rounds = [];
  for (let number = 1; number <= settings.longRounds; number++) {
    const server = await startServer(emulator);
    const measured = await measureRound(server, polls);
    await server.stop();
    rounds.push(measured);
    const { seconds, during, mostMib } = measured;
    say(`burst ${number}/${settings.longRounds}  ${seconds} s  p99 of polls ${during.p99Ms} ms  ${mostMib} MiB`);
  }
  return { ...BURST, rounds };
}

async function measureRound({ url, pid }, polls) {
  const { taskId } = await generate(url, SORA, SORA_ORDER);
  const images = [];
  for (let number = 1; number <= BURST.images; number++) {
    const prompt = `A lighthouse in storm number ${number}`;
    const order = { prompt, mode: 'generate', aspectRatio: '16:9', imageQuality: '4K' };
    images.push((await complete(url, IMAGES, order)).imageUrl);
  }
  const target = {
    url: `${url}${SORA}/check-status`,
    headers: HEADERS,
    body: JSON.stringify({ taskId }),
    expected: 'processing',
    perSecond: BURST.pollsPerSecond,
  };
  const rest = (seconds) => () => sleep(seconds * 1000);

  await polls(target, rest(WARM_UP_SECONDS));
  const { figures: before } = await polls(target, rest(BURST.quietSeconds));
  const mostMibBefore = rounded(peakMib(pid));
  const { result, figures: during } = await polls(target, () => fetchAtOnce(images));
  const mostMib = rounded(peakMib(pid));
  const bytes = await checkImages(result.answers);
  return { seconds: result.seconds, bytes, before, during, mostMibBefore, mostMib };
}

async function fetchAtOnce(urls) {
  const begin = performance.now();
  const answers = await Promise.all(urls.map(get));
  return { answers, seconds: rounded((performance.now() - begin) / 1000) };
}

function get(url) {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false, timeout: TIMEOUT_MS }, async (response) => {
      try {
        const chunks = [];
        // Ends with an error when it ends before its length.
        for await (const chunk of response) chunks.push(chunk);
        const { statusCode: status, headers } = response;
        resolve({ status, type: headers['content-type'], body: Buffer.concat(chunks) });
      } catch (error) {
        reject(error);
      }
    });
    call.on('timeout', () => call.destroy(new Error('burst: an image did not come')));
    call.on('error', reject);
    call.end();
  });
}

/** @throws Error unless all are images of 4K, no two the same. Answers how many bytes they have together. */
async function checkImages(answers) {
  const digests = new Set();
  for (const { status, type, body } of answers) {
    if (status !== 200 || type !== 'image/jpeg') throw new Error(`burst: an image was answered ${status} ${type}`);
    const { format, width } = await sharp(body).metadata();
    if (format !== 'jpeg' || width !== WIDTH) throw new Error(`burst: an image is ${format}, ${width} pixels wide`);
    digests.add(createHash('sha256').update(body).digest('hex'));
  }
  if (digests.size < answers.length) throw new Error(`burst: of ${answers.length} images ${digests.size} differ`);
  return answers.reduce((sum, { body }) => sum + body.length, 0);
}
