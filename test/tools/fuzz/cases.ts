import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { createAttackPlan } from './attacks/plan.ts';
import { ATTACK_NAMES } from './attacks/scenarios.ts';
import { mangled, misframed, tunnels } from './bytes.ts';
import type { Delivery, FuzzCase, Message } from './case.ts';
import { createConnectionCases } from './connection-cases.ts';
import type { Fixture } from './fixture.ts';
import { oddTargets, withOddHead } from './header-mutations.ts';
import { createRequestArbitraries, toMessage } from './requests.ts';

const VIDEO = readFileSync(new URL('../../uploads/tiny.mp4', import.meta.url));
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

/** Operations that affect all accounts. */
const GLOBAL_OPERATIONS = new Set(['POST /__admin/faults', 'POST /__admin/reset']);

/** Video uploads: a valid MP4, damaged and truncated copies, and other data. */
function createUploads(): string[] {
  const damaged = Array.from({ length: 12 }, (_, index) => {
    const copy = Buffer.from(VIDEO);
    copy[(index * 389) % VIDEO.length]! ^= 0x5a;
    return copy;
  });
  const truncated = [1, 20, 400, 4000].map((end) => VIDEO.subarray(0, end));
  const texts = [VIDEO, ...damaged, ...truncated].map((bytes) => bytes.toString('base64'));
  return [
    ...texts,
    `data:video/mp4;base64,${texts[0]}`,
    'aGVsbG8=',
    '####',
    `${texts[0]!.slice(0, 99)}\n${texts[0]!.slice(99)}`,
  ];
}

/** One case in this many is an attack: the last one of every other epoch, which never has global fault rules. */
const ATTACK_INTERVAL = 2000;
const FIRST_ATTACK = 999;
const isAttack = (index: number) => index % ATTACK_INTERVAL === FIRST_ATTACK;

type CaseDraft = Omit<FuzzCase, 'index'>;

/** Returns a function that creates the case with a given index; it depends only on the seed and the index. */
export function createCases(fixture: Fixture, seed: number, hasGlobalFaults: boolean): (index: number) => FuzzCase {
  const requests = createRequestArbitraries(fixture, createUploads(), hasGlobalFaults);
  const { valid, mutated, corrupted, large, repeatable, charging } = requests;
  const toMessages = (draft: typeof valid) => draft.map((one) => toMessage(one, fixture.host));
  const validMessages = toMessages(valid);
  // In mangled bytes, a global rule could lose the marker that limits it, and a broken reset could become a valid one.
  const nonGlobal = valid.filter(({ operation }) => hasGlobalFaults || !GLOBAL_OPERATIONS.has(operation));
  const nonGlobalMessages = toMessages(nonGlobal);

  const createSingle = (
    kind: string,
    message: fc.Arbitrary<Message>,
    delivery: fc.Arbitrary<Delivery>,
  ): fc.Arbitrary<CaseDraft> =>
    fc.tuple(message, delivery).map(([only, how]) => ({
      kind,
      messages: [only],
      bytes: only.bytes,
      expectedResponses: 1,
      delivery: how,
    }));
  const createRaw = (kind: string, bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<CaseDraft> =>
    bytes.map((rawBytes) => ({
      kind,
      messages: [],
      bytes: rawBytes,
      expectedResponses: undefined,
      delivery: { how: 'settled' },
    }));

  const keepAlive: fc.Arbitrary<Delivery> = fc.constant({ how: 'kept' });
  const inPieces: fc.Arbitrary<Delivery> = fc
    .array(fc.nat(400), { minLength: 1, maxLength: 4 })
    .map((at) => ({ how: 'pieces', at: at.sort((first, second) => first - second) }));
  const inOnePacket: fc.Arbitrary<Delivery> = fc.constant({ how: 'pieces', at: [] });
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

  const pipelined = fc.array(validMessages, { minLength: 2, maxLength: 5 }).map(
    (messages): CaseDraft => ({
      ...{
        kind: 'pipelined',
        messages,
        expectedResponses: messages.length,
        delivery: { how: 'pieces', at: [] },
      },
      bytes: Buffer.concat(messages.map(({ bytes }) => bytes)),
    }),
  );
  const oldVersion = nonGlobal.map((draft) => toMessage({ ...draft, isLoose: true }, fixture.host, '1.0'));

  const { matched, upgrading, refused, tunnelled } = createConnectionCases(
    toMessages(repeatable),
    toMessages(charging),
  );

  const any: fc.Arbitrary<CaseDraft> = fc.oneof(
    { weight: 240, arbitrary: createSingle('valid', validMessages, keepAlive) },
    { weight: 300, arbitrary: createSingle('mutated', toMessages(mutated), keepAlive) },
    { weight: 70, arbitrary: createSingle('no JSON', toMessages(corrupted), keepAlive) },
    // The head may change the body length, and with it the number of requests.
    {
      weight: 90,
      arbitrary: createSingle('odd head', toMessages(withOddHead(nonGlobal, fixture)), settled).map((draft) => ({
        ...draft,
        expectedResponses: undefined,
      })),
    },
    {
      weight: 60,
      arbitrary: createSingle('odd target', toMessages(oddTargets(nonGlobal, fixture, PAGES)), inOnePacket),
    },
    { weight: 2, arbitrary: createSingle('large', toMessages(large), keepAlive) },
    { weight: 10, arbitrary: createSingle('HTTP/1.0', oldVersion, inOnePacket) },
    { weight: 25, arbitrary: createSingle('in pieces', validMessages, inPieces) },
    { weight: 15, arbitrary: createSingle('half-closed', validMessages, halfClosed) },
    { weight: 4, arbitrary: createSingle('slow', validMessages, slow) },
    { weight: 30, arbitrary: createSingle('aborted', validMessages, aborted) },
    { weight: 6, arbitrary: createSingle('unfinished', validMessages, unfinished) },
    { weight: 15, arbitrary: pipelined },
    { weight: 100, arbitrary: createRaw('mangled', mangled(nonGlobalMessages)) },
    { weight: 25, arbitrary: createRaw('misframed', misframed(nonGlobalMessages)) },
    { weight: 10, arbitrary: matched },
    { weight: 3, arbitrary: upgrading },
    { weight: 15, arbitrary: refused },
    { weight: 10, arbitrary: tunnelled },
    { weight: 8, arbitrary: createRaw('tunnel', tunnels(nonGlobalMessages)) },
  );

  return (index) => {
    const sample = <T>(arbitrary: fc.Arbitrary<T>): T =>
      fc.sample(arbitrary, { seed: mixSeed(seed, index), numRuns: 1 })[0]!;
    if (!isAttack(index)) return { index, ...sample(any) };
    const choices = sample(fc.array(fc.nat(1_000_000), { minLength: 8, maxLength: 8 }));
    const attack = createAttackPlan(ATTACK_NAMES, { seed, number: Math.floor(index / ATTACK_INTERVAL), choices });
    const bytes = Buffer.from(JSON.stringify(attack));
    return {
      ...{ index, kind: 'attack', messages: [], bytes, expectedResponses: undefined, attack },
      delivery: { how: 'settled' },
    };
  };
}

/** Spreads neighboring indexes: similar seeds would produce similar values. */
function mixSeed(seed: number, index: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) | 0;
}
