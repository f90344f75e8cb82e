import * as z from 'zod';
import { STAGES } from '../core/faults/fault-rules.ts';
import { boundedText, integer, seed } from '../http/account-profile.ts';
import { type Family, getDocumentedErrors } from '../http/family.ts';
import { ifSchema } from '../http/pipeline/route-docs.ts';
import { CannedResponse } from './canned-response-schema.ts';
import { apiPath } from './schemas.ts';

const MAX_DURATION_MS = 100_000_000_000;
/** As for a whole seed file. An exported account contains these rules as one part, which an import holds in memory. */
export const MAX_INITIAL_RULES_BYTES = 32 * 1024 * 1024;

const trueFlag = z.literal(true, { error: 'expected true' }).exactOptional();

export const Effect = z
  .strictObject({
    errorCode: z.string().exactOptional().meta({ description: 'An error code that an endpoint of the API documents.' }),
    status: integer(400, 599).exactOptional().meta({ description: 'Replaces the status of the response.' }),
    fail: trueFlag,
    hang: trueFlag,
    durationMs: integer(1, MAX_DURATION_MS).exactOptional().meta({ description: 'In simulated time.' }),
    delayMs: integer(0, 3_600_000).exactOptional().meta({ description: 'In wall-clock time.' }),
    reset: trueFlag,
    empty: trueFlag,
    truncateAfter: integer(0, 1_000_000_000).exactOptional().meta({ description: 'In bytes.' }),
    malformed: trueFlag,
    answer: CannedResponse.exactOptional().meta({ description: 'Not combinable with errorCode, status and fail.' }),
  })
  // `status` only modifies another effect.
  .meta({
    id: 'Effect',
    minProperties: 1,
    not: { properties: { status: {} }, required: ['status'], maxProperties: 1 },
  });
type EffectName = keyof z.output<typeof Effect>;

const RESPONSE_EFFECTS: EffectName[] = [
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
/** Effects that a canned response cannot be combined with. */
const EXCLUDED_BY_CANNED_RESPONSE: EffectName[] = ['errorCode', 'status', 'fail'];
/** The effects that each stage supports. */
const EFFECTS_BY_STAGE: Record<(typeof STAGES)[number], EffectName[]> = {
  request: RESPONSE_EFFECTS,
  charge: RESPONSE_EFFECTS,
  accepted: RESPONSE_EFFECTS,
  task: ['errorCode', 'fail', 'hang', 'durationMs'],
  stream: ['fail', 'hang', 'delayMs', 'reset', 'empty', 'truncateAfter'],
  media: ['errorCode', 'status', 'hang', 'delayMs', 'reset', 'empty', 'truncateAfter'],
};

/** The names of the families, as in rules and tasks. */
export const createFamilySchema = (families: readonly Family[]) =>
  z.enum(families.map(({ name }) => name)).meta({ id: 'Family' });

export type FamilySchema = ReturnType<typeof createFamilySchema>;

/** A fault rule, as the control plane and the seed file take it. Its error code must be one that a route documents. */
export function createFaultRuleSchema(families: readonly Family[], familyName: FamilySchema) {
  const documentedErrors = getDocumentedErrors(families);
  return z
    .strictObject({
      match: z
        .strictObject({
          family: familyName.exactOptional(),
          endpoint: apiPath.exactOptional(),
          contains: boundedText(1000).exactOptional().meta({ description: 'Text that the request body must contain.' }),
        })
        .default({})
        // Code generators make a field with a default required.
        .meta({ description: 'The requests that the rule applies to; all when absent.', default: undefined }),
      at: z.enum(STAGES).meta({ description: 'The stage at which the rule fires.' }),
      effect: Effect,
      times: optionalCount(1).meta({ description: 'How many times the rule fires; unlimited when absent.' }),
      after: optionalCount(0).meta({ description: 'How many matching requests pass before the rule fires.' }),
      probability: z
        .number()
        .min(0)
        .max(1)
        .exactOptional()
        .meta({ description: 'The probability that the rule fires for a matching request.' }),
      seed: seed.exactOptional(),
    })
    .superRefine(({ at, effect }, ctx) => {
      const reject = (field: EffectName | undefined, message: string) =>
        ctx.addIssue({ code: 'custom', path: ['effect', ...(field ? [field] : [])], message });
      const effectNames = Object.keys(effect) as EffectName[];
      const invalidEffect = effectNames.find((name) => !EFFECTS_BY_STAGE[at].includes(name));
      const effects = EFFECTS_BY_STAGE[at].filter((name) => name !== 'status').join(', ');
      const conflictingEffect = effect.answer && effectNames.find((name) => EXCLUDED_BY_CANNED_RESPONSE.includes(name));
      if (invalidEffect) reject(invalidEffect, `not allowed at ${at}; the effects are ${effects}`);
      else if (effectNames.every((name) => name === 'status')) reject(undefined, `expected at least one of ${effects}`);
      else if (conflictingEffect) reject(conflictingEffect, 'not allowed together with answer');
      else if (effect.errorCode !== undefined && !Object.hasOwn(documentedErrors, effect.errorCode)) {
        reject('errorCode', 'expected a documented error code');
      }
    })
    .meta({ id: 'Rule', allOf: [...new Set(Object.values(EFFECTS_BY_STAGE))].map(restrictEffects) });
}

/** The fault rules that an account has from the start, and again after a reset. */
export const createInitialRulesSchema = <Rule extends z.ZodType>(rule: Rule) =>
  z.array(rule).refine(areWithinSize, { error: `expected at most ${MAX_INITIAL_RULES_BYTES} bytes in total` });

/** Whether the rules are within the limit as an exported account has them: each on a line of its own. */
const areWithinSize = (rules: readonly unknown[]): boolean =>
  rules.reduce<number>((bytes, rule) => bytes + Buffer.byteLength(JSON.stringify(rule)) + 2, 0) <=
  MAX_INITIAL_RULES_BYTES;

/** JSON Schema condition that allows only these effects at the stages that share the list. */
const restrictEffects = (effects: EffectName[]) =>
  ifSchema(
    'at',
    STAGES.filter((stage) => EFFECTS_BY_STAGE[stage] === effects),
    { properties: { effect: { propertyNames: { enum: effects } } } },
  );

const optionalCount = (min: number) => integer(min, 1_000_000_000).exactOptional();
