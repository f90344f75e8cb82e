import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { mangled, misframed, tunnels } from './bytes.ts';
import type { Case, Delivery, Message } from './case.ts';
import type { World } from './fixture.ts';
import { oddTargets, withOddHead } from './header-mutations.ts';
import { createRequests, messageOf } from './requests.ts';

const FILM = readFileSync(new URL('../../uploads/tiny.mp4', import.meta.url));
const PAGES = [
  '/docs',
  '/docs/',
  '/console',
  '/console/',
  '/openapi.json',
  '/__admin/openapi.json',
  '/docs/reference.js',
  '/console/assets/none-00000000.js',
  '/ca.pem',
  '/metrics',
];

/** What concerns all accounts at once. */
const TO_ALL = new Set(['POST /__admin/faults', 'POST /__admin/reset']);

/** Uploads: a film, the same with a few bytes wrong, and what is none. */
function uploadsOf(): string[] {
  const damaged = Array.from({ length: 12 }, (_, place) => {
    const copy = Buffer.from(FILM);
    copy[(place * 389) % FILM.length]! ^= 0x5a;
    return copy;
  });
  const cut = [1, 20, 400, 4000].map((end) => FILM.subarray(0, end));
  const texts = [FILM, ...damaged, ...cut].map((bytes) => bytes.toString('base64'));
  return [
    ...texts,
    `data:video/mp4;base64,${texts[0]}`,
    'aGVsbG8=',
    '####',
    `${texts[0]!.slice(0, 99)}\n${texts[0]!.slice(99)}`,
  ];
}

type Made = Omit<Case, 'place'>;

/** The case that stands at a place of the sequence that a seed gives: the same on every machine. */
export function createCases(world: World, seed: number, isStormy: boolean): (place: number) => Case {
  const requests = createRequests(world, uploadsOf(), isStormy);
  const { valid, mutated, spoiled, large } = requests;
  const asMessage = (draft: typeof valid) => draft.map((one) => messageOf(one, world.host));
  const plain = asMessage(valid);
  // Mangled, a rule for everybody may strike requests that did not ask for it, and a reset of everything may be one.
  const mild = valid.filter(({ operation }) => isStormy || !TO_ALL.has(operation));
  const harmless = asMessage(mild);

  const one = (
    kind: string,
    message: fc.Arbitrary<Message>,
    delivery: fc.Arbitrary<Delivery>,
  ): fc.Arbitrary<Made> =>
    fc
      .tuple(message, delivery)
      .map(([only, how]) => ({ kind, messages: [only], bytes: only.bytes, answers: 1, delivery: how }));
  const loose = (kind: string, bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Made> =>
    bytes.map((sent) => ({
      kind,
      messages: [],
      bytes: sent,
      answers: undefined,
      delivery: { how: 'settled' },
    }));

  const kept: fc.Arbitrary<Delivery> = fc.constant({ how: 'kept' });
  const inPieces: fc.Arbitrary<Delivery> = fc
    .array(fc.nat(400), { minLength: 1, maxLength: 4 })
    .map((at) => ({ how: 'pieces', at: at.sort((first, second) => first - second) }));
  const atOnce: fc.Arbitrary<Delivery> = fc.constant({ how: 'pieces', at: [] });
  const settled: fc.Arbitrary<Delivery> = fc.constant({ how: 'settled' });
  const halfClosed: fc.Arbitrary<Delivery> = fc.constant({ how: 'half-closed' });
  const slow: fc.Arbitrary<Delivery> = fc.record({
    ...{ how: fc.constant('slow' as const), quickBytes: fc.nat(600), gapMs: fc.constantFrom(1, 5, 20) },
  });
  const aborted: fc.Arbitrary<Delivery> = fc.record({
    ...{
      how: fc.constant('aborted' as const),
      afterBytes: fc.nat(600),
      reset: fc.boolean(),
      whenAnswered: fc.boolean(),
    },
  });
  const unfinished: fc.Arbitrary<Delivery> = fc.record({
    how: fc.constant('unfinished' as const),
    afterBytes: fc.nat(500),
  });

  const pipelined = fc.array(plain, { minLength: 2, maxLength: 5 }).map(
    (messages): Made => ({
      ...{ kind: 'pipelined', messages, answers: messages.length, delivery: { how: 'pieces', at: [] } },
      bytes: Buffer.concat(messages.map(({ bytes }) => bytes)),
    }),
  );
  const oldVersion = mild.map((draft) => messageOf({ ...draft, isLoose: true }, world.host, '1.0'));

  const any: fc.Arbitrary<Made> = fc.oneof(
    { weight: 240, arbitrary: one('valid', plain, kept) },
    { weight: 300, arbitrary: one('mutated', asMessage(mutated), kept) },
    { weight: 70, arbitrary: one('no JSON', asMessage(spoiled), kept) },
    // What length a body has may be said wrong there, and then there is more than one request.
    {
      weight: 90,
      arbitrary: one('odd head', asMessage(withOddHead(mild, world)), settled).map((made) => ({
        ...made,
        answers: undefined,
      })),
    },
    { weight: 60, arbitrary: one('odd target', asMessage(oddTargets(mild, world, PAGES)), atOnce) },
    { weight: 2, arbitrary: one('large', asMessage(large), kept) },
    { weight: 10, arbitrary: one('HTTP/1.0', oldVersion, atOnce) },
    { weight: 25, arbitrary: one('in pieces', plain, inPieces) },
    { weight: 15, arbitrary: one('half-closed', plain, halfClosed) },
    { weight: 4, arbitrary: one('slow', plain, slow) },
    { weight: 30, arbitrary: one('aborted', plain, aborted) },
    { weight: 6, arbitrary: one('unfinished', plain, unfinished) },
    { weight: 15, arbitrary: pipelined },
    { weight: 100, arbitrary: loose('mangled', mangled(harmless)) },
    { weight: 25, arbitrary: loose('misframed', misframed(harmless)) },
    { weight: 8, arbitrary: loose('tunnel', tunnels(harmless)) },
  );

  return (place) => ({ place, ...fc.sample(any, { seed: mixed(seed, place), numRuns: 1 })[0]! });
}

/** Neighbouring places must not give neighbouring seeds: those begin alike. */
function mixed(seed: number, place: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(place + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) | 0;
}
