import * as z from 'zod';
import { URL } from '../../core/globals.ts';
import type { ErrorCode, ErrorTable } from '../../http/pipeline/error-table.ts';
import { ifSchema, type Provenance } from '../../http/pipeline/route-docs.ts';

/** The error of a field: a reason that the client sees with INVALID_INPUT, or another error code in `params`. */
type FieldError = { error: string; params?: { code: string } };

/** Whether `value` is a public http(s) URL. The emulator never fetches it. */
export function isPublicUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//i.test(value) && isUrl(value);
}

/** Not `URL.canParse`: on Node 20 it rejects characters such as ü once it has been optimized. */
function isUrl(text: string): boolean {
  try {
    return new URL(text) !== undefined;
  } catch {
    return false;
  }
}

/**
 * JSON Schema keywords of a public URL. A pattern can only require a host; the URL parser decides on the rest. There is
 * no `format`, because RFC 3986 allows neither spaces nor non-ASCII characters, and browsers copy URLs with both.
 */
export const PUBLIC_URL = {
  type: 'string',
  pattern: '^[Hh][Tt][Tt][Pp][Ss]?://[/\\\\]*[^/\\\\?#]',
} as const;

const createPublicUrl = (invalid: FieldError) => z.string().refine(isPublicUrl, invalid).meta(PUBLIC_URL);

/** A public URL; any other value is INVALID_INPUT. */
export const publicUrl = createPublicUrl({ error: 'expected a public http or https URL' });

/** A list of image URLs. `withImageRule` checks the entries, because invalid ones have their own error code. */
export const imageUrls = z
  .array(z.unknown())
  .meta({ description: 'Public http or https URLs of images; no base64.', items: PUBLIC_URL })
  .default([]);

/**
 * Fields in which clients send images instead of in the family's own list. The vendor only says "no base64"; this
 * selection is assumed.
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

/** Undocumented fields that are read, so that a client that uses one gets an error that says where images belong. */
export const misplacedImageFields = Object.fromEntries(
  MISPLACED_IMAGE_FIELDS.map((field) => [field, z.unknown().meta({ 'x-undocumented': true }).optional()]),
) as Record<(typeof MISPLACED_IMAGE_FIELDS)[number], z.ZodOptional<z.ZodUnknown>>;

const isNonEmpty = (value: unknown) =>
  !(value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0));

/** The first misplaced image field with a value. */
export const findMisplacedImageField = (body: object): string | undefined =>
  MISPLACED_IMAGE_FIELDS.find((field) => isNonEmpty((body as Record<string, unknown>)[field]));

/** The field with an image that is not a public URL in the list `urls`. */
export const findInvalidImageField = <Urls extends string>(body: Record<Urls, readonly unknown[]>, urls: Urls) =>
  body[urls].every(isPublicUrl) ? findMisplacedImageField(body) : urls;

/** Turns a check of strings into one of any value, for refinements of `requiredText`, which run on other types too. */
export const whenString =
  (check: (text: string) => boolean) =>
  (value: unknown): boolean =>
    typeof value !== 'string' || check(value);

/**
 * Text that must not be blank. Other types are reported in the same way and do not end the validation, because the
 * route's table may rank an error of a later field first. Lengths are counted in UTF-16 code units; zod's own max()
 * counts code points.
 */
const createRequiredText = (missing: FieldError, max: number) =>
  z
    .custom<string>((text) => typeof text === 'string' && text.trim() !== '', { ...missing, abort: false })
    .refine(
      whenString((text) => text.length <= max),
      { error: `expected at most ${max} characters` },
    )
    .meta({
      ...{ type: 'string', minLength: 1, pattern: '\\S' },
      ...(Number.isFinite(max) && { maxLength: max, 'x-length-unit': 'UTF-16 code units' }),
      ...(missing.params && { 'x-error-code': missing.params.code }),
    });

/** Required text; a missing or blank one, or one of over `max` characters, is INVALID_INPUT. */
export const requiredText = (max = Number.POSITIVE_INFINITY) => createRequiredText({ error: 'expected text' }, max);

/** JSON Schema keywords for `meta` of a body in which one mode requires images. */
export const imageRuleSchema = (urls: string, mode: string, missingCode: string, provenance?: Provenance) =>
  ifSchema('mode', [mode], {
    properties: { [urls]: { minItems: 1 } },
    required: [urls],
    'x-error-code': missingCode,
    ...(provenance && { 'x-source': provenance }),
  });

/** A family's requirements on the images of a request, with their error codes. */
interface ImageRule<Urls extends string, Code> {
  /** The field with the family's list of image URLs. */
  urls: Urls;
  /** For an image that is not a public URL in that list. */
  invalid: Code;
  /** For a request without an image in the mode that requires one. */
  missing: Code;
  requiredForMode: string;
  /** The maximum number of images, and the code for more. */
  max?: { images: number; code: Code };
}

/**
 * Building blocks for the request body of a route whose error table is `errors`. A code that the table lacks does not
 * compile. Everything without a code is INVALID_INPUT.
 */
export function requestFields<Errors extends ErrorTable>(_errors: Errors) {
  type Code = ErrorCode<Errors>;

  /** For `refine`: a failed check has this code. */
  const withCode = (code: Code) => ({ error: code as string, params: { code } });

  /** For `addIssue` in a `superRefine`. */
  const createIssue = (code: Code, ...path: (string | number)[]) =>
    ({ code: 'custom', path, message: code, params: { code } }) as const;

  return {
    withCode,
    createIssue,

    /** Required text; a missing or blank one has this code. One of over `max` characters is INVALID_INPUT. */
    requiredText: (code: Code, max = Number.POSITIVE_INFINITY) => createRequiredText(withCode(code), max),

    /** A public URL; any other string has this code. */
    publicUrl: (code: Code) => createPublicUrl(withCode(code)),

    /** A list of 1 to `max` items; a missing or empty one has this code. Too many `items` are INVALID_INPUT. */
    requiredList<Item extends z.ZodType>(code: Code, item: Item, max: number, items: string) {
      // zod's own type and length checks cannot carry an error code.
      const list = z
        .array(item)
        .min(1)
        .max(max, { error: `at most ${max} ${items}` })
        .meta({ 'x-error-code': code });
      return z.preprocess((value, ctx) => {
        if (!Array.isArray(value) || value.length === 0) ctx.addIssue(createIssue(code));
        return value;
      }, list);
    },

    /** Adds an image rule to a body: the checks and their JSON Schema. */
    withImageRule<Urls extends string, Body extends z.ZodType<{ mode: string } & Record<Urls, readonly unknown[]>>>(
      body: Body,
      { urls, invalid, missing, requiredForMode, max }: ImageRule<Urls, Code>,
    ): Body {
      return body
        .superRefine((fields, ctx) => {
          const invalidField = findInvalidImageField(fields, urls);
          const isMissing = fields.mode === requiredForMode && fields[urls].length === 0;
          if (invalidField) ctx.addIssue(createIssue(invalid, invalidField));
          else if (isMissing) ctx.addIssue(createIssue(missing, urls));
          if (max && fields[urls].length > max.images) ctx.addIssue(createIssue(max.code, urls));
        })
        .meta(imageRuleSchema(urls, requiredForMode, missing));
    },
  };
}
