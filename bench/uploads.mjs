// Videos of the largest size that is taken are sent to be described, one at a time and several at once.
import { readFileSync } from 'node:fs';
import { peakMib } from './proc-stats.mjs';
import { here, postForText, startServer } from './process-runner.mjs';
import { rounded } from './stats.mjs';
import { STILL_HEADERS } from './tasks.mjs';

const PATH = '/api/sora-2/reverse-prompt';
const FILE_BYTES = 30 * 1024 * 1024;
const AT_ONCE = 8;
const VIDEO = { file: '1280x720-8s.mp4', seconds: 8 };
const NAME = 'lighthouse.mp4';
/** Length and type of an MP4 box. */
const BOX_HEAD_BYTES = 8;

export async function measureUploads({ emulator, settings, say }) {
  const body = uploadBody();
  const one = await startServer(emulator);
  const oneMs = [];
  for (let number = 1; number <= settings.uploadRounds; number++) oneMs.push(await upload(one.url, body));
  const oneMostMib = rounded(peakMib(one.pid));
  await one.stop();
  say(`uploads, one at a time  ${oneMs.join('  ')} ms  ${oneMostMib} MiB`);

  const atOnce = [];
  for (let number = 1; number <= settings.longRounds; number++) {
    const server = await startServer(emulator);
    const begin = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, () => upload(server.url, body)));
    const measured = { ms: rounded(performance.now() - begin), mostMib: rounded(peakMib(server.pid)) };
    await server.stop();
    atOnce.push(measured);
    say(`uploads, ${AT_ONCE} at once ${number}/${settings.longRounds}  ${measured.ms} ms  ${measured.mostMib} MiB`);
  }
  return { fileBytes: FILE_BYTES, bodyBytes: body.length, oneMs, oneMostMib, count: AT_ONCE, atOnce };
}

/** A real video with a `free` box behind it, which players skip, so that it is as large as can be. */
function uploadBody() {
  const video = readFileSync(here(`../fixtures/videos/${VIDEO.file}`));
  const padding = Buffer.alloc(FILE_BYTES - video.length, 'nanophoto');
  padding.writeUInt32BE(padding.length, 0);
  padding.write('free', BOX_HEAD_BYTES / 2, 'latin1');
  const videoFile = Buffer.concat([video, padding]).toString('base64');
  return Buffer.from(JSON.stringify({ videoSource: 'file', videoFileName: NAME, videoFile }));
}

/** How long it takes from the first byte to the last of the answer, on a clock that stands still: nothing is waited for. */
async function upload(url, body) {
  const begin = performance.now();
  const text = await postForText(url + PATH, STILL_HEADERS, body);
  const ms = rounded(performance.now() - begin);
  checkText(text);
  return ms;
}

/** @throws Error unless the text is about the video: its name, and shots that are as long as it is together */
function checkText(text) {
  const shots = [...text.matchAll(/^\| \d+ \|.* ([\d.]+)s \|$/gm)].map(([, seconds]) => Number(seconds));
  const seconds = shots.reduce((sum, shot) => sum + shot, 0);
  if (!text.includes(NAME) || Math.abs(seconds - VIDEO.seconds) > 0.1) {
    throw new Error(
      `uploads: a video of ${VIDEO.seconds} s was described as one of ${seconds} s: ${text.slice(0, 200)}`,
    );
  }
}
