import type { Source } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, assertRefused } from '../case-context.ts';
import { bodySchemaOf, type Conformity, propertiesOf } from '../contract-validator.ts';
import { changed, completed, imagesOf, plainBody } from '../request-bodies.ts';
import {
  absent,
  codeOf,
  neededIn,
  ofBlank,
  ofImages,
  ofLength,
  ofType,
  type Setting,
  type Variant,
} from '../variants.ts';

/** What the document says of the fields of a request: required, typed, from a list, so long, so many. */
export function fieldCases(conformity: Conformity, path: string): Case[] {
  const operation = conformity.operationOf(path);
  const base = plainBody(conformity, path);
  const schema = bodySchemaOf(operation);
  const required: string[] = schema.required ?? [];
  const variants = Object.entries(propertiesOf(operation)).flatMap(([field, property]): Variant[] => {
    // Its own value stays, whatever else that makes necessary.
    const set = (value: Json) =>
      changed(completed(operation, changed(base, { [field]: value })), { [field]: value });
    return [
      ...(required.includes(field) ? absent(field, property, set) : []),
      ...ofBlank(field, property, set),
      ...ofType(field, property, set),
      ...ofList(field, property, set, schema.else && field in schema.if.properties),
      ...ofLength(field, property, set),
      ...ofImages(conformity, path, field, property, (value) =>
        changed(base, { ...neededIn(schema), [field]: value }),
      ),
      ...ofItems(conformity, path, field, base, set),
    ];
  });
  return (
    [...variants, ...byCondition(schema, base)]
      // A poll is accepted only of a task that there is; that is for other cases.
      .filter(({ code }) => code !== undefined || operation['x-prices'])
      .map((variant) => caseOf(conformity, path, variant))
  );
}

/** `decides`: what else has to be there is another thing for each value; the samples have those. */
function ofList(field: string, property: Json, set: Setting, decides: boolean): Variant[] {
  if (!property.enum) return [];
  return [
    {
      id: `${field}-undocumented`,
      name: `an undocumented ${field} is refused`,
      body: set('undocumented'),
      code: 'INVALID_INPUT',
      mark: 'X',
    },
    ...((decides ? [] : property.enum) as string[]).map((value) => ({
      id: `${field}-${value}`,
      name: `${field} can be ${value}`,
      body: set(value),
      mark: property['x-source'],
    })),
  ];
}

/** Lists of objects: what holds of a request's fields, for each of the first one's; and how many there can be. */
function ofItems(conformity: Conformity, path: string, field: string, base: Json, set: Setting): Variant[] {
  const property = propertiesOf(conformity.operationOf(path))[field];
  const { items, maxItems } = property;
  if (!items?.properties) return [];
  const [item] = base[field];
  const many = (count: number) => Array.from({ length: count }, (_, n) => ({ ...item, id: `shot-${n + 1}` }));
  const inside = Object.entries<Json>(items.properties).flatMap(([name, inner]): Variant[] => {
    const setInside = (value: Json) => set([changed(item, { [name]: value })]);
    return [
      ...((items.required ?? []).includes(name)
        ? // Of the code for a part that is missing the vendor says nothing, where it is not the part's own.
          absent(name, inner, setInside).map((one) =>
            one.code === 'INVALID_INPUT' ? { ...one, mark: 'X' as const } : one,
          )
        : []),
      ...ofBlank(name, inner, setInside),
      ...ofType(name, inner, setInside),
      ...ofImages(conformity, path, name, inner, (value) =>
        set([changed(item, { ...neededIn(items.allOf?.at(-1) ?? {}), [name]: value })]),
      ),
      ...(inner.enum
        ? [
            {
              id: `${name}-undocumented`,
              name: `an undocumented ${name} is refused`,
              body: setInside('undocumented'),
              code: 'INVALID_INPUT',
              mark: 'X' as const,
            },
          ]
        : []),
    ];
  });
  const counts = ((items.allOf ?? []) as Json[]).flatMap((rule) => ofCount(rule, item, set));
  return [
    ...inside,
    ...counts,
    { id: `${field}-empty`, name: `an empty ${field} is refused`, body: set([]), code: codeOf(property) },
    { id: `${field}-most`, name: `${field} can be ${maxItems}`, body: set(many(maxItems)) },
    {
      id: `${field}-too-many`,
      name: `${maxItems + 1} ${field} are refused`,
      body: set(many(maxItems + 1)),
      code: 'INVALID_INPUT',
      mark: 'X',
    },
    ...(items.properties.id
      ? [
          {
            id: `${field}-same-id`,
            name: `two ${field} of the same id are refused`,
            body: set([item, item]),
            code: 'INVALID_INPUT',
            mark: 'X' as const,
          },
        ]
      : []),
  ];
}

/** How many images belong to each value of a field. */
function ofCount({ if: condition, then }: Json, item: Json, set: Setting): Variant[] {
  const [[by, { enum: values }]] = Object.entries<Json>(condition.properties) as [[string, Json]];
  const [[field, { minItems: least, maxItems: most }]] = Object.entries<Json>(then.properties) as [
    [string, Json],
  ];
  const of = (count: number) => set([{ ...item, [by]: values[0], [field]: imagesOf(count) }]);
  const right = [...new Set([least, most])].map((count) => ({
    id: `${values[0]}-${count}`,
    name: `${values[0]} takes ${count} images`,
    body: of(count),
  }));
  const wrong = [least - 1, most + 1].filter((count) => count >= 0);
  return [
    ...right,
    ...wrong.map((count) => ({
      id: `${values[0]}-${count}-refused`,
      name: `${values[0]} with ${count} images is refused`,
      body: of(count),
      code: then['x-error-code'],
    })),
  ];
}

/** What a mode needs: without it, or with nothing in it, the request is refused. */
function byCondition(schema: Json, base: Json): Variant[] {
  const { if: condition, then, else: otherwise } = schema;
  if (!condition) return [];
  const [[field, { enum: values }]] = Object.entries<Json>(condition.properties) as [[string, Json]];
  const others = ((schema.properties[field].enum ?? []) as string[]).filter((one) => !values.includes(one));
  return [
    ...neededBy(field, values.slice(0, 1), then, base),
    ...(otherwise ? neededBy(field, others, otherwise, base) : []),
  ];
}

function neededBy(field: string, values: readonly string[], needed: Json, base: Json): Variant[] {
  const names: string[] = needed.required ?? [];
  const code = needed['x-error-code'] ?? 'INVALID_INPUT';
  const mark = needed['x-source'];
  const all = (value: Json) => Object.fromEntries(names.map((name) => [name, value]));
  const isText = names.some((name) => needed.properties[name].pattern ?? needed.properties[name].minLength);
  return (names.length === 0 ? [] : values).flatMap((value) => [
    {
      id: `${field}-${value}-alone`,
      name: `${value} without ${names.join(', ')} is refused`,
      body: changed(base, { ...all(undefined), [field]: value }),
      ...{ code, mark },
    },
    ...(isText
      ? [
          {
            id: `${field}-${value}-with-nothing`,
            name: `${value} with an empty ${names.join(', ')} is refused`,
            body: changed(base, { ...all(''), [field]: value }),
            ...{ code, mark: 'X' as const },
          },
        ]
      : []),
  ]);
}

function caseOf(conformity: Conformity, path: string, { id, name, body, code, mark }: Variant): Case {
  const known = code === undefined ? undefined : conformity.codeOf(path, code);
  const ownMark = mark ?? known?.mark ?? (conformity.operationOf(path)['x-source'] as Source);
  return {
    id: `${path.slice('/api/'.length)}/${id}`,
    name: `${path}: ${name}`,
    mark: ownMark,
    isFree: known !== undefined && ownMark === 'D',
    async check(bench) {
      const answer = await bench.conforming(path, body);
      if (known) assertRefused(answer, known.status, code!);
      else assertAccepted(answer);
    },
  };
}
