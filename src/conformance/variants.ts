import type { Provenance } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import type { ContractValidator } from './contract-validator.ts';
import { createImageUrls, wrongTypeFor } from './request-bodies.ts';

/** What a case of a field does to a request, and what has to come of it. */
export interface Variant {
  id: string;
  name: string;
  body: Json;
  /** Undefined: it is accepted. */
  code?: string | undefined;
  provenance?: Provenance | undefined;
}

export type SetValue = (value: Json) => Json;

export const missingVariants = (field: string, property: Json, set: SetValue): Variant[] => [
  {
    id: `${field}-missing`,
    name: `a request without ${field} is refused`,
    body: set(undefined),
    code: errorCodeFor(property),
    provenance: undefined,
  },
];

/** Texts that need more than white space; `\S` and `\s` in a pattern say so. */
export const blankVariants = (field: string, property: Json, set: SetValue): Variant[] =>
  property.type === 'string' && /\\s/i.test(property.pattern ?? '')
    ? [
        {
          id: `${field}-blank`,
          name: `${field} of white space alone is refused`,
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
    name: `${field} of another type is refused`,
    body: set(wrongTypeFor(property)),
    code: errorCodeFor(property),
    provenance: 'assumed',
  },
];

export function lengthVariants(field: string, { maxLength, 'x-length-unit': unit }: Json, set: SetValue): Variant[] {
  if (maxLength === undefined) return [];
  return [
    {
      id: `${field}-longest`,
      name: `${field} can have ${maxLength} characters`,
      body: set('x'.repeat(maxLength)),
    },
    {
      id: `${field}-too-long`,
      name: `${field} of ${maxLength + 1} characters is refused`,
      body: set('x'.repeat(maxLength + 1)),
      code: 'INVALID_INPUT',
    },
    {
      id: `${field}-longest-in-chinese`,
      name: `${field} can have ${maxLength} characters, and not bytes`,
      body: set('山'.repeat(maxLength)),
    },
    ...(unit === 'UTF-16 code units'
      ? [
          {
            id: `${field}-most-emoji`,
            name: `${field} can have ${Math.floor(maxLength / 2)} emoji`,
            body: set('🐕'.repeat(Math.floor(maxLength / 2))),
          },
          {
            id: `${field}-too-many-emoji`,
            name: `${field} of ${Math.floor(maxLength / 2) + 1} emoji is refused: each counts as two`,
            body: set('🐕'.repeat(Math.floor(maxLength / 2) + 1)),
            code: 'INVALID_INPUT',
            provenance: 'assumed' as const,
          },
        ]
      : []),
  ];
}

/** What a request has to say so that images are looked at. */
export const requiredValues = ({ if: condition }: Json): Json =>
  Object.fromEntries(
    Object.entries<Json>(condition?.properties ?? {}).map(([field, { enum: values }]) => [field, values[0]]),
  );

/** Lists of addresses of images. */
export function imageVariants(
  validator: ContractValidator,
  path: string,
  field: string,
  property: Json,
  set: SetValue,
): Variant[] {
  if (!property.items?.pattern?.includes('://')) return [];
  const code = validator.hasErrorCode(path, 'IMAGE_URLS_REQUIRED') ? 'IMAGE_URLS_REQUIRED' : 'INVALID_INPUT';
  const rejected = [
    // "Base64 image upload is not supported via API"; of anything else the vendor says nothing.
    { id: 'base64', value: 'data:image/png;base64,iVBORw0KGgo=', provenance: undefined },
    { id: 'path', value: '/tmp/cat.png', provenance: 'assumed' as const },
  ].map(({ id, value, provenance }) => ({
    id: `${field}-${id}`,
    name: `no ${id} is taken in ${field}`,
    body: set([value]),
    ...{ code, provenance },
  }));
  const { maxItems } = property;
  if (maxItems === undefined) return rejected;
  return [
    ...rejected,
    { id: `${field}-most`, name: `${field} can be ${maxItems}`, body: set(createImageUrls(maxItems)) },
    {
      id: `${field}-too-many`,
      name: `${maxItems + 1} ${field} are refused`,
      body: set(createImageUrls(maxItems + 1)),
      code: property['x-max-items-code'] ?? 'INVALID_INPUT',
    },
  ];
}
