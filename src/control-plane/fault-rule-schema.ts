import { z } from 'zod';
import { STAGES } from '../core/faults/fault-rules.ts';
import type { Family } from '../http/family.ts';
import { where } from '../http/pipeline/route-docs.ts';
import { WholeAnswer } from './canned-response-schema.ts';
import { apiPath, seed, strict, text, whole } from './schemas.ts';

const MOST_MS = 100_000_000_000;

const yes = z.literal(true, { error: 'expected true' }).exactOptional();

export const Effect = strict({
  errorCode: z
    .string()
    .exactOptional()
    .meta({ description: 'A code that some endpoint of the API documents.' }),
  status: whole(400, 599).exactOptional().meta({ description: 'Another status for what is answered.' }),
  fail: yes,
  hang: yes,
  durationMs: whole(1, MOST_MS).exactOptional().meta({ description: 'Simulated.' }),
  delayMs: whole(0, 3_600_000).exactOptional().meta({ description: 'Wall time.' }),
  reset: yes,
  empty: yes,
  truncateAfter: whole(0, 1_000_000_000).exactOptional().meta({ description: 'Bytes.' }),
  malformed: yes,
  answer: WholeAnswer.exactOptional().meta({ description: 'Without errorCode, status and fail.' }),
})
  // A status says with what something is answered, not what goes wrong.
  .meta({
    id: 'Effect',
    minProperties: 1,
    not: { properties: { status: {} }, required: ['status'], maxProperties: 1 },
  });
type EffectName = keyof z.output<typeof Effect>;

const OF_ANSWERS: EffectName[] = [
  'errorCode',
  'status',
  'fail',
  'hang',
  'delayMs',
  'reset',
  'empty',
  'truncateAfter',
  'malformed',
  'answer',
];
/** What an answer that is given in full leaves no room for. */
const OF_OTHER_ANSWERS: EffectName[] = ['errorCode', 'status', 'fail'];
/** What can go wrong when. */
const EFFECTS: Record<(typeof STAGES)[number], EffectName[]> = {
  request: OF_ANSWERS,
  charge: OF_ANSWERS,
  accepted: OF_ANSWERS,
  task: ['errorCode', 'fail', 'hang', 'durationMs'],
  stream: ['fail', 'hang', 'delayMs', 'reset', 'empty', 'truncateAfter'],
  media: ['errorCode', 'status', 'hang', 'delayMs', 'reset', 'empty', 'truncateAfter'],
};

/** The names that rules can match, and that tasks have. */
export const familyAmong = (families: readonly Family[]) =>
  z.enum(families.map(({ name }) => name)).meta({ id: 'Family' });

/** A rule, as control calls and the seed file say it. `isCode`: which codes may be asked for. */
export const ruleOf = (families: readonly Family[], isCode: (code: string) => boolean) =>
  strict({
    match: strict({
      family: familyAmong(families).exactOptional(),
      endpoint: apiPath.exactOptional(),
      contains: text(1000).exactOptional().meta({ description: "A text in the request's body." }),
    })
      .default({})
      // Generated types would ask for a field that has a default.
      .meta({ description: 'Which requests it is for; all of them when it is absent.', default: undefined }),
    at: z.enum(STAGES).meta({ description: 'When it strikes.' }),
    effect: Effect,
    times: count(1).meta({ description: 'How often it strikes; always when absent.' }),
    after: count(0).meta({ description: 'How many matching requests pass before it.' }),
    probability: z.number().min(0).max(1).exactOptional().meta({ description: 'The share it strikes.' }),
    seed: seed.exactOptional(),
  })
    .superRefine(({ at, effect }, refuse) => {
      const told = (field: EffectName | undefined, message: string) =>
        refuse.addIssue({ code: 'custom', path: ['effect', ...(field ? [field] : [])], message });
      const given = Object.keys(effect) as EffectName[];
      const wrong = given.find((name) => !EFFECTS[at].includes(name));
      const message = `expected ${EFFECTS[at].filter((name) => name !== 'status').join(', ')} at ${at}`;
      const other = effect.answer && given.find((name) => OF_OTHER_ANSWERS.includes(name));
      if (wrong) told(wrong, message);
      else if (given.every((name) => name === 'status')) told(undefined, message);
      else if (other) told(other, 'expected none beside answer');
      else if (effect.errorCode !== undefined && !isCode(effect.errorCode)) {
        told('errorCode', 'expected a documented error code');
      }
    })
    .meta({ id: 'Rule', allOf: [...new Set(Object.values(EFFECTS))].map(onlyWhere) });

/** In words of JSON Schema: these effects are all that there are at the stages that have them. */
const onlyWhere = (effects: EffectName[]) =>
  where(
    'at',
    STAGES.filter((stage) => EFFECTS[stage] === effects),
    { properties: { effect: { propertyNames: { enum: effects } } } },
  );

const count = (least: number) => whole(least, 1_000_000_000).exactOptional();
