import fc from 'fast-check';
import { hostileTexts, hostileValues, Raw, written } from './attack-cases.ts';
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
type Change =
  | { kind: 'set'; place: number; value: Json }
  | { kind: 'remove'; place: number }
  | { kind: 'add'; place: number; name: string; value: Json }
  | { kind: 'twice'; place: number; value: Json }
  | { kind: 'resize'; place: number; count: number }
  | { kind: 'lengthen'; place: number; text: string }
  | { kind: 'shift'; place: number; by: number }
  | { kind: 'replace'; value: Json };

const place = fc.nat(1000);
const change: fc.Arbitrary<Change> = fc.oneof(
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
  fc.tuple(valid, fc.array(change, { minLength: 1, maxLength: 3 })).map(([value, changes]) => {
    let body: Json = structuredClone(value);
    for (const one of changes) body = applied(body, one);
    return body;
  });

interface Place {
  parent: Json;
  name: string;
}

/** All places below `value`, what is raw left out. */
function placesIn(value: Json): Place[] {
  if (typeof value !== 'object' || value === null || value instanceof Raw) return [];
  return Object.keys(value).flatMap((name) => [{ parent: value, name }, ...placesIn(value[name])]);
}

/** Of its own for each body: the next change may be one inside of it. */
const copied = (value: Json): Json => (value instanceof Raw ? value : structuredClone(value));

function applied(body: Json, given: Change): Json {
  const change = 'value' in given ? { ...given, value: copied(given.value) } : given;
  if (change.kind === 'replace') return change.value;
  if (change.kind === 'add') {
    const objects = [body, ...placesIn(body).map(({ parent, name }) => parent[name])].filter(
      (value) =>
        typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Raw),
    );
    const target = objects[change.place % Math.max(1, objects.length)];
    if (target)
      Object.defineProperty(target, change.name, {
        value: change.value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    return body;
  }
  const places = placesIn(body);
  const found = places[change.place % Math.max(1, places.length)];
  if (!found) return body;
  const { parent, name } = found;
  const old = parent[name];
  switch (change.kind) {
    case 'set':
      parent[name] = change.value;
      break;
    case 'remove':
      if (Array.isArray(parent)) parent.splice(Number(name), 1);
      else delete parent[name];
      break;
    case 'twice': {
      // As text, because no object has a field twice.
      if (Array.isArray(parent)) break;
      parent[name] = new Raw(`${written(old)},${JSON.stringify(name)}:${written(change.value)}`);
      break;
    }
    case 'resize':
      parent[name] = Array.from({ length: change.count }, () => (Array.isArray(old) ? (old[0] ?? 'a') : old));
      break;
    case 'lengthen':
      parent[name] = typeof old === 'string' ? old + change.text : change.text;
      break;
    case 'shift':
      parent[name] = typeof old === 'number' ? old + change.by : change.by;
  }
  return body;
}
