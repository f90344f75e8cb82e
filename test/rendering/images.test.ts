import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/core/tasks/task.ts';
import { FAMILIES } from '../../src/families/index.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { createTestEmulator } from '../support/emulator.ts';
import { completeTask, fetchFile } from '../support/results.ts';

const TITLES = { 'nano-banana-pro': 'Nano Banana Pro', 'nano-banana-2': 'Nano Banana 2' } as const;
const SIZES_1K = { '16:9': [1376, 768], '9:16': [768, 1376], '4:3': [1200, 896], '3:4': [896, 1200] } as const;
const SCALES = { '1K': 1, '2K': 2, '4K': 4 } as const;

const CASES = Object.entries(SIZES_1K).flatMap(([aspectRatio, [width, height]]) =>
  Object.entries(SCALES).map(([imageQuality, scale]) => [aspectRatio, imageQuality, width * scale, height * scale]),
) as [string, string, number, number][];
/** Every ratio, every quality and both families: the images of a ratio differ only in their scale. */
const RENDERED = CASES.map(([aspectRatio, imageQuality, ...size]) => {
  const family = imageQuality === '1K' ? 'nano-banana-pro' : 'nano-banana-2';
  return [family, aspectRatio, imageQuality, ...size] as const;
}).filter(([family, aspectRatio]) => family === 'nano-banana-pro' || aspectRatio === '3:4');

const getDeviations = async (image: Buffer) => (await sharp(image).stats()).channels.map(({ stdev }) => stdev);
const getPixels = (image: Buffer) => sharp(image).greyscale().raw().toBuffer();

describe('result images', () => {
  it.each(CASES)('%s in %s have %i×%i pixels', (aspectRatio, imageQuality, width, height) => {
    const families = FAMILIES.filter(({ name }) => name in TITLES);
    const contents = families.map(({ files }) =>
      files.imageUrl!.contentOf({ aspectRatio, imageQuality }, { id: 'task_abc123' } as Task),
    );
    expect(contents).toHaveLength(2);
    for (const content of contents) expect(content).toMatchObject({ kind: 'picture', size: [width, height] });
  });

  it.each(RENDERED)('%s %s in %s is a JPEG of %i×%i', async (family, aspectRatio, imageQuality, width, height) => {
    const emulator = await createTestEmulator();
    const prompt = 'A <b>"cat"</b> & a dog on the moon';
    const { imageUrl, taskId } = await completeTask(emulator, family, {
      aspectRatio,
      imageQuality,
      prompt,
    });
    const { status, headers, bytes } = await fetchFile(emulator, imageUrl);
    expect([status, headers['content-type']]).toEqual([200, 'image/jpeg']);
    const { xmpAsString, ...known } = await sharp(bytes).metadata();
    expect(known).toMatchObject({ format: 'jpeg', width, height, space: 'srgb', channels: 3 });
    expect(xmpAsString).toContain(`<dc:identifier>${taskId}</dc:identifier>`);
    expect(xmpAsString).toContain('A &lt;b&gt;&quot;cat&quot;&lt;/b&gt; &amp; a dog on the moon');
    expect(xmpAsString).toContain(TITLES[family]);
    // The image is not a plain color.
    expect(Math.min(...(await getDeviations(bytes)))).toBeGreaterThan(5);
  });

  it('differs by prompt and is deterministic', async () => {
    const emulator = await createTestEmulator();
    const render = async (prompt: string, key: string) => {
      const { imageUrl } = await completeTask(emulator, 'nano-banana-2', { prompt }, key);
      return getPixels((await fetchFile(emulator, imageUrl)).bytes);
    };
    const [cat, dog] = [await render('a cat', 'np_test_a'), await render('a dog', 'np_test_b')];
    expect(cat.equals(dog)).toBe(false);
    const other = await createTestEmulator();
    const { imageUrl } = await completeTask(other, 'nano-banana-2', { prompt: 'a cat' }, 'np_test_a');
    expect((await getPixels((await fetchFile(other, imageUrl)).bytes)).equals(cat)).toBe(true);
  });

  it('fits model, id, note and a prompt of any length within the margins', async () => {
    const emulator = await createTestEmulator();
    for (const prompt of ['x', 'word '.repeat(2000), 'W'.repeat(5000), 'كلب '.repeat(300), '金'.repeat(900)]) {
      const { imageUrl } = await completeTask(emulator, 'nano-banana-2', { prompt });
      const { bytes } = await fetchFile(emulator, imageUrl);
      const { info } = await sharp(bytes).trim({ threshold: 40 }).toBuffer({ resolveWithObject: true });
      expect(info.width).toBeLessThanOrEqual(1376 - 2 * 40);
      expect(info.height).toBeLessThanOrEqual(768 - 2 * 40);
      expect(info.height).toBeGreaterThan(100);
      // A long prompt fills the width: its font shrinks, not the rendered text block.
      if (prompt.length > 1000) expect(info.width).toBeGreaterThan(1376 * 0.8);
    }
  });

  it('renders any prompt', async () => {
    const emulator = await createTestEmulator();
    const hostile = [
      '</span><span size="9999999">',
      '&amp;&#0;&lt;',
      '\u0000\u0007\ud800 \udc00\ufffe\uffff',
      'Z\u0334'.repeat(50_000),
      '\u202e\u2028\u2029',
      '﷽'.repeat(1200),
      `${'\n'.repeat(90_000)}x`,
      '👩‍👩‍👧‍👦'.repeat(500),
    ];
    for (const prompt of hostile) {
      const { imageUrl } = await completeTask(emulator, 'nano-banana-2', { prompt, imageQuality: '1K' });
      const { status, bytes } = await fetchFile(emulator, imageUrl);
      expect([prompt.slice(0, 20), status]).toEqual([prompt.slice(0, 20), 200]);
      expect(await sharp(bytes).metadata()).toMatchObject({ width: 1376, height: 768 });
    }
  });

  it('renders a storyboard for a theme of invisible characters', async () => {
    const emulator = await createTestEmulator();
    for (const adTheme of ['\u0001', '\u200b', '\u2800\u3164']) {
      const { storyboardImageUrl } = await completeTask(emulator, 'sora-2-tvc', { adTheme });
      expect((await fetchFile(emulator, storyboardImageUrl)).status).toBe(200);
    }
  });

  it.each([
    ['portrait', 768, 1376],
    ['landscape', 1376, 768],
  ])('a storyboard in %s is a black-and-white grid of %i×%i', async (aspectRatio, width, height) => {
    const emulator = await createTestEmulator();
    const { storyboardImageUrl, taskId } = await completeTask(emulator, 'sora-2-tvc', { aspectRatio });
    const { bytes } = await fetchFile(emulator, storyboardImageUrl);
    const { xmpAsString, ...known } = await sharp(bytes).metadata();
    expect(known).toMatchObject({ format: 'jpeg', width, height });
    expect(xmpAsString).toContain(taskId);
    const { data, info } = await sharp(bytes).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
    for (let at = 0; at < data.length; at += info.channels * 97) expect(data[at]).toBe(data[at + info.channels - 1]);
    // White between the scenes, not within them.
    const at = (x: number, y: number) =>
      data[(Math.floor(y * height) * width + Math.floor(x * width)) * info.channels]!;
    for (const line of [1 / 3, 2 / 3]) {
      expect(at(line, 0.5)).toBeGreaterThan(240);
      expect(at(0.5, line)).toBeGreaterThan(240);
    }
    for (let scene = 0; scene < 9; scene++) {
      expect(at(((scene % 3) + 0.5) / 3, (Math.floor(scene / 3) + 0.6) / 3)).toBeLessThan(160);
    }
  });

  it('is the same for concurrent requests', async () => {
    const emulator = await createTestEmulator();
    const { imageUrl } = await completeTask(emulator, 'nano-banana-pro', { imageQuality: '4K' });
    const responses = await Promise.all(Array.from({ length: 20 }, () => fetchFile(emulator, imageUrl)));
    const first = responses[0]!.bytes;
    expect(responses.every(({ status, bytes }) => status === 200 && bytes.equals(first))).toBe(true);
  });
});

describe('bundled fonts', () => {
  const FONTS = join(FIXTURES_DIR, 'fonts');
  const TEXTS = join(FIXTURES_DIR, 'texts');

  it.each(readdirSync(TEXTS))('cover every letter of %s', (file) => {
    const fonts = readdirSync(FONTS)
      .filter((name) => name.endsWith('.ttf'))
      .map((name) => createCoverageCheck(readFileSync(join(FONTS, name))));
    const letters = new Set(readFileSync(join(TEXTS, file), 'utf8').replace(/\s/g, ''));
    const missing = [...letters].filter((letter) => !fonts.some((covers) => covers(letter.codePointAt(0)!)));
    expect(letters.size).toBeGreaterThan(40);
    expect(missing).toEqual([]);
  });
});

/** The characters of a TrueType font: its `cmap` in format 4 (OpenType specification), read without product code. */
function createCoverageCheck(font: Buffer): (codePoint: number) => boolean {
  const tables = Array.from({ length: font.readUInt16BE(4) }, (_, index) => 12 + index * 16);
  const cmap = font.readUInt32BE(tables.find((at) => font.toString('latin1', at, at + 4) === 'cmap')! + 8);
  const subtables = Array.from(
    { length: font.readUInt16BE(cmap + 2) },
    (_, index) => cmap + font.readUInt32BE(cmap + 4 + index * 8 + 4),
  );
  const table = subtables.find((at) => font.readUInt16BE(at) === 4)!;
  const count = font.readUInt16BE(table + 6) / 2;
  const ends = table + 14;
  const starts = ends + 2 * count + 2;
  return (codePoint) => {
    for (let segment = 0; segment < count; segment++) {
      if (font.readUInt16BE(ends + 2 * segment) < codePoint) continue;
      const start = font.readUInt16BE(starts + 2 * segment);
      if (codePoint < start) return false;
      const delta = font.readUInt16BE(starts + 2 * count + 2 * segment);
      const offsetAt = starts + 4 * count + 2 * segment;
      const offset = font.readUInt16BE(offsetAt);
      if (offset === 0) return ((codePoint + delta) & 0xffff) !== 0;
      return font.readUInt16BE(offsetAt + offset + 2 * (codePoint - start)) !== 0;
    }
    return false;
  };
}
