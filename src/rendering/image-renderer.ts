import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Sharp } from 'sharp';
import { EmulatorError } from '../core/errors.ts';
import { isOutOfDescriptors, lazy } from '../core/file-descriptors.ts';
import type { Picture, Size, Storyboard } from './content.ts';
import { escapeXml, toDisplayText, toXmpText } from './text-sanitizing.ts';

/** Fonts in the order of glyph fallback; Droid Sans Fallback covers Chinese, Japanese and Korean. */
const FONTS = 'DejaVu Sans, Droid Sans Fallback, Noto Sans Devanagari, Noto Sans Thai';
/** Optimized Huffman tables would save a few percent of size and double the encoding time. */
const JPEG = { quality: 80, optimiseCoding: false };
/** Font size and margin, as shares of the shorter side. */
const MAX_TEXT_SHARE = 0.09;
const MARGIN_SHARE = 0.06;

type SharpModule = typeof import('sharp').default;

async function initSharp(fontsDir: string): Promise<SharpModule> {
  // Node.js 20 does not resolve symbolic links in module paths if the last stat() of the process was of a pipe, such as
  // standard output. With symlinked packages (pnpm), sharp would then not find its binaries. A stat() of a folder
  // avoids it.
  statSync(fontsDir);
  const { default: sharp } = await importSharp();
  // Each image is rendered only once, so libvips' operation cache would never hit.
  sharp.cache(false);
  // One core per image, so that the others serve requests.
  sharp.concurrency(1);
  // Pango registers a font when a text first names its file.
  for (const fontfile of readdirSync(fontsDir).filter((file) => file.endsWith('.ttf'))) {
    await sharp({ text: { text: 'a', fontfile: join(fontsDir, fontfile) } }).toBuffer();
  }
  return sharp;
}

async function importSharp(): Promise<typeof import('sharp')> {
  try {
    return await import('sharp');
  } catch (cause) {
    if (isOutOfDescriptors(cause)) throw cause;
    const [reason] = (cause as Error).message.split('\n');
    throw new EmulatorError('IMAGES_UNAVAILABLE', `${reason}; run npm install --include=optional sharp`);
  }
}

/** Renders images in libvips' thread pool, without blocking the event loop. */
export function createImageRenderer(fontsDir: string) {
  const loadSharp = lazy(() => initSharp(fontsDir));

  /**
   * Renders text in the largest font that fits its box, up to `maxPixels`. Measures on a scaled-down copy, which is
   * faster. `createMarkup` gets the chosen size as a share of `maxPixels`.
   */
  async function fitText(
    sharp: SharpModule,
    createMarkup: (share: number) => string,
    [width, height]: Size,
    maxPixels: number,
  ): Promise<Sharp> {
    const renderText = (share: number, scale: number) =>
      sharp({
        text: {
          // Ten points at 72 dpi are ten pixels.
          text: `<span size="${10 * 1024}" insert_hyphens="false">${createMarkup(share)}</span>`,
          dpi: Math.max(1, Math.round((7.2 * maxPixels * share) / scale)),
          width: Math.round(width / scale),
          font: FONTS,
          rgba: true,
          wrap: 'word-char',
        },
      });
    const scale = Math.max(1, Math.min(width, height) / 300);
    let share = 1;
    for (let attempt = 0; attempt < 10; attempt++) {
      const { info } = await renderText(share, scale).raw().toBuffer({ resolveWithObject: true });
      const overflow = (info.height * scale) / height;
      if (overflow <= 1) break;
      share /= Math.max(1.04, Math.sqrt(overflow));
    }
    return renderText(share, 1);
  }

  return {
    async renderPicture({ size, model, prompt, taskId, note }: Picture): Promise<Buffer> {
      const sharp = await loadSharp();
      const margin = Math.round(MARGIN_SHARE * Math.min(...size));
      const [width, height]: Size = [size[0] - 2 * margin, size[1] - 2 * margin];
      const background = colorFor(taskId);
      const promptMarkup = escapeXml(toDisplayText(prompt));
      // A long prompt shrinks; the lines around it keep their size.
      const createMarkup = (share: number) => {
        const toSmallMarkup = (text: string) =>
          `<span size="${Math.round(50 / share)}%" foreground="#ffffffc0">${escapeXml(text)}</span>`;
        const largeMarkup = `<span foreground="#ffffff">${promptMarkup}</span>`;
        return [toSmallMarkup(model), largeMarkup, toSmallMarkup(taskId), toSmallMarkup(note)].join('\n');
      };
      const text = await fitText(sharp, createMarkup, [width, height], MAX_TEXT_SHARE * Math.min(...size));
      return text
        .flatten({ background })
        .resize(width, height, { fit: 'contain', withoutEnlargement: true, position: 'left', background })
        .extend({ top: margin, bottom: margin, left: margin, right: margin, background })
        .withXmp(buildXmp({ model, prompt, taskId }))
        .jpeg(JPEG)
        .toBuffer();
    },

    async renderStoryboard({ size, model, prompt, taskId }: Storyboard): Promise<Buffer> {
      const sharp = await loadSharp();
      const [width, height] = size;
      const cell: Size = [Math.round((width / 3) * 0.9), Math.round((height / 3) * 0.17)];
      const fitCaption = (text: string) => {
        const markup = `<span foreground="#000000">${escapeXml(text)}</span>`;
        return fitText(sharp, () => markup, cell, MAX_TEXT_SHARE * (Math.min(...size) / 3));
      };
      const caption = await fitCaption(toDisplayText(prompt, 60)).catch((error: Error) => {
        // The prompt has only invisible characters.
        if (error.message.includes('no text to render')) return fitCaption(taskId);
        throw error;
      });
      const { data, info } = await caption
        .resize(cell[0], cell[1], { fit: 'inside', withoutEnlargement: true })
        .raw()
        .toBuffer({ resolveWithObject: true });
      const captions = SCENES.map((scene) => ({
        input: data,
        raw: { width: info.width, height: info.height, channels: info.channels },
        left: Math.round(((scene % 3) + 0.05) * (width / 3)),
        top: Math.round((Math.floor(scene / 3) + 0.76) * (height / 3)),
      }));
      return sharp(Buffer.from(renderGridSvg(size)))
        .composite(captions)
        .withXmp(buildXmp({ model, prompt, taskId }))
        .greyscale()
        .jpeg(JPEG)
        .toBuffer();
    },
  };
}

/** A color per task, dark enough for white text. */
function colorFor(taskId: string) {
  const [first, second, third] = createHash('sha256').update(taskId).digest();
  return { r: 20 + (first! % 70), g: 20 + (second! % 70), b: 40 + (third! % 80) };
}

const SCENES = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** Nine numbered frames, each with a different sketch: a horizon and a shape in front of it. */
function renderGridSvg([width, height]: Size): string {
  const [frameWidth, frameHeight] = [width / 3, height / 3];
  const toPixels = (share: number, total: number) => (share * total).toFixed(1);
  const x = (share: number) => toPixels(share, frameWidth);
  const y = (share: number) => toPixels(share, frameHeight);
  const length = (share: number) => toPixels(share, Math.min(frameWidth, frameHeight));
  const rect = (top: number, height: number, attributes: string) =>
    `<rect x="${x(0.03)}" y="${y(top)}" width="${x(0.94)}" height="${y(height)}" ${attributes}/>`;
  const frames = SCENES.map((scene) => {
    const [left, top] = [(scene % 3) * frameWidth, Math.floor(scene / 3) * frameHeight];
    const grey = 150 + ((scene * 37) % 70);
    const side = 0.25 + ((scene * 29) % 50) / 100;
    const textAttributes = `font-family="DejaVu Sans" font-size="${length(0.09)}" fill="#000"`;
    return `<g transform="translate(${left.toFixed(1)} ${top.toFixed(1)})">
      ${rect(0.03, 0.7, `fill="rgb(${grey},${grey},${grey})"`)}
      ${rect(0.5, 0.23, 'fill="#666"')}
      <circle cx="${x(side)}" cy="${y(0.42)}" r="${length(0.05 + (scene % 4) * 0.03)}" fill="#111"/>
      ${rect(0.03, 0.94, 'fill="none" stroke="#000" stroke-width="3"')}
      <text x="${x(0.07)}" y="${y(0.17)}" ${textAttributes}>SC${scene + 1}</text>
    </g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#fff"/>${frames.join('')}</svg>`;
}

/** Machine-readable metadata. XMP, because Exif text is limited to ASCII. */
function buildXmp({ model, prompt, taskId }: Pick<Picture, 'model' | 'prompt' | 'taskId'>): string {
  const toElement = (tag: string, value: string) =>
    `<dc:${tag}><rdf:Alt><rdf:li xml:lang="x-default">${toXmpText(value)}</rdf:li></rdf:Alt></dc:${tag}>`;
  return `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<dc:identifier>${escapeXml(taskId)}</dc:identifier><xmp:CreatorTool>nanophoto-emulator</xmp:CreatorTool>
${toElement('title', model)}${toElement('description', prompt)}
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>`;
}
