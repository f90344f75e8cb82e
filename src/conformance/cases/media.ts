import type { Price } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, describeResponse } from '../assertions.ts';
import { type Case, type CaseContext, createCaseDefiner } from '../case-context.ts';
import { Mismatch } from '../case-errors.ts';
import { type ContractValidator, getProperties } from '../contract-validator.ts';
import type { HttpResponse } from '../http-client.ts';
import type { MediaInfo } from '../media-probe.ts';
import { minimalBody, toPollBody, withChanges, withRequiredFields } from '../request-bodies.ts';

/** A property that a result file must have, and its name in reports. */
interface Trait {
  name: string;
  kind: MediaInfo['kind'];
  matches(file: MediaInfo): boolean;
}

const isApproximately = (actual: number, expected: number, tolerance: number) =>
  Math.abs(actual - expected) <= expected * tolerance;

const portrait: Trait = {
  name: 'in portrait orientation',
  kind: 'video',
  matches: ({ width, height }) => height > width,
};
const landscape: Trait = {
  name: 'in landscape orientation',
  kind: 'video',
  matches: ({ width, height }) => width > height,
};

/** Models produce sides that are multiples of a block size, so ratios are approximate. */
const ratioTrait = (kind: Trait['kind'], across: number, down: number): Trait => ({
  name: `in ${across}:${down}`,
  kind,
  matches: ({ width, height }) => isApproximately(width / height, across / down, 0.02),
});

/** Resolutions are named after the shorter side of a video; 1080 is often encoded as 1088. */
const shorterSideTrait = (count: number): Trait => ({
  name: `${count} pixels wide on its shorter side`,
  kind: 'video',
  matches: ({ width, height }) => isApproximately(Math.min(width, height), count, 0.01),
});

const durationTrait = (seconds: number): Trait => ({
  name: `${seconds} s long`,
  kind: 'video',
  matches: (file) => Math.abs(file.seconds - seconds) <= 0.5,
});

/** Image qualities are named after the side of a square with the same number of pixels. */
const pixelClassTrait = (count: number): Trait => ({
  name: `in ${count}K`,
  kind: 'image',
  matches: ({ width, height }) => isApproximately(Math.sqrt(width * height), count * 1024, 0.2),
});

const audioTrait = (hasSound: boolean): Trait => ({
  name: hasSound ? 'with sound' : 'silent',
  kind: 'video',
  matches: (file) => file.hasSound === hasSound,
});

const DURATION_TRAITS = Object.fromEntries(
  ['4', '8', '10', '12', '15'].map((text) => [text, [durationTrait(Number(text))]]),
);

/** Properties of the result files by the values of the request's fields. */
const TRAITS_BY_FIELD: Record<string, Record<string, readonly Trait[]>> = {
  aspectRatio: {
    portrait: [portrait],
    landscape: [landscape],
    '16:9': [ratioTrait('video', 16, 9), ratioTrait('image', 16, 9)],
    '9:16': [ratioTrait('video', 9, 16), ratioTrait('image', 9, 16)],
    '4:3': [ratioTrait('image', 4, 3)],
    '3:4': [ratioTrait('image', 3, 4)],
  },
  resolution: {
    '480p': [shorterSideTrait(480)],
    '720p': [shorterSideTrait(720)],
    '1080p': [shorterSideTrait(1080)],
    '4k': [shorterSideTrait(2160)],
  },
  modelTier: { 'sora2-pro-standard': [shorterSideTrait(720)], 'sora2-pro-high': [shorterSideTrait(1080)] },
  videoDuration: DURATION_TRAITS,
  duration: DURATION_TRAITS,
  imageQuality: { '1K': [pixelClassTrait(1)], '2K': [pixelClassTrait(2)], '4K': [pixelClassTrait(4)] },
  generateAudio: { true: [audioTrait(true)], false: [audioTrait(false)] },
};

/** Cases for result files: their size, orientation, length and sound match the request. */
export function resultCases(validator: ContractValidator, path: string): Case[] {
  const pollPath = path.replace(/generate$/, 'check-status');
  if (!path.endsWith('/generate') || !validator.operationOf(pollPath)) return [];
  const operation = validator.operationOf(path);
  const base = minimalBody(validator, path);
  const shotProperties = getProperties(operation).shots?.items.properties;
  /** Families without a choice of aspect ratios have a single variant for each price. */
  const ratios: (string | undefined)[] = (shotProperties ?? getProperties(operation)).aspectRatio?.enum ?? [undefined];
  const withRatio = (body: Json, aspectRatio: string | undefined) =>
    withChanges(body, shotProperties ? { shots: [{ ...body.shots[0], aspectRatio }] } : { aspectRatio });

  // All ratios with the first price, then one ratio with each further price, if that adds a new pair of values.
  const seenPairs = new Set<string>();
  const variants = (operation['x-prices'].list as Price[]).flatMap(({ when }, index) => {
    const body = withRequiredFields(operation, withChanges(base, when));
    const ownRatios = index === 0 ? ratios : [ratios[index % ratios.length]!];
    return ownRatios
      .map((aspectRatio) => ({
        values: [...Object.values(when), ...(aspectRatio ? [aspectRatio] : [])],
        body: withRatio(body, aspectRatio),
      }))
      .filter(({ values }) => {
        const sizeBefore = seenPairs.size;
        for (const one of values) for (const other of values) seenPairs.add(`${one} ${other}`);
        return seenPairs.size > sizeBefore;
      });
  });
  const defineCase = createCaseDefiner(path.slice('/api/'.length, -'/generate'.length), path);
  return variants.map(({ values, body }) => {
    const id = `file-${values.join('-').replaceAll(':', 'x')}`;
    return defineCase(id, `the file matches ${values.join(', ')}`, operation['x-source'], async (context) => {
      const key = await context.getKey();
      const response = await context.callAndValidate(path, body, { key });
      assertAccepted(response);
      const poll = () => context.callAndValidate(pollPath, toPollBody(response.body), { key });
      const finalResponse = await context.pollUntilDone(key, poll);
      if (finalResponse.body?.status !== 'completed')
        throw new Mismatch('a completed task', describeResponse(finalResponse));
      const { creditsUsed } = finalResponse.body;
      const price = validator.estimatePrice(path, body);
      if (creditsUsed !== undefined && creditsUsed !== price) {
        throw new Mismatch(`creditsUsed ${price}`, describeResponse(finalResponse));
      }
      await assertFiles(context, finalResponse, getExpectedTraits(validator, path, body));
    });
  });
}

/** Returns the properties that a request, with its defaults, implies for its result files. */
export function getExpectedTraits(validator: ContractValidator, path: string, body: Json): Trait[] {
  const properties = getProperties(validator.operationOf(path));
  const getFieldValue = (field: string): Json => body[field] ?? body.shots?.[0][field] ?? properties[field]?.default;
  return Object.entries(TRAITS_BY_FIELD).flatMap(
    ([field, traitsByValue]) => traitsByValue[String(getFieldValue(field))] ?? [],
  );
}

/** More than any response of the API has. */
const MAX_FILES = 50;

/** Fetches all files of a response and checks them. A storyboard is only checked to be an image. */
export async function assertFiles(
  context: CaseContext,
  { text }: HttpResponse,
  traits: readonly Trait[],
): Promise<void> {
  const urls = [...text.matchAll(/"(\w+)":\s*"(https?:\/\/[^"]+)"/g)];
  if (urls.length === 0) throw new Mismatch('the URL of a file', text);
  if (urls.length > MAX_FILES) throw new Mismatch(`at most ${MAX_FILES} URLs of files`, text);
  for (const [, field, url = ''] of urls) {
    const file = await context.probeMedia(url);
    const applicableTraits = file.kind === 'image' && field !== 'imageUrl' ? [] : traits;
    for (const { name, kind, matches } of applicableTraits) {
      if (file.kind !== kind || matches(file)) continue;
      const length = file.kind === 'video' ? `, ${file.seconds} s, ${file.hasSound ? 'sound' : 'silent'}` : '';
      throw new Mismatch(`a file that is ${name}`, `${file.width}×${file.height}${length}: ${url}`);
    }
  }
}
