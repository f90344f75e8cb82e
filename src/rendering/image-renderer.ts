import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Sharp } from 'sharp';
import type { Picture, Size, Storyboard } from './content.ts';
import { escapeXml, toDisplayText, toXmpText } from './text-sanitizing.ts';

/** In the order in which a character is looked for; the second has Chinese, Japanese and Korean. */
const FONTS = 'DejaVu Sans, Droid Sans Fallback, Noto Sans Devanagari, Noto Sans Thai';
/** Huffman tables made for the image save a few per cent and cost half of the time. */
const JPEG = { quality: 80, optimiseCoding: false };
/** Both as shares of the shorter side. */
const MAX_TEXT_SHARE = 0.09;
const MARGIN_SHARE = 0.06;

type SharpModule = typeof import('sharp').default;

/** Loaded when the first image is drawn: a start does not need it. */
let loading: Promise<SharpModule> | undefined;

async function initSharp(fontsDir: string): Promise<SharpModule> {
  // Node.js 20 leaves symbolic links in the names of modules as they are when the last file that anybody looked at was a pipe,
  // standard output for instance; where packages are links (pnpm), sharp would then not find its own. So look at a folder.
  statSync(fontsDir);
  const { default: sharp } = await import('sharp');
  // What is drawn here is drawn once.
  sharp.cache(false);
  // An image on one processor: the others are for who asks meanwhile.
  sharp.concurrency(1);
  // A font is known from the first text on that names its file.
  for (const fontfile of readdirSync(fontsDir).filter((file) => file.endsWith('.ttf'))) {
    await sharp({ text: { text: 'a', fontfile: join(fontsDir, fontfile) } }).toBuffer();
  }
  return sharp;
}

export type ImageRenderer = ReturnType<typeof createImageRenderer>;

/** Draws images, in threads of its own; a call returns at once. */
export function createImageRenderer(fontsDir: string) {
  const loadSharp = () => {
    loading ??= initSharp(fontsDir).catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };

  /**
   * A text as large as its box allows, but no larger than `largest` pixels. The size is found on a small copy, which is laid
   * out in no time. `markupOf` is told how much smaller than that it became.
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
          // Ten points at 72 dots an inch are ten pixels.
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
      const background = colourFor(taskId);
      const promptMarkup = escapeXml(toDisplayText(prompt));
      // A long prompt becomes small, what is beside it does not.
      const createMarkup = (share: number) => {
        const toSmallMarkup = (text: string) =>
          `<span size="${Math.round(50 / share)}%" foreground="#ffffffc0">${escapeXml(text)}</span>`;
        return `${toSmallMarkup(model)}\n<span foreground="#ffffff">${promptMarkup}</span>\n${toSmallMarkup(taskId)}\n${toSmallMarkup(note)}`;
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
      const captionMarkup = `<span foreground="#000000">${escapeXml(toDisplayText(prompt, 60))}</span>`;
      const { data, info } = await (
        await fitText(sharp, () => captionMarkup, cell, MAX_TEXT_SHARE * (Math.min(...size) / 3))
      )
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

/** Dark enough for white letters, another for each task. */
function colourFor(taskId: string) {
  const [first, second, third] = createHash('sha256').update(taskId).digest();
  return { r: 20 + (first! % 70), g: 20 + (second! % 70), b: 40 + (third! % 80) };
}

const SCENES = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** Nine frames with their numbers, each with a sketch of its own: a horizon and what stands before it. */
function renderGridSvg([width, height]: Size): string {
  const [frameWidth, frameHeight] = [width / 3, height / 3];
  const frames = SCENES.map((scene) => {
    const [x, y] = [(scene % 3) * frameWidth, Math.floor(scene / 3) * frameHeight];
    const toPixels = (share: number, total: number) => (share * total).toFixed(1);
    const grey = 150 + ((scene * 37) % 70);
    const side = 0.25 + ((scene * 29) % 50) / 100;
    return `<g transform="translate(${x.toFixed(1)} ${y.toFixed(1)})">
      <rect x="${toPixels(0.03, frameWidth)}" y="${toPixels(0.03, frameHeight)}" width="${toPixels(0.94, frameWidth)}" height="${toPixels(0.7, frameHeight)}" fill="rgb(${grey},${grey},${grey})"/>
      <rect x="${toPixels(0.03, frameWidth)}" y="${toPixels(0.5, frameHeight)}" width="${toPixels(0.94, frameWidth)}" height="${toPixels(0.23, frameHeight)}" fill="#666"/>
      <circle cx="${toPixels(side, frameWidth)}" cy="${toPixels(0.42, frameHeight)}" r="${toPixels(0.05 + (scene % 4) * 0.03, Math.min(frameWidth, frameHeight))}" fill="#111"/>
      <rect x="${toPixels(0.03, frameWidth)}" y="${toPixels(0.03, frameHeight)}" width="${toPixels(0.94, frameWidth)}" height="${toPixels(0.94, frameHeight)}" fill="none" stroke="#000" stroke-width="3"/>
      <text x="${toPixels(0.07, frameWidth)}" y="${toPixels(0.17, frameHeight)}" font-family="DejaVu Sans" font-size="${toPixels(0.09, Math.min(frameWidth, frameHeight))}" fill="#000">SC${scene + 1}</text>
    </g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#fff"/>${frames.join('')}</svg>`;
}

/** The same for programs to read: XMP, because Exif has only ASCII. */
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
