// Uploads videos of the maximum size to reverse-prompt, one at a time and several at once.
import { readFileSync } from 'node:fs';
import { roundToTenth } from '../report/stats.mjs';
import { peakMib } from '../support/proc-stats.mjs';
import { here, postForText, startServer } from '../support/process-runner.mjs';
import { FROZEN_HEADERS } from '../support/tasks.mjs';

const PATH = '/api/sora-2/reverse-prompt';
const FILE_BYTES = 30 * 1024 * 1024;
const CONCURRENCY = 8;
const VIDEO = { file: '1280x720-8s.mp4', seconds: 8 };
const NAME = 'lighthouse.mp4';
/** Size of the length and type fields of an MP4 box. */
const BOX_HEAD_BYTES = 8;

export async function measureUploads({ emulator, settings, log }) {
  const body = uploadBody();
  const one = await startServer(emulator);
  const oneMs = [];
  for (let number = 1; number <= settings.uploadRounds; number++) oneMs.push(await upload(one.url, body));
  const oneMaxMib = roundToTenth(peakMib(one.pid));
  await one.stop();
  log(`uploads, one at a time  ${oneMs.join('  ')} ms  ${oneMaxMib} MiB`);

  const atOnce = [];
  for (let number = 1; number <= settings.longRounds; number++) {
    const server = await startServer(emulator);
    const startedMs = performance.now();
    await Promise.all(Array.from({ length: CONCURRENCY }, () => upload(server.url, body)));
    const measured = { ms: roundToTenth(performance.now() - startedMs), maxMib: roundToTenth(peakMib(server.pid)) };
    await server.stop();
    atOnce.push(measured);
    log(`uploads, ${CONCURRENCY} at once ${number}/${settings.longRounds}  ${measured.ms} ms  ${measured.maxMib} MiB`);
  }
  return { fileBytes: FILE_BYTES, bodyBytes: body.length, oneMs, oneMaxMib, count: CONCURRENCY, atOnce };
}

/** A real video, padded to the maximum size with a `free` box, which players skip. */
function uploadBody() {
  const video = readFileSync(here(`../fixtures/videos/${VIDEO.file}`));
  const padding = Buffer.alloc(FILE_BYTES - video.length, 'nanophoto');
  padding.writeUInt32BE(padding.length, 0);
  padding.write('free', BOX_HEAD_BYTES / 2, 'latin1');
  const videoFile = Buffer.concat([video, padding]).toString('base64');
  return Buffer.from(JSON.stringify({ videoSource: 'file', videoFileName: NAME, videoFile }));
}

/**
 * Time from the first byte of the request to the last byte of the response. The clock is frozen, so nothing is paced.
 */
async function upload(url, body) {
  const startedMs = performance.now();
  const text = await postForText(url + PATH, FROZEN_HEADERS, body);
  const ms = roundToTenth(performance.now() - startedMs);
  checkText(text);
  return ms;
}

/** @throws Error unless the text has the name of the video and shots that add up to its length */
function checkText(text) {
  const shots = [...text.matchAll(/^\| \d+ \|.* ([\d.]+)s \|$/gm)].map(([, seconds]) => Number(seconds));
  const seconds = shots.reduce((sum, shot) => sum + shot, 0);
  if (!text.includes(NAME) || Math.abs(seconds - VIDEO.seconds) > 0.1) {
    throw new Error(
      `uploads: a video of ${VIDEO.seconds} s was described as one of ${seconds} s: ${text.slice(0, 200)}`,
    );
  }
}
