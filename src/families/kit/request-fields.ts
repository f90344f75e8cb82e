import { z } from 'zod';
import { type Source, where } from '../../http/pipeline/route-docs.ts';

/**
 * Free text that has to be there: absent, not a string, or empty after trimming gives the field's own code.
 * It does not end the validation, because a code that comes earlier in the family's order may be found later.
 * Over `most` characters it is INVALID_INPUT; they are counted as JavaScript does, where zod's own max() counts an emoji
 * as one.
 */
export const requiredText = (code: string, most = Number.POSITIVE_INFINITY) =>
  z
    .custom<string>((text) => typeof text === 'string' && text.trim() !== '', { error: code, abort: false })
    .refine(
      ofText((text) => text.length <= most),
      { error: `expected at most ${most} characters` },
    )
    .meta({
      ...{ type: 'string', minLength: 1, pattern: '\\S' },
      ...(Number.isFinite(most) && { maxLength: most, 'x-length-unit': 'UTF-16 code units' }),
      // Where the code is none, the sentence is for the client.
      ...(/^[A-Z_]+$/.test(code) && { 'x-error-code': code }),
    });

/**
 * A further check of a required text. It is made of what is no text, too, because that does not end the validation: such values
 * have been refused already, and one like `{"toString":1}` cannot even be compared.
 */
export const ofText =
  (check: (text: string) => boolean) =>
  (value: unknown): boolean =>
    typeof value !== 'string' || check(value);

/** A public http(s) address; the emulator never fetches it. */
export function isPublicUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//i.test(value) && isUrl(value);
}

/** Not `URL.canParse`: when it has been called often, Node 20 takes letters such as ü for broken ones. */
function isUrl(text: string): boolean {
  try {
    return new URL(text) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Of what `URL` takes a pattern can tell no more than that there is a host. No `format`: RFC 3986 has neither blanks nor letters
 * beyond ASCII, which people copy from browsers.
 */
const PUBLIC_URL = {
  type: 'string',
  pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[/\\\\]*[^/\\\\?#]',
} as const;

/** An address that is no public one gives the field's own code. */
export const publicUrl = (code: string) => z.string().refine(isPublicUrl, { error: code }).meta(PUBLIC_URL);

/** A list of image addresses. What its entries have to be is for `imageGivenOtherwise` to say, with the code for that. */
export const imageUrls = z
  .array(z.unknown())
  .meta({ description: 'Public http or https addresses of images; no base64.', items: PUBLIC_URL })
  .default([]);

/**
 * Names under which clients send an image when they do not use the family's own list. Which ones count is our decision; the vendor
 * only says "no base64".
 */
const OTHER_IMAGE_FIELDS = [
  'image',
  'images',
  'imageUrl',
  'imageBase64',
  'inputImages',
  'inputImage',
  'referenceImage',
  'referenceImages',
] as const;

/** They are read, but not documented: who uses them is told where images belong. */
export const otherImages = Object.fromEntries(
  OTHER_IMAGE_FIELDS.map((field) => [field, z.unknown().meta({ 'x-undocumented': true }).optional()]),
) as Record<(typeof OTHER_IMAGE_FIELDS)[number], z.ZodOptional<z.ZodUnknown>>;

const isGiven = (value: unknown) =>
  !(value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0));

/** The first of those fields that has something in it; undefined: none. */
export const otherImageGiven = (body: object): string | undefined =>
  OTHER_IMAGE_FIELDS.find((field) => isGiven((body as Record<string, unknown>)[field]));

/** The field in which an image was given otherwise than as a public URL in the list `urls`; undefined: none. */
export const imageGivenOtherwise = <Urls extends string>(
  body: Record<Urls, readonly unknown[]>,
  urls: Urls,
) => (body[urls].every(isPublicUrl) ? otherImageGiven(body) : urls);

/** What a family asks of a request's images. */
interface ImageRule<Urls extends string> {
  /** The family's list of image addresses. */
  urls: Urls;
  /** The mode that needs an image, and the code that says so. */
  neededFor: string;
  missing: string;
  most?: number;
}

/** The part of an ImageRule that a JSON Schema can tell, for `meta`. */
export const tellImageRule = <Urls extends string>(
  { urls, neededFor, missing }: ImageRule<Urls>,
  source?: Source,
) =>
  where('mode', [neededFor], {
    properties: { [urls]: { minItems: 1 } },
    required: [urls],
    'x-error-code': missing,
    ...(source && { 'x-source': source }),
  });

/**
 * For `superRefine`: images are public URLs in the family's list (else IMAGE_URLS_REQUIRED), there where the mode needs one
 * and not too many (TOO_MANY_IMAGES).
 */
export function checkImages<Urls extends string>({ urls, neededFor, missing, most }: ImageRule<Urls>) {
  return (body: Record<Urls, readonly unknown[]> & { mode: string }, refuse: z.RefinementCtx): void => {
    const issue = (field: string, message: string) =>
      refuse.addIssue({ code: 'custom', path: [field], message });
    const otherwise = imageGivenOtherwise(body, urls);
    if (otherwise) issue(otherwise, 'IMAGE_URLS_REQUIRED');
    else if (body.mode === neededFor && body[urls].length === 0) issue(urls, missing);
    if (most !== undefined && body[urls].length > most) issue(urls, 'TOO_MANY_IMAGES');
  };
}
