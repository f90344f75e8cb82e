import type { Provenance } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, assertRefused } from '../assertions.ts';
import type { Case } from '../case-context.ts';
import { type ContractValidator, getBodySchema, getProperties } from '../contract-validator.ts';
import { createImageUrls, minimalBody, withChanges, withRequiredFields } from '../request-bodies.ts';
import {
  blankVariants,
  errorCodeFor,
  imageVariants,
  lengthVariants,
  missingVariants,
  requiredValues,
  type SetValue,
  type Variant,
  wrongTypeVariants,
} from '../variants.ts';

/** Cases for the schema of a request: required fields, types, enums, lengths and numbers of items. */
export function fieldCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  const base = minimalBody(validator, path);
  const schema = getBodySchema(operation);
  const required: string[] = schema.required ?? [];
  const variants = Object.entries(getProperties(operation)).flatMap(([field, property]): Variant[] => {
    // Set again at the end, since adding the fields that the value requires may have replaced it.
    const set = (value: Json) =>
      withChanges(withRequiredFields(operation, withChanges(base, { [field]: value })), { [field]: value });
    return [
      ...(required.includes(field) ? missingVariants(field, property, set) : []),
      ...blankVariants(field, property, set),
      ...wrongTypeVariants(field, property, set),
      ...enumVariants(field, property, set, schema.else && field in schema.if.properties),
      ...lengthVariants(field, property, set),
      ...imageVariants(validator, path, field, property, (value) =>
        withChanges(base, { ...requiredValues(schema), [field]: value }),
      ),
      ...itemVariants(validator, path, field, base, set),
    ];
  });
  return (
    [...variants, ...conditionalVariants(schema, base)]
      // A valid poll needs an existing task; the task cases check that.
      .filter(({ code }) => code !== undefined || operation['x-prices'])
      .map((variant) => toCase(validator, path, variant))
  );
}

/** With `isDiscriminator`, each value requires other fields, and its valid values are left to the samples. */
function enumVariants(field: string, property: Json, set: SetValue, isDiscriminator: boolean): Variant[] {
  if (!property.enum) return [];
  return [
    {
      id: `${field}-undocumented`,
      name: `an undocumented ${field} is rejected`,
      body: set('undocumented'),
      code: 'INVALID_INPUT',
      provenance: 'assumed',
    },
    ...((isDiscriminator ? [] : property.enum) as string[]).map((value) => ({
      id: `${field}-${value}`,
      name: `${field} may be ${value}`,
      body: set(value),
      provenance: property['x-source'],
    })),
  ];
}

/** Cases for a list of objects: the fields of its first item, and the number of items. */
function itemVariants(validator: ContractValidator, path: string, field: string, base: Json, set: SetValue): Variant[] {
  const property = getProperties(validator.operationOf(path))[field];
  const { items, maxItems } = property;
  if (!items?.properties) return [];
  const [item] = base[field];
  const repeatItem = (count: number) => Array.from({ length: count }, (_, n) => ({ ...item, id: `shot-${n + 1}` }));
  const itemFieldVariants = Object.entries<Json>(items.properties).flatMap(([name, itemProperty]): Variant[] => {
    const setItemField = (value: Json) => set([withChanges(item, { [name]: value })]);
    return [
      ...((items.required ?? []).includes(name)
        ? // The vendor documents no code for a missing field of an item, unless the field has its own.
          missingVariants(name, itemProperty, setItemField).map((one) =>
            one.code === 'INVALID_INPUT' ? { ...one, provenance: 'assumed' as const } : one,
          )
        : []),
      ...blankVariants(name, itemProperty, setItemField),
      ...wrongTypeVariants(name, itemProperty, setItemField),
      ...imageVariants(validator, path, name, itemProperty, (value) =>
        set([withChanges(item, { ...requiredValues(items.allOf?.at(-1) ?? {}), [name]: value })]),
      ),
      ...(itemProperty.enum
        ? [
            {
              id: `${name}-undocumented`,
              name: `an undocumented ${name} is rejected`,
              body: setItemField('undocumented'),
              code: 'INVALID_INPUT',
              provenance: 'assumed' as const,
            },
          ]
        : []),
    ];
  });
  const countVariants = ((items.allOf ?? []) as Json[]).flatMap((rule) => imageCountVariants(rule, item, set));
  return [
    ...itemFieldVariants,
    ...countVariants,
    {
      id: `${field}-empty`,
      name: `a request with empty ${field} is rejected`,
      body: set([]),
      code: errorCodeFor(property),
    },
    { id: `${field}-most`, name: `a request may have ${maxItems} ${field}`, body: set(repeatItem(maxItems)) },
    {
      id: `${field}-too-many`,
      name: `a request with ${maxItems + 1} ${field} is rejected`,
      body: set(repeatItem(maxItems + 1)),
      code: 'INVALID_INPUT',
      provenance: 'assumed',
    },
    ...(items.properties.id
      ? [
          {
            id: `${field}-same-id`,
            name: `two ${field} with the same id are rejected`,
            body: set([item, item]),
            code: 'INVALID_INPUT',
            provenance: 'assumed' as const,
          },
        ]
      : []),
  ];
}

/** Cases for the number of images that a value of another field requires. */
function imageCountVariants({ if: condition, then }: Json, item: Json, set: SetValue): Variant[] {
  const [[conditionField, { enum: values }]] = Object.entries<Json>(condition.properties) as [[string, Json]];
  const [[field, { minItems: min, maxItems: max }]] = Object.entries<Json>(then.properties) as [[string, Json]];
  const bodyWith = (count: number) => set([{ ...item, [conditionField]: values[0], [field]: createImageUrls(count) }]);
  const valid = [...new Set([min, max])].map((count) => ({
    id: `${values[0]}-${count}`,
    name: `${values[0]} with ${count} images is accepted`,
    body: bodyWith(count),
  }));
  const invalid = [min - 1, max + 1].filter((count) => count >= 0);
  return [
    ...valid,
    ...invalid.map((count) => ({
      id: `${values[0]}-${count}-refused`,
      name: `${values[0]} with ${count} images is rejected`,
      body: bodyWith(count),
      code: then['x-error-code'],
    })),
  ];
}

/** Cases for fields that one value of another field requires, such as images for a mode. */
function conditionalVariants(schema: Json, base: Json): Variant[] {
  const { if: condition, then, else: otherwise } = schema;
  if (!condition) return [];
  const [[field, { enum: values }]] = Object.entries<Json>(condition.properties) as [[string, Json]];
  const others = ((schema.properties[field].enum ?? []) as string[]).filter((one) => !values.includes(one));
  return [
    ...requiredFieldVariants(field, values.slice(0, 1), then, base),
    ...(otherwise ? requiredFieldVariants(field, others, otherwise, base) : []),
  ];
}

function requiredFieldVariants(field: string, values: readonly string[], requirement: Json, base: Json): Variant[] {
  const names: string[] = requirement.required ?? [];
  const code = requirement['x-error-code'] ?? 'INVALID_INPUT';
  const provenance = requirement['x-source'];
  const fillAll = (value: Json) => Object.fromEntries(names.map((name) => [name, value]));
  const isText = names.some((name) => requirement.properties[name].pattern ?? requirement.properties[name].minLength);
  return (names.length === 0 ? [] : values).flatMap((value) => [
    {
      id: `${field}-${value}-alone`,
      name: `${value} without ${names.join(', ')} is rejected`,
      body: withChanges(base, { ...fillAll(undefined), [field]: value }),
      ...{ code, provenance },
    },
    ...(isText
      ? [
          {
            id: `${field}-${value}-with-nothing`,
            name: `${value} with an empty ${names.join(', ')} is rejected`,
            body: withChanges(base, { ...fillAll(''), [field]: value }),
            ...{ code, provenance: 'assumed' as const },
          },
        ]
      : []),
  ]);
}

function toCase(validator: ContractValidator, path: string, { id, name, body, code, provenance }: Variant): Case {
  const expectedError = code === undefined ? undefined : validator.getErrorCode(path, code);
  const ownProvenance =
    provenance ?? expectedError?.provenance ?? (validator.operationOf(path)['x-source'] as Provenance);
  return {
    id: `${path.slice('/api/'.length)}/${id}`,
    name: `${path}: ${name}`,
    provenance: ownProvenance,
    isFree: expectedError !== undefined && ownProvenance === 'documented',
    async check(context) {
      const response = await context.callAndValidate(path, body);
      if (expectedError) assertRefused(response, expectedError.status, code!);
      else assertAccepted(response);
    },
  };
}
