import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { path as ffprobe } from '@ffprobe-installer/ffprobe';
import { describe, expect, it } from 'vitest';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { useTestEmulator } from '../support/emulator.ts';
import { completeTask, fetchFile } from '../support/results.ts';

const run = promisify(execFile);
const VIDEOS = join(FIXTURES_DIR, 'videos');

interface ProbeResult {
  streams: Record<string, string | number>[];
  format: { format_name: string; duration: string; tags: Record<string, string> };
}

/** Runs ffprobe on the bytes, without a file name or other hints. */
async function probe(bytes: Buffer): Promise<ProbeResult> {
  const process = run(ffprobe, ['-v', 'error', '-show_streams', '-show_format', '-of', 'json', '-']);
  process.child.stdin!.end(bytes);
  const { stdout, stderr } = await process;
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

type Size = readonly [number, number];
const SORA: [string, Size, Size][] = [
  ['sora2', [704, 1280], [1280, 704]],
  ['sora2-pro-standard', [720, 1280], [1280, 720]],
  ['sora2-pro-high', [1080, 1920], [1920, 1080]],
];
const SEEDANCE: [string, Size, Size][] = [
  ['480p', [480, 848], [848, 480]],
  ['720p', [720, 1280], [1280, 720]],
  ['1080p', [1080, 1920], [1920, 1080]],
];
const VEO: [string, Size, Size][] = [
  ['720p', [720, 1280], [1280, 720]],
  ['1080p', [1080, 1920], [1920, 1080]],
  ['4k', [2160, 3840], [3840, 2160]],
];

type Case = readonly [
  family: 'sora-2' | 'veo-3' | 'seedance-1-5-pro' | 'sora-2-tvc',
  body: object,
  size: Size,
  seconds: number,
  audio: boolean,
];

/** Every combination of the price tables, in both orientations. */
const CASES: Case[] = [
  ...SORA.flatMap(([modelTier, portrait, landscape]) =>
    ['10', '15'].flatMap((videoDuration) => [
      ['sora-2', { modelTier, videoDuration, aspectRatio: 'portrait' }, portrait, +videoDuration, true] as const,
      ['sora-2', { modelTier, videoDuration, aspectRatio: 'landscape' }, landscape, +videoDuration, true] as const,
    ]),
  ),
  ...VEO.flatMap(([resolution, portrait, landscape]) => [
    ['veo-3', { resolution, aspectRatio: '9:16' }, portrait, 8, true] as const,
    ['veo-3', { resolution, aspectRatio: '16:9' }, landscape, 8, true] as const,
  ]),
  ...SEEDANCE.flatMap(([resolution, portrait, landscape]) =>
    ['4', '8', '12'].flatMap((duration) =>
      [true, false].flatMap((generateAudio) => {
        const body = { resolution, duration, generateAudio };
        return [
          ['seedance-1-5-pro', { ...body, aspectRatio: 'portrait' }, portrait, +duration, generateAudio] as const,
          ['seedance-1-5-pro', { ...body, aspectRatio: 'landscape' }, landscape, +duration, generateAudio] as const,
        ];
      }),
    ),
  ),
  ...['10', '15'].flatMap((videoDuration) => [
    ['sora-2-tvc', { videoDuration, aspectRatio: 'portrait' }, [704, 1280], +videoDuration, true] as const,
    ['sora-2-tvc', { videoDuration, aspectRatio: 'landscape' }, [1280, 704], +videoDuration, true] as const,
  ]),
];

describe('result videos', () => {
  const { emulator } = useTestEmulator();

  it('are tested in every combination of the price tables', () => {
    expect(CASES).toHaveLength(3 * 2 * 2 + 3 * 2 + 3 * 3 * 2 * 2 + 2 * 2);
  });

  it.each(CASES)('%s %j has the size %j and takes %i s, audio: %s', async (family, body, size, seconds, sound) => {
    const { videoUrl, taskId } = await completeTask(emulator(), family, body);
    const { status, headers, bytes } = await fetchFile(emulator(), videoUrl);
    expect([status, headers['content-type']]).toEqual([200, 'video/mp4']);

    const { streams, format } = await probe(bytes);
    const [video, audio, ...others] = streams;
    expect(others).toEqual([]);
    expect(video).toMatchObject({
      codec_name: 'h264',
      profile: 'High',
      pix_fmt: 'yuv420p',
      width: size[0],
      height: size[1],
      nb_frames: String(seconds * 24),
    });
    if (sound) expect(audio).toMatchObject({ codec_name: 'aac', channels: 1 });
    else expect(audio).toBeUndefined();
    expect(streams.map(({ duration }) => Number(duration))).toEqual(streams.map(() => seconds));
    expect(Number(format.duration)).toBe(seconds);
    expect(format.tags.comment).toBe(taskId);
    // The index comes first, so that playback can start before the download ends.
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
  });

  it('without a watermark are playable and have their id in the metadata', async () => {
    const share_link = 'https://sora.chatgpt.com/p/s_abc';
    const { url } = (await emulator().post('/api/sora/remove-watermark', { share_link }, 'np_test_auto')).body;
    const { streams, format } = await probe((await fetchFile(emulator(), url)).bytes);
    expect(streams[0]).toMatchObject({ codec_name: 'h264', width: 704, height: 1280 });
    expect(format).toMatchObject({ duration: '10.000000', tags: { comment: /(\w{32})\.mp4/.exec(url)![1] } });
  });

  it('differ by task and are deterministic', async () => {
    const urls = [await completeTask(emulator(), 'sora-2'), await completeTask(emulator(), 'sora-2')].map(
      ({ videoUrl }) => videoUrl,
    );
    const [one, other, again] = await Promise.all(
      [...urls, urls[0]].map(async (url) => (await fetchFile(emulator(), url)).bytes),
    );
    expect(one!.equals(other!)).toBe(false);
    expect(one!.equals(again!)).toBe(true);
  });

  it('take less than 5 MB of the repository in total', () => {
    const sizes = readdirSync(VIDEOS).map((name) => statSync(join(VIDEOS, name)).size);
    expect(sizes.length).toBeGreaterThan(50);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(5_000_000);
  });
});
