import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import { assertAccepted, assertRefused } from './assertions.ts';
import type { Case, CaseContext } from './case-context.ts';
import type { ContractValidator } from './contract-validator.ts';
import { createImageUrls, wrongTypeFor } from './request-bodies.ts';

/** A request body that differs from a valid one in one field, and the expected result. */
export interface Variant {
  id: string;
  name: string;
  body: Json;
  /** Expected error code. Undefined: the request is accepted. */
  code?: string | undefined;
  /** Undefined: the provenance of the error code, or of the endpoint. */
  provenance?: Provenance | undefined;
}

/** The case that a request is accepted or rejected, as a variant expects. `getBody` creates the body of the request. */
export function toCase(
  validator: ContractValidator,
  path: string,
  { id, name, code, provenance }: Omit<Variant, 'body'>,
  getBody: (context: CaseContext) => Json,
): Case {
  const expectedError = code === undefined ? undefined : validator.getErrorCode(path, code);
  const ownProvenance: Provenance = provenance ?? expectedError?.provenance ?? validator.operationOf(path)['x-source'];
  return {
    id: `${path.slice('/api/'.length)}/${id}`,
    name: `${path}: ${name}`,
    provenance: ownProvenance,
    isFree: expectedError !== undefined && ownProvenance === 'documented',
    async check(context) {
      const response = await context.callAndValidate(path, getBody(context));
      if (expectedError) assertRefused(response, expectedError.status, code!);
      else assertAccepted(response);
    },
  };
}

export type SetValue = (value: Json) => Json;

export const missingVariants = (field: string, property: Json, set: SetValue): Variant[] => [
  {
    id: `${field}-missing`,
    name: `a request without ${field} is rejected`,
    body: set(undefined),
    code: errorCodeFor(property),
  },
];

/** A blank text, for fields whose pattern rejects white space, with `\S` or `\s`. */
export const blankVariants = (field: string, property: Json, set: SetValue): Variant[] =>
  property.type === 'string' && /\\s/i.test(property.pattern ?? '')
    ? [
        {
          id: `${field}-blank`,
          name: `a blank ${field} is rejected`,
          body: set(' \n'),
          code: errorCodeFor(property),
          provenance: 'assumed' as const,
        },
      ]
    : [];

export const errorCodeFor = (property: Json): string => property['x-error-code'] ?? 'INVALID_INPUT';

export const wrongTypeVariants = (field: string, property: Json, set: SetValue): Variant[] => [
  {
    id: `${field}-type`,
    name: `${field} of a wrong type is rejected`,
    body: set(wrongTypeFor(property)),
    code: errorCodeFor(property),
    provenance: 'assumed',
  },
];

export function lengthVariants(
  field: string,
  { maxLength, 'x-length-unit': unit, 'x-limit': ownLimit }: Json,
  set: SetValue,
): Variant[] {
  // A limit of the emulator alone says nothing about the real service.
  if (maxLength === undefined || ownLimit) return [];
  return [
    {
      id: `${field}-longest`,
      name: `${field} may have ${maxLength} characters`,
      body: set('x'.repeat(maxLength)),
    },
    {
      id: `${field}-too-long`,
      name: `${field} of ${maxLength + 1} characters is rejected`,
      body: set('x'.repeat(maxLength + 1)),
      code: 'INVALID_INPUT',
    },
    {
      id: `${field}-longest-in-chinese`,
      name: `the limit of ${field} counts ${maxLength} characters, not bytes`,
      body: set('山'.repeat(maxLength)),
    },
    ...(unit === 'UTF-16 code units'
      ? [
          {
            id: `${field}-most-emoji`,
            name: `${field} may have ${Math.floor(maxLength / 2)} emoji`,
            body: set('🐕'.repeat(Math.floor(maxLength / 2))),
          },
          {
            id: `${field}-too-many-emoji`,
            name: `${field} of ${Math.floor(maxLength / 2) + 1} emoji is rejected, as each counts as two characters`,
            body: set('🐕'.repeat(Math.floor(maxLength / 2) + 1)),
            code: 'INVALID_INPUT',
            provenance: 'assumed' as const,
          },
        ]
      : []),
  ];
}

/** Returns the field values under which a schema requires images. */
export const requiredValues = ({ if: condition }: Json): Json =>
  Object.fromEntries(
    Object.entries<Json>(condition?.properties ?? {}).map(([field, { enum: values }]) => [field, values[0]]),
  );

/** Lists with an image that is not a URL, with the maximum number of images, and with one more. */
export function imageVariants(
  validator: ContractValidator,
  path: string,
  field: string,
  property: Json,
  set: SetValue,
): Variant[] {
  const hasImageCode = validator.hasErrorCode(path, 'IMAGE_URLS_REQUIRED');
  const isList = property.items?.pattern?.includes('://') === true;
  if (!isList && !(hasImageCode && property.pattern?.includes('://'))) return [];
  const code = hasImageCode ? 'IMAGE_URLS_REQUIRED' : 'INVALID_INPUT';
  const rejected = [
    // The vendor's page only says "Base64 image upload is not supported via API".
    { id: 'base64', value: 'data:image/png;base64,iVBORw0KGgo=', provenance: undefined },
    { id: 'path', value: '/tmp/cat.png', provenance: 'assumed' as const },
  ].map(({ id, value, provenance }) => ({
    id: `${field}-${id}`,
    name: `${field} with a ${id === 'path' ? 'file path' : 'base64 image'} is rejected`,
    body: set(isList ? [value] : value),
    ...{ code, provenance },
  }));
  const { maxItems, 'x-limit': ownLimit } = property;
  if (maxItems === undefined || ownLimit) return rejected;
  return [
    ...rejected,
    { id: `${field}-most`, name: `a request may have ${maxItems} ${field}`, body: set(createImageUrls(maxItems)) },
    {
      id: `${field}-too-many`,
      name: `a request with ${maxItems + 1} ${field} is rejected`,
      body: set(createImageUrls(maxItems + 1)),
      code: property['x-max-items-code'] ?? 'INVALID_INPUT',
    },
  ];
}
