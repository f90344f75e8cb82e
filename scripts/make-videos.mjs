// Renders fixtures/videos with ffmpeg: one MP4 file for each combination of size, length and sound that an API offers.
// Run it by hand after a change (`npm run videos`). The files are part of the repository, so that only this script
// needs ffmpeg, built with libx264 and freetype like Debian's package. Existing files are kept; delete a file to render
// it again.
import { execFile } from 'node:child_process';
import { access, mkdir, rename, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const at = (path) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

const SORA = { seconds: [10, 15], sound: [true] };
const VEO = { seconds: [8], sound: [true] };
const SEEDANCE = { seconds: [4, 8, 12], sound: [true, false] };

/** In landscape; portrait swaps the sides. */
const FORMATS = [
  { size: [1280, 704], of: [SORA] },
  { size: [848, 480], of: [SEEDANCE] },
  { size: [1280, 720], of: [SORA, VEO, SEEDANCE] },
  { size: [1920, 1080], of: [SORA, VEO, SEEDANCE] },
  { size: [3840, 2160], of: [VEO] },
];

/** The emulator overwrites these with the task's id, or with the name of a video without its watermark. */
const PLACEHOLDER = `task_${'0'.repeat(24)}`;
const WATERMARK_PLACEHOLDER = '0'.repeat(32);

const FPS = 24;

function toFileName({ width, height, seconds, sound }) {
  return `${width}x${height}-${seconds}s${sound ? '' : '-silent'}.mp4`;
}

function listVideos() {
  const videos = new Map();
  for (const { size, of } of FORMATS) {
    for (const { seconds, sound } of of) {
      for (const [width, height] of [size, size.toReversed()]) {
        for (const length of seconds) {
          for (const hasSound of sound) {
            const video = { width, height, seconds: length, sound: hasSound, mark: PLACEHOLDER };
            videos.set(toFileName(video), video);
          }
        }
      }
    }
  }
  const clean = { width: 704, height: 1280, seconds: 10, sound: true, mark: WATERMARK_PLACEHOLDER };
  videos.set('watermark-removed.mp4', clean);
  return videos;
}

/** The filter graph: a dark background, the format, the elapsed seconds and a progress bar. */
function filterGraph({ width, height, seconds, sound }) {
  const short = Math.min(width, height);
  const font = `fontfile=${at('fonts/DejaVuSans.ttf')}:fontcolor=white`;
  const text = (size, y, options) =>
    `drawtext=${font}:fontsize=${Math.round(short * size)}:x=(w-text_w)/2:y=h*${y}-text_h/2:${options}`;
  const bar = Math.round(short / 40);
  return [
    `color=c=0x1d2b3f:s=${width}x${height}:r=${FPS}:d=${seconds}[ground]`,
    `color=c=0xe8a33d:s=${width}x${bar}:r=${FPS}:d=${seconds}[bar]`,
    `[ground][bar]overlay=x='-w+w*t/${seconds}':y=H-h,` +
      [
        text(0.2, 0.42, `text='%{eif\\:t\\:d}'`),
        text(0.05, 0.6, `text='${width}×${height}, ${seconds} s${sound ? '' : ', silent'}'`),
        text(0.04, 0.68, `text='nanophoto-emulator'`),
      ].join(','),
  ].join(';');
}

async function renderVideo(name, video) {
  const target = at(`videos/${name}`);
  const partial = `${target}.part`;
  const { seconds, sound, mark } = video;
  // A short beep every second.
  const beeps = `aevalsrc='0.2*sin(2*PI*880*t)*lt(mod(t,1),0.08)':s=48000:d=${seconds}`;
  await run('ffmpeg', [
    ...['-v', 'error', '-y'],
    ...['-filter_complex', `${filterGraph(video)}[v]${sound ? `;${beeps}[a]` : ''}`],
    ...['-map', '[v]', ...(sound ? ['-map', '[a]'] : [])],
    ...['-c:v', 'libx264', '-profile:v', 'high', '-pix_fmt', 'yuv420p', '-preset', 'veryslow', '-crf', '30'],
    // Hardware decoders support a limited number of reference frames.
    ...['-refs', '3'],
    // A key frame every two seconds, for seeking.
    ...['-g', String(2 * FPS), '-threads', '1', '-color_primaries', 'bt709', '-color_trc', 'bt709'],
    ...['-colorspace', 'bt709', '-color_range', 'tv'],
    ...(sound ? ['-c:a', 'aac', '-b:a', '16k', '-ac', '1'] : []),
    ...['-t', String(seconds), '-movflags', '+faststart', '-map_metadata', '-1'],
    // The same ffmpeg renders the same bytes.
    ...['-fflags', '+bitexact', '-flags:v', '+bitexact', '-flags:a', '+bitexact'],
    ...['-metadata', `comment=${mark}`, '-metadata', 'title=nanophoto-emulator'],
    ...['-f', 'mp4', partial],
  ]);
  await rename(partial, target);
}

await mkdir(at('videos'), { recursive: true });
const todo = [];
for (const [name, video] of listVideos()) {
  const exists = await access(at(`videos/${name}`)).then(
    () => true,
    () => false,
  );
  if (!exists) todo.push([name, video]);
}
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let next = todo.shift(); next; next = todo.shift()) {
      await renderVideo(...next);
      process.stdout.write(`${next[0]}\n`);
    }
  }),
);
let bytes = 0;
for (const name of listVideos().keys()) bytes += (await stat(at(`videos/${name}`))).size;
process.stdout.write(`${listVideos().size} videos, ${(bytes / 1e6).toFixed(2)} MB\n`);
