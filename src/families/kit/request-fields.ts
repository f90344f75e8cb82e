import { z } from 'zod';
import { ifSchema, type Provenance } from '../../http/pipeline/route-docs.ts';

/**
 * Free text that has to be there: absent, not a string, or empty after trimming gives the field's own code.
 * It does not end the validation, because a code that comes earlier in the family's order may be found later.
 * Over `most` characters it is INVALID_INPUT; they are counted as JavaScript does, where zod's own max() counts an emoji
 * as one.
 */
export const requiredText = (code: string, max = Number.POSITIVE_INFINITY) =>
  z
    .custom<string>((text) => typeof text === 'string' && text.trim() !== '', { error: code, abort: false })
    .refine(
      whenString((text) => text.length <= max),
      { error: `expected at most ${max} characters` },
    )
    .meta({
      ...{ type: 'string', minLength: 1, pattern: '\\S' },
      ...(Number.isFinite(max) && { maxLength: max, 'x-length-unit': 'UTF-16 code units' }),
      // Where the code is none, the sentence is for the client.
      ...(/^[A-Z_]+$/.test(code) && { 'x-error-code': code }),
    });

/**
 * A further check of a required text. It is made of what is no text, too, because that does not end the validation: such values
 * have been refused already, and one like `{"toString":1}` cannot even be compared.
 */
export const whenString =
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
const MISPLACED_IMAGE_FIELDS = [
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
export const misplacedImageFields = Object.fromEntries(
  MISPLACED_IMAGE_FIELDS.map((field) => [field, z.unknown().meta({ 'x-undocumented': true }).optional()]),
) as Record<(typeof MISPLACED_IMAGE_FIELDS)[number], z.ZodOptional<z.ZodUnknown>>;

const isNonEmpty = (value: unknown) =>
  !(value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0));

/** The first of those fields that has something in it; undefined: none. */
export const findMisplacedImageField = (body: object): string | undefined =>
  MISPLACED_IMAGE_FIELDS.find((field) => isNonEmpty((body as Record<string, unknown>)[field]));

/** The field in which an image was given otherwise than as a public URL in the list `urls`; undefined: none. */
export const findInvalidImageField = <Urls extends string>(body: Record<Urls, readonly unknown[]>, urls: Urls) =>
  body[urls].every(isPublicUrl) ? findMisplacedImageField(body) : urls;

/** What a family asks of a request's images. */
interface ImageRule<Urls extends string> {
  /** The family's list of image addresses. */
  urls: Urls;
  /** The mode that needs an image, and the code that says so. */
  requiredForMode: string;
  missing: string;
  max?: number;
}

/** The part of an ImageRule that a JSON Schema can tell, for `meta`. */
export const imageRuleSchema = <Urls extends string>(
  { urls, requiredForMode, missing }: ImageRule<Urls>,
  provenance?: Provenance,
) =>
  ifSchema('mode', [requiredForMode], {
    properties: { [urls]: { minItems: 1 } },
    required: [urls],
    'x-error-code': missing,
    ...(provenance && { 'x-source': provenance }),
  });

/**
 * For `superRefine`: images are public URLs in the family's list (else IMAGE_URLS_REQUIRED), there where the mode needs one
 * and not too many (TOO_MANY_IMAGES).
 */
export function checkImages<Urls extends string>({ urls, requiredForMode, missing, max }: ImageRule<Urls>) {
  return (body: Record<Urls, readonly unknown[]> & { mode: string }, ctx: z.RefinementCtx): void => {
    const addIssue = (field: string, message: string) => ctx.addIssue({ code: 'custom', path: [field], message });
    const invalidField = findInvalidImageField(body, urls);
    if (invalidField) addIssue(invalidField, 'IMAGE_URLS_REQUIRED');
    else if (body.mode === requiredForMode && body[urls].length === 0) addIssue(urls, missing);
    if (max !== undefined && body[urls].length > max) addIssue(urls, 'TOO_MANY_IMAGES');
  };
}
