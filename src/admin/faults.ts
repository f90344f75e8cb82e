import { z } from 'zod';
import { EmulatorError } from '../core/errors.ts';
import { type Fault, type Rule, STAGES } from '../core/faults.ts';
import type { App, Emulator } from '../http/context.ts';
import { isDocumented } from '../http/errors.ts';
import type { Family } from '../http/family.ts';
import { accountAt, afterPlace, type OfAccount, paged, pageOf, seed, strict, text } from './forms.ts';
import { WholeAnswer } from './whole-answer.ts';

export const MOST_RULES = 1000;
const MOST_MS = 100_000_000_000;

const whole = (least: number, most: number) => {
  const error = `expected a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error }).optional();
};
const yes = z.literal(true, { error: 'expected true' }).optional();

const Effect = strict({
  errorCode: z.string().optional(),
  status: whole(400, 599),
  fail: yes,
  hang: yes,
  durationMs: whole(1, MOST_MS),
  delayMs: whole(0, 3_600_000),
  reset: yes,
  empty: yes,
  truncateAfter: whole(0, 1_000_000_000),
  malformed: yes,
  answer: WholeAnswer.optional(),
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

const FaultsQuery = strict(pageOf(afterPlace));

interface OfFault {
  Params: { key: string; id: string };
}

/** A rule, as control calls and the seed file say it. `isCode`: which codes may be asked for. */
export function ruleOf(families: readonly Family[], isCode: (code: string) => boolean) {
  const names = families.map(({ name }) => name);
  return strict({
    match: strict({
      family: z.enum(names as [string, ...string[]]).optional(),
      endpoint: z
        .string()
        .startsWith('/', { error: 'expected a path such as /api/sora-2/generate' })
        .optional(),
      contains: text(1000).optional(),
    }).default({}),
    at: z.enum(STAGES),
    effect: Effect,
    times: whole(1, 1_000_000_000),
    after: whole(0, 1_000_000_000),
    probability: z.number().min(0).max(1).optional(),
    seed: seed.optional(),
  }).superRefine(({ at, effect }, refuse) => {
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
  });
}

/** The calls that set rules, for one account or for all of them. */
export function registerFaults(app: App, { core }: Emulator, families: readonly Family[]): void {
  const NewRule = ruleOf(families, isDocumented);
  const idOf = (params: unknown) => accountAt(core, (params as OfAccount['Params']).key).id;
  for (const [path, ownerOf] of [
    ['/accounts/:key/faults', idOf],
    ['/faults', () => null],
  ] as const) {
    app.get(path, { schema: { querystring: FaultsQuery } }, async ({ params, query }) => {
      const faults = core.faults.list(ownerOf(params)).filter(({ id }) => id > query.after);
      const { items, next } = paged(faults, query.limit, ({ id }) => String(id));
      return { faults: items.map(shownFault), next };
    });

    app.post(path, { schema: { body: NewRule } }, async ({ params, body }, reply) => {
      const owner = ownerOf(params);
      if (core.faults.list(owner).length >= MOST_RULES) {
        throw new EmulatorError('TOO_MANY_FAULTS', `There can be ${MOST_RULES} rules, and there are.`);
      }
      reply.code(201);
      return shownFault(core.faults.add(owner, body as Rule));
    });

    app.delete(path, async ({ params }, reply) => {
      core.faults.clear(ownerOf(params));
      reply.code(204);
    });

    app.delete(`${path}/:id`, async ({ params }, reply) => {
      const { id } = params as OfFault['Params'];
      if (!core.faults.remove(ownerOf(params), Number(id))) {
        throw new EmulatorError('FAULT_NOT_FOUND', `There is no rule ${id} here.`);
      }
      reply.code(204);
    });
  }
}

function shownFault({ id, match, at, effect, times, after, probability, seed, fired }: Fault) {
  return { id: String(id), match, at, effect, times, after, probability, seed, fired };
}
