import type { Source } from '../http/pipeline/route-docs.ts';
import type { Json } from '../openapi/json-schema.ts';
import type { Conformity } from './contract-validator.ts';
import { imagesOf, wronglyTyped } from './request-bodies.ts';

/** What a case of a field does to a request, and what has to come of it. */
export interface Variant {
  id: string;
  name: string;
  body: Json;
  /** Undefined: it is accepted. */
  code?: string | undefined;
  mark?: Source | undefined;
}

export type Setting = (value: Json) => Json;

export const absent = (field: string, property: Json, set: Setting): Variant[] => [
  {
    id: `${field}-missing`,
    name: `a request without ${field} is refused`,
    body: set(undefined),
    code: codeOf(property),
    mark: undefined,
  },
];

/** Texts that need more than white space; `\S` and `\s` in a pattern say so. */
export const ofBlank = (field: string, property: Json, set: Setting): Variant[] =>
  property.type === 'string' && /\\s/i.test(property.pattern ?? '')
    ? [
        {
          id: `${field}-blank`,
          name: `${field} of white space alone is refused`,
          body: set(' \n'),
          code: codeOf(property),
          mark: 'X' as const,
        },
      ]
    : [];

export const codeOf = (property: Json): string => property['x-error-code'] ?? 'INVALID_INPUT';

export const ofType = (field: string, property: Json, set: Setting): Variant[] => [
  {
    id: `${field}-type`,
    name: `${field} of another type is refused`,
    body: set(wronglyTyped(property)),
    code: codeOf(property),
    mark: 'X',
  },
];

export function ofLength(field: string, { maxLength, 'x-length-unit': unit }: Json, set: Setting): Variant[] {
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
            mark: 'X' as const,
          },
        ]
      : []),
  ];
}

/** What a request has to say so that images are looked at. */
export const neededIn = ({ if: condition }: Json): Json =>
  Object.fromEntries(
    Object.entries<Json>(condition?.properties ?? {}).map(([field, { enum: values }]) => [field, values[0]]),
  );

/** Lists of addresses of images. */
export function ofImages(
  conformity: Conformity,
  path: string,
  field: string,
  property: Json,
  set: Setting,
): Variant[] {
  if (!property.items?.pattern?.includes('://')) return [];
  const code = conformity.hasCode(path, 'IMAGE_URLS_REQUIRED') ? 'IMAGE_URLS_REQUIRED' : 'INVALID_INPUT';
  const refused = [
    // "Base64 image upload is not supported via API"; of anything else the vendor says nothing.
    { id: 'base64', value: 'data:image/png;base64,iVBORw0KGgo=', mark: undefined },
    { id: 'path', value: '/tmp/cat.png', mark: 'X' as const },
  ].map(({ id, value, mark }) => ({
    id: `${field}-${id}`,
    name: `no ${id} is taken in ${field}`,
    body: set([value]),
    ...{ code, mark },
  }));
  const { maxItems } = property;
  if (maxItems === undefined) return refused;
  return [
    ...refused,
    { id: `${field}-most`, name: `${field} can be ${maxItems}`, body: set(imagesOf(maxItems)) },
    {
      id: `${field}-too-many`,
      name: `${maxItems + 1} ${field} are refused`,
      body: set(imagesOf(maxItems + 1)),
      code: property['x-max-items-code'] ?? 'INVALID_INPUT',
    },
  ];
}
