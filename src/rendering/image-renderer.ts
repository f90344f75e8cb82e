import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Sharp } from 'sharp';
import type { Picture, Size, Storyboard } from './content.ts';
import { carriable, drawable, escaped } from './text-sanitizing.ts';

/** In the order in which a character is looked for; the second has Chinese, Japanese and Korean. */
const FONTS = 'DejaVu Sans, Droid Sans Fallback, Noto Sans Devanagari, Noto Sans Thai';
/** Huffman tables made for the image save a few per cent and cost half of the time. */
const JPEG = { quality: 80, optimiseCoding: false };
/** Both as shares of the shorter side. */
const LARGEST_TEXT = 0.09;
const MARGIN = 0.06;

type SharpModule = typeof import('sharp').default;

/** Loaded when the first image is drawn: a start does not need it. */
let loading: Promise<SharpModule> | undefined;

async function load(fontsDir: string): Promise<SharpModule> {
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

export type Drawing = ReturnType<typeof createDrawing>;

/** Draws images, in threads of its own; a call returns at once. */
export function createDrawing(fontsDir: string) {
  const sharpened = () => {
    loading ??= load(fontsDir).catch((error) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };

  /**
   * A text as large as its box allows, but no larger than `largest` pixels. The size is found on a small copy, which is laid
   * out in no time. `markupOf` is told how much smaller than that it became.
   */
  async function filling(
    sharp: SharpModule,
    markupOf: (share: number) => string,
    [width, height]: Size,
    largest: number,
  ): Promise<Sharp> {
    const text = (share: number, scale: number) =>
      sharp({
        text: {
          // Ten points at 72 dots an inch are ten pixels.
          text: `<span size="${10 * 1024}" insert_hyphens="false">${markupOf(share)}</span>`,
          dpi: Math.max(1, Math.round((7.2 * largest * share) / scale)),
          width: Math.round(width / scale),
          font: FONTS,
          rgba: true,
          wrap: 'word-char',
        },
      });
    const scale = Math.max(1, Math.min(width, height) / 300);
    let share = 1;
    for (let attempt = 0; attempt < 10; attempt++) {
      const { info } = await text(share, scale).raw().toBuffer({ resolveWithObject: true });
      const over = (info.height * scale) / height;
      if (over <= 1) break;
      share /= Math.max(1.04, Math.sqrt(over));
    }
    return text(share, 1);
  }

  return {
    async picture({ size, model, prompt, taskId, note }: Picture): Promise<Buffer> {
      const sharp = await sharpened();
      const margin = Math.round(MARGIN * Math.min(...size));
      const [width, height]: Size = [size[0] - 2 * margin, size[1] - 2 * margin];
      const background = colourOf(taskId);
      const shown = escaped(drawable(prompt));
      // A long prompt becomes small, what is beside it does not.
      const markupOf = (share: number) => {
        const small = (text: string) =>
          `<span size="${Math.round(50 / share)}%" foreground="#ffffffc0">${escaped(text)}</span>`;
        return `${small(model)}\n<span foreground="#ffffff">${shown}</span>\n${small(taskId)}\n${small(note)}`;
      };
      const text = await filling(sharp, markupOf, [width, height], LARGEST_TEXT * Math.min(...size));
      return text
        .flatten({ background })
        .resize(width, height, { fit: 'contain', withoutEnlargement: true, position: 'left', background })
        .extend({ top: margin, bottom: margin, left: margin, right: margin, background })
        .withXmp(about({ model, prompt, taskId }))
        .jpeg(JPEG)
        .toBuffer();
    },

    async storyboard({ size, model, prompt, taskId }: Storyboard): Promise<Buffer> {
      const sharp = await sharpened();
      const [width, height] = size;
      const cell: Size = [Math.round((width / 3) * 0.9), Math.round((height / 3) * 0.17)];
      const shown = `<span foreground="#000000">${escaped(drawable(prompt, 60))}</span>`;
      const { data, info } = await (
        await filling(sharp, () => shown, cell, LARGEST_TEXT * (Math.min(...size) / 3))
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
      return sharp(Buffer.from(grid(size)))
        .composite(captions)
        .withXmp(about({ model, prompt, taskId }))
        .greyscale()
        .jpeg(JPEG)
        .toBuffer();
    },
  };
}

/** Dark enough for white letters, another for each task. */
function colourOf(taskId: string) {
  const [first, second, third] = createHash('sha256').update(taskId).digest();
  return { r: 20 + (first! % 70), g: 20 + (second! % 70), b: 40 + (third! % 80) };
}

const SCENES = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** Nine frames with their numbers, each with a sketch of its own: a horizon and what stands before it. */
function grid([width, height]: Size): string {
  const [wide, high] = [width / 3, height / 3];
  const frames = SCENES.map((scene) => {
    const [x, y] = [(scene % 3) * wide, Math.floor(scene / 3) * high];
    const at = (share: number, whole: number) => (share * whole).toFixed(1);
    const grey = 150 + ((scene * 37) % 70);
    const side = 0.25 + ((scene * 29) % 50) / 100;
    return `<g transform="translate(${x.toFixed(1)} ${y.toFixed(1)})">
      <rect x="${at(0.03, wide)}" y="${at(0.03, high)}" width="${at(0.94, wide)}" height="${at(0.7, high)}" fill="rgb(${grey},${grey},${grey})"/>
      <rect x="${at(0.03, wide)}" y="${at(0.5, high)}" width="${at(0.94, wide)}" height="${at(0.23, high)}" fill="#666"/>
      <circle cx="${at(side, wide)}" cy="${at(0.42, high)}" r="${at(0.05 + (scene % 4) * 0.03, Math.min(wide, high))}" fill="#111"/>
      <rect x="${at(0.03, wide)}" y="${at(0.03, high)}" width="${at(0.94, wide)}" height="${at(0.94, high)}" fill="none" stroke="#000" stroke-width="3"/>
      <text x="${at(0.07, wide)}" y="${at(0.17, high)}" font-family="DejaVu Sans" font-size="${at(0.09, Math.min(wide, high))}" fill="#000">SC${scene + 1}</text>
    </g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#fff"/>${frames.join('')}</svg>`;
}

/** The same for programs to read: XMP, because Exif has only ASCII. */
function about({ model, prompt, taskId }: Pick<Picture, 'model' | 'prompt' | 'taskId'>): string {
  const text = (tag: string, value: string) =>
    `<dc:${tag}><rdf:Alt><rdf:li xml:lang="x-default">${carriable(value)}</rdf:li></rdf:Alt></dc:${tag}>`;
  return `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<dc:identifier>${escaped(taskId)}</dc:identifier><xmp:CreatorTool>nanophoto-emulator</xmp:CreatorTool>
${text('title', model)}${text('description', prompt)}
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>`;
}
