import { z } from 'zod';

/**
 * Free text that has to be there: absent, not a string, or empty after trimming gives the field's own code.
 * It does not end the validation, because a code that comes earlier in the family's order may be found later.
 */
export const requiredText = (code: string) =>
  z.custom<string>((text) => typeof text === 'string' && text.trim() !== '', { error: code, abort: false });

/** A public http(s) address; the emulator never fetches it. */
export function isPublicUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//i.test(value) && URL.canParse(value);
}

/** A list of image addresses. What its entries have to be is for `checkImages` to say, with the codes for that. */
export const imageUrls = z.array(z.unknown()).default([]);

/**
 * Names under which clients send an image when they do not use `imageUrls`. Which ones count is our decision; the vendor
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

export const otherImages = Object.fromEntries(
  OTHER_IMAGE_FIELDS.map((field) => [field, z.unknown().optional()]),
) as Record<(typeof OTHER_IMAGE_FIELDS)[number], z.ZodOptional<z.ZodUnknown>>;

const isGiven = (value: unknown) =>
  !(value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0));

/** The first field in which an image was given otherwise than as a public URL in `imageUrls`; undefined: none. */
export function imageGivenOtherwise(body: { imageUrls: readonly unknown[] }): string | undefined {
  if (!body.imageUrls.every(isPublicUrl)) return 'imageUrls';
  return OTHER_IMAGE_FIELDS.find((field) => isGiven((body as Record<string, unknown>)[field]));
}
