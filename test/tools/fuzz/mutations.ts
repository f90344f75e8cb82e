import fc from 'fast-check';
import { hostileTexts, hostileValues, RawJson, stringify } from './attack-cases.ts';
import type { Json } from './fixture.ts';

/** Names of added fields. */
const NAMES = fc.oneof(
  fc.constantFrom(
    ...[
      '__proto__',
      'constructor',
      'prototype',
      'hasOwnProperty',
      'toString',
      'then',
      '',
      ' ',
      '\0',
      '🐙',
      'n'.repeat(2000),
    ],
    ...[
      'image',
      'imageUrls',
      'imageBase64',
      'shots',
      'prompt',
      'mode',
      'taskId',
      'taskIds',
      'success',
      'status',
      'key',
      'limit',
      '0',
    ],
  ),
  fc.string({ maxLength: 12 }),
);

/** A change to a valid body; `position` selects the field. */
type BodyMutation =
  | { kind: 'set'; position: number; value: Json }
  | { kind: 'remove'; position: number }
  | { kind: 'add'; position: number; name: string; value: Json }
  | { kind: 'twice'; position: number; value: Json }
  | { kind: 'resize'; position: number; count: number }
  | { kind: 'lengthen'; position: number; text: string }
  | { kind: 'shift'; position: number; by: number }
  | { kind: 'replace'; value: Json };

const position = fc.nat(1000);
const bodyMutation: fc.Arbitrary<BodyMutation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), position, value: hostileValues }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), position }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('add' as const), position, name: NAMES, value: hostileValues }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('twice' as const), position, value: hostileValues }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('resize' as const),
      position,
      count: fc.constantFrom(0, 2, 9, 22, 300),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('lengthen' as const), position, text: hostileTexts }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('shift' as const),
      position,
      by: fc.constantFrom(-1, 1, 0.5, 1e9, -1e12, 1e15),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), value: hostileValues }) },
);

/** A valid body with one to three mutations. */
export const mutated = (valid: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  fc.tuple(valid, fc.array(bodyMutation, { minLength: 1, maxLength: 3 })).map(([value, changes]) => {
    let body: Json = structuredClone(value);
    for (const one of changes) body = applyMutation(body, one);
    return body;
  });

interface FieldLocation {
  parent: Json;
  name: string;
}

/** All fields below `value`, except those inside `RawJson`. */
function listLocations(value: Json): FieldLocation[] {
  if (typeof value !== 'object' || value === null || value instanceof RawJson) return [];
  return Object.keys(value).flatMap((name) => [{ parent: value, name }, ...listLocations(value[name])]);
}

/** Each body gets its own copy, because a later mutation may change it. */
const deepCopy = (value: Json): Json => (value instanceof RawJson ? value : structuredClone(value));

function applyMutation(body: Json, original: BodyMutation): Json {
  const mutation = 'value' in original ? { ...original, value: deepCopy(original.value) } : original;
  if (mutation.kind === 'replace') return mutation.value;
  if (mutation.kind === 'add') {
    const objects = [body, ...listLocations(body).map(({ parent, name }) => parent[name])].filter(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RawJson),
    );
    const target = objects[mutation.position % Math.max(1, objects.length)];
    if (target)
      Object.defineProperty(target, mutation.name, {
        value: mutation.value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    return body;
  }
  const locations = listLocations(body);
  const location = locations[mutation.position % Math.max(1, locations.length)];
  if (!location) return body;
  const { parent, name } = location;
  const old = parent[name];
  switch (mutation.kind) {
    case 'set':
      parent[name] = mutation.value;
      break;
    case 'remove':
      if (Array.isArray(parent)) parent.splice(Number(name), 1);
      else delete parent[name];
      break;
    case 'twice': {
      // Raw text, because an object cannot have a field twice.
      if (Array.isArray(parent)) break;
      parent[name] = new RawJson(`${stringify(old)},${JSON.stringify(name)}:${stringify(mutation.value)}`);
      break;
    }
    case 'resize':
      parent[name] = Array.from({ length: mutation.count }, () => (Array.isArray(old) ? (old[0] ?? 'a') : old));
      break;
    case 'lengthen':
      parent[name] = typeof old === 'string' ? old + mutation.text : mutation.text;
      break;
    case 'shift':
      parent[name] = typeof old === 'number' ? old + mutation.by : mutation.by;
  }
  return body;
}
