// Makes fixtures/videos with ffmpeg: one MP4 for each size, length and with or without sound that some API can be asked for.
// Run it by hand after a change (`npm run videos`); the files are part of the repository, so that nothing but this script
// needs ffmpeg. Needs one built with libx264 and freetype, as Debian's package is. What is there already is kept; remove it
// to have it made anew.
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

/** Landscape; portrait is the same turned. */
const WANTED = [
  { size: [1280, 704], of: [SORA] },
  { size: [848, 480], of: [SEEDANCE] },
  { size: [1280, 720], of: [SORA, VEO, SEEDANCE] },
  { size: [1920, 1080], of: [SORA, VEO, SEEDANCE] },
  { size: [3840, 2160], of: [VEO] },
];

/** Where the emulator writes which video it is: the id of a task, or the name of one without its watermark. */
const PLACEHOLDER = `task_${'0'.repeat(24)}`;
const WATERMARK_PLACEHOLDER = '0'.repeat(32);

const FPS = 24;

function nameOf({ width, height, seconds, sound }) {
  return `${width}x${height}-${seconds}s${sound ? '' : '-silent'}.mp4`;
}

function wanted() {
  const videos = new Map();
  for (const { size, of } of WANTED) {
    for (const { seconds, sound } of of) {
      for (const [width, height] of [size, size.toReversed()]) {
        for (const length of seconds) {
          for (const isHeard of sound) {
            const video = { width, height, seconds: length, sound: isHeard, mark: PLACEHOLDER };
            videos.set(nameOf(video), video);
          }
        }
      }
    }
  }
  const clean = { width: 704, height: 1280, seconds: 10, sound: true, mark: WATERMARK_PLACEHOLDER };
  videos.set('watermark-removed.mp4', clean);
  return videos;
}

/** A dark ground, what the video is, the time that has passed, and a bar that fills up: whoever looks sees it play. */
function picture({ width, height, seconds, sound }) {
  const short = Math.min(width, height);
  const font = `fontfile=${at('fonts/DejaVuSans.ttf')}:fontcolor=white`;
  const text = (size, y, what) =>
    `drawtext=${font}:fontsize=${Math.round(short * size)}:x=(w-text_w)/2:y=h*${y}-text_h/2:${what}`;
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

async function make(name, video) {
  const target = at(`videos/${name}`);
  const making = `${target}.part`;
  const { seconds, sound, mark } = video;
  // A short beep every second.
  const beeps = `aevalsrc='0.2*sin(2*PI*880*t)*lt(mod(t,1),0.08)':s=48000:d=${seconds}`;
  await run('ffmpeg', [
    ...['-v', 'error', '-y'],
    ...['-filter_complex', `${picture(video)}[v]${sound ? `;${beeps}[a]` : ''}`],
    ...['-map', '[v]', ...(sound ? ['-map', '[a]'] : [])],
    ...['-c:v', 'libx264', '-profile:v', 'high', '-pix_fmt', 'yuv420p', '-preset', 'veryslow', '-crf', '30'],
    // Few enough for the levels that hardware decoders know.
    ...['-refs', '3'],
    // A key frame every two seconds, for players that jump.
    ...['-g', String(2 * FPS), '-threads', '1', '-color_primaries', 'bt709', '-color_trc', 'bt709'],
    ...['-colorspace', 'bt709', '-color_range', 'tv'],
    ...(sound ? ['-c:a', 'aac', '-b:a', '16k', '-ac', '1'] : []),
    ...['-t', String(seconds), '-movflags', '+faststart', '-map_metadata', '-1'],
    // The same bytes from the same ffmpeg.
    ...['-fflags', '+bitexact', '-flags:v', '+bitexact', '-flags:a', '+bitexact'],
    ...['-metadata', `comment=${mark}`, '-metadata', 'title=nanophoto-emulator'],
    ...['-f', 'mp4', making],
  ]);
  await rename(making, target);
}

await mkdir(at('videos'), { recursive: true });
const todo = [];
for (const [name, video] of wanted()) {
  const isThere = await access(at(`videos/${name}`)).then(
    () => true,
    () => false,
  );
  if (!isThere) todo.push([name, video]);
}
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let next = todo.shift(); next; next = todo.shift()) {
      await make(...next);
      process.stdout.write(`${next[0]}\n`);
    }
  }),
);
let bytes = 0;
for (const name of wanted().keys()) bytes += (await stat(at(`videos/${name}`))).size;
process.stdout.write(`${wanted().size} videos, ${(bytes / 1e6).toFixed(2)} MB\n`);
