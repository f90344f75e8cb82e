import { Mp4Probe, type Mp4Result } from '../../src/uploads/mp4.ts';

export const UNREADABLE = { ok: false, reason: 'unreadable' };
export const NOT_MP4 = { ok: false, reason: 'not-mp4' };

export const readable = (durationMs: number, width = 640, height = 360, hasSound = false) => ({
  ok: true,
  durationMs,
  width,
  height,
  hasSound,
});

export function probe(file: Buffer, chunkLength = 65_536): Promise<Mp4Result> {
  const mp4 = new Mp4Probe();
  for (let at = 0; at < file.length; at += chunkLength) {
    // Overwritten after the call, because the memory of a chunk may be reused.
    const chunk = Buffer.from(file.subarray(at, at + chunkLength));
    mp4.write(chunk);
    chunk.fill(0x55);
  }
  return mp4.end();
}
