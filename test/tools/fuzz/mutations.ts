import fc from 'fast-check';
import { hostileTexts, hostileValues, RawJson, stringify } from './attack-cases.ts';
import type { Json } from './fixture.ts';

/** Of fields that are added. */
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

/** What is done to a valid body, somewhere in it. */
type BodyMutation =
  | { kind: 'set'; place: number; value: Json }
  | { kind: 'remove'; place: number }
  | { kind: 'add'; place: number; name: string; value: Json }
  | { kind: 'twice'; place: number; value: Json }
  | { kind: 'resize'; place: number; count: number }
  | { kind: 'lengthen'; place: number; text: string }
  | { kind: 'shift'; place: number; by: number }
  | { kind: 'replace'; value: Json };

const place = fc.nat(1000);
const bodyMutation: fc.Arbitrary<BodyMutation> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), place, value: hostileValues }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), place }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('add' as const), place, name: NAMES, value: hostileValues }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('twice' as const), place, value: hostileValues }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('resize' as const),
      place,
      count: fc.constantFrom(0, 2, 9, 22, 300),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('lengthen' as const), place, text: hostileTexts }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('shift' as const),
      place,
      by: fc.constantFrom(-1, 1, 0.5, 1e9, -1e12, 1e15),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), value: hostileValues }) },
);

/** A body that was valid, with one to three things wrong. */
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

/** All places below `value`, what is raw left out. */
function listLocations(value: Json): FieldLocation[] {
  if (typeof value !== 'object' || value === null || value instanceof RawJson) return [];
  return Object.keys(value).flatMap((name) => [{ parent: value, name }, ...listLocations(value[name])]);
}

/** Of its own for each body: the next change may be one inside of it. */
const deepCopy = (value: Json): Json => (value instanceof RawJson ? value : structuredClone(value));

function applyMutation(body: Json, original: BodyMutation): Json {
  const mutation = 'value' in original ? { ...original, value: deepCopy(original.value) } : original;
  if (mutation.kind === 'replace') return mutation.value;
  if (mutation.kind === 'add') {
    const objects = [body, ...listLocations(body).map(({ parent, name }) => parent[name])].filter(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RawJson),
    );
    const target = objects[mutation.place % Math.max(1, objects.length)];
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
  const location = locations[mutation.place % Math.max(1, locations.length)];
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
      // As text, because no object has a field twice.
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
