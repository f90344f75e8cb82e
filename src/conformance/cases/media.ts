import type { Price, Source } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { type Answer, assertAccepted, type Bench, told } from '../case-context.ts';
import { Differs } from '../case-errors.ts';
import { type Conformity, propertiesOf } from '../contract-validator.ts';
import type { FileFound } from '../media-probe.ts';
import { changed, completed, plainBody, pollBodyOf } from '../request-bodies.ts';

/** What a file has to be, in words, and whether it is. */
interface Trait {
  name: string;
  of: FileFound['kind'];
  has(file: FileFound): boolean;
}

const isAbout = (actual: number, wanted: number, tolerance: number) =>
  Math.abs(actual - wanted) <= wanted * tolerance;

const upright: Trait = { name: 'upright', of: 'video', has: ({ width, height }) => height > width };
const lying: Trait = { name: 'lying', of: 'video', has: ({ width, height }) => width > height };

/** Models make sides of whole blocks, so no ratio is quite what its name says. */
const ratio = (of: Trait['of'], across: number, down: number): Trait => ({
  name: `${across}:${down}`,
  of,
  has: ({ width, height }) => isAbout(width / height, across / down, 0.02),
});

/** A class of videos is named after their shorter side; 1080 is often coded as 1088. */
const lines = (count: number): Trait => ({
  name: `${count} pixels on the shorter side`,
  of: 'video',
  has: ({ width, height }) => isAbout(Math.min(width, height), count, 0.01),
});

const lasts = (seconds: number): Trait => ({
  name: `${seconds} s long`,
  of: 'video',
  has: (file) => Math.abs(file.seconds - seconds) <= 0.5,
});

/** A class of images is named after the side of a square with as many pixels. */
const thousands = (count: number): Trait => ({
  name: `of ${count}K`,
  of: 'image',
  has: ({ width, height }) => isAbout(Math.sqrt(width * height), count * 1024, 0.2),
});

const sound = (hasSound: boolean): Trait => ({
  name: hasSound ? 'with sound' : 'silent',
  of: 'video',
  has: (file) => file.hasSound === hasSound,
});

const LENGTHS = Object.fromEntries(['4', '8', '10', '12', '15'].map((text) => [text, [lasts(Number(text))]]));

/** What the values of a request's fields say of the files that come of it. */
const TRAITS: Record<string, Record<string, readonly Trait[]>> = {
  aspectRatio: {
    portrait: [upright],
    landscape: [lying],
    '16:9': [ratio('video', 16, 9), ratio('image', 16, 9)],
    '9:16': [ratio('video', 9, 16), ratio('image', 9, 16)],
    '4:3': [ratio('image', 4, 3)],
    '3:4': [ratio('image', 3, 4)],
  },
  resolution: {
    '480p': [lines(480)],
    '720p': [lines(720)],
    '1080p': [lines(1080)],
    '4k': [lines(2160)],
  },
  modelTier: { 'sora2-pro-standard': [lines(720)], 'sora2-pro-high': [lines(1080)] },
  videoDuration: LENGTHS,
  duration: LENGTHS,
  imageQuality: { '1K': [thousands(1)], '2K': [thousands(2)], '4K': [thousands(4)] },
  generateAudio: { true: [sound(true)], false: [sound(false)] },
};

/** The files of finished tasks: their size, orientation and length are those that were asked for. */
export function resultCases(conformity: Conformity, path: string): Case[] {
  const pollPath = path.replace(/generate$/, 'check-status');
  if (!path.endsWith('/generate') || !conformity.operationOf(pollPath)) return [];
  const operation = conformity.operationOf(path);
  const base = plainBody(conformity, path);
  const shot = propertiesOf(operation).shots?.items.properties;
  const ratios: string[] = (shot ?? propertiesOf(operation)).aspectRatio.enum;
  const withRatio = (body: Json, aspectRatio: string) =>
    changed(body, shot ? { shots: [{ ...body.shots[0], aspectRatio }] } : { aspectRatio });

  // Each ratio once, and each price with one of them, if there is something about it that was not seen together before.
  const seen = new Set<string>();
  const asked = (operation['x-prices'].list as Price[]).flatMap(({ when }, place) => {
    const body = completed(operation, changed(base, when));
    const own = place === 0 ? ratios : [ratios[place % ratios.length]!];
    return own
      .map((aspectRatio) => ({
        values: [...Object.values(when), aspectRatio],
        body: withRatio(body, aspectRatio),
      }))
      .filter(({ values }) => {
        const before = seen.size;
        for (const one of values) for (const other of values) seen.add(`${one} ${other}`);
        return seen.size > before;
      });
  });
  return asked.map(({ values, body }) => ({
    id: `${path.slice('/api/'.length, -'/generate'.length)}/file-${values.join('-').replaceAll(':', 'x')}`,
    name: `${path}: the file is what was asked for with ${values.join(', ')}`,
    mark: operation['x-source'] as Source,
    isFree: false,
    async check(bench) {
      const key = await bench.key();
      const answer = await bench.conforming(path, body, { key });
      assertAccepted(answer);
      const poll = () => bench.conforming(pollPath, pollBodyOf(answer.body), { key });
      const end = await bench.finished(key, poll);
      if (end.body?.status !== 'completed') throw new Differs('a completed task', told(end));
      const { creditsUsed } = end.body;
      const price = conformity.priceOf(path, body);
      if (creditsUsed !== undefined && creditsUsed !== price) {
        throw new Differs(`creditsUsed ${price}`, told(end));
      }
      await assertFiles(bench, end, traitsOf(conformity, path, body));
    },
  }));
}

/** All that a request says of its files, with what stands for the fields that it leaves out. */
export function traitsOf(conformity: Conformity, path: string, body: Json): Trait[] {
  const properties = propertiesOf(conformity.operationOf(path));
  const said = (field: string): Json => body[field] ?? body.shots?.[0][field] ?? properties[field]?.default;
  return Object.entries(TRAITS).flatMap(([field, ofValues]) => ofValues[String(said(field))] ?? []);
}

/** Fetches all files of an answer. A storyboard beside the video is of no class that could be asked for. */
export async function assertFiles(bench: Bench, { text }: Answer, traits: readonly Trait[]): Promise<void> {
  const urls = [...text.matchAll(/"(\w+)":\s*"(https?:\/\/[^"]+)"/g)];
  if (urls.length === 0) throw new Differs('the address of a file', text);
  for (const [, field, url = ''] of urls) {
    const file = await bench.file(url);
    const wanted = file.kind === 'image' && field !== 'imageUrl' ? [] : traits;
    for (const { name, of, has } of wanted) {
      if (file.kind !== of || has(file)) continue;
      const length =
        file.kind === 'video' ? `, ${file.seconds} s, ${file.hasSound ? 'sound' : 'silent'}` : '';
      throw new Differs(`a file that is ${name}`, `${file.width}×${file.height}${length}: ${url}`);
    }
  }
}
