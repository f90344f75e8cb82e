import { z } from 'zod';
import { EmulatorError } from '../../core/errors.ts';
import type { Fault, Rule } from '../../core/faults/fault-rules.ts';
import type { App, Emulator } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { isDocumented } from '../../http/pipeline/errors.ts';
import type { Code } from '../error-codes.ts';
import { familyAmong, ruleOf } from '../fault-rule-schema.ts';
import type { Call } from '../operation.ts';
import { faultOf, faultsOf } from '../response-schemas.ts';
import { accountAt, afterPlace, OfAccount, paged, pageOf, strict } from '../schemas.ts';

const FaultsQuery = strict(pageOf(afterPlace));

const Everybody = z.strictObject({});
const OfFault = z.strictObject({ id: z.string().meta({ description: 'The id of the rule.' }) });

/** The calls that set rules, for one account or for all of them. */
export function registerFaults(app: App, { core, settings }: Emulator, families: readonly Family[]): void {
  const NewRule = ruleOf(families, isDocumented);
  const OneFault = faultOf(familyAmong(families));

  const idOf = (params: unknown) => accountAt(core, (params as OfAccount).key).id;
  for (const [path, OfOwner, ownerOf, suffix, whom] of [
    ['/accounts/:key/faults', OfAccount, idOf, '', 'one account'],
    ['/faults', Everybody, () => null, 'ForEverybody', 'everybody'],
  ] as const) {
    const call = (
      name: string,
      summary: string,
      description: string,
      answers: Call['answers'],
      ...codes: Code[]
    ): { call: Call } => ({
      call: {
        ...{ name: name + suffix, tag: 'faults', summary: `${summary} ${whom}.` },
        description,
        answers,
        codes,
      },
    });

    app.get(
      path,
      {
        schema: { params: OfOwner, querystring: FaultsQuery },
        config: call(
          'listFaults',
          'Lists the rules for',
          'In the order in which they were set, used up or not.',
          { 200: faultsOf(OneFault) },
        ),
      },
      async ({ params, query }) => {
        const faults = core.faults.list(ownerOf(params)).filter(({ id }) => id > query.after);
        const { items, next } = paged(faults, query.limit, ({ id }) => String(id));
        return { faults: items.map(shownFault), next };
      },
    );

    app.post(
      path,
      {
        schema: { params: OfOwner, body: NewRule },
        config: call(
          'setFault',
          'Sets a rule for',
          'The first rule that strikes is the only one; those of an account are tried before those for everybody.',
          { 201: OneFault },
          'TOO_MANY_FAULTS',
        ),
      },
      async ({ params, body }, reply) => {
        const owner = ownerOf(params);
        if (core.faults.list(owner).length >= settings.faultLimit) {
          throw new EmulatorError(
            'TOO_MANY_FAULTS',
            `There can be ${settings.faultLimit} rules here, and there are (--fault-limit).`,
          );
        }
        reply.code(201);
        return shownFault(core.faults.add(owner, body as Rule));
      },
    );

    app.delete(
      path,
      {
        schema: { params: OfOwner },
        config: call('clearFaults', 'Removes all rules for', 'Used up or not.', { 204: null }),
      },
      async ({ params }, reply) => {
        core.faults.clear(ownerOf(params));
        reply.code(204);
      },
    );

    app.delete(
      `${path}/:id`,
      {
        schema: { params: OfOwner.extend(OfFault.shape) },
        config: call(
          'removeFault',
          'Removes a rule for',
          'It never strikes again.',
          { 204: null },
          'FAULT_NOT_FOUND',
        ),
      },
      async ({ params }, reply) => {
        const { id } = params as z.output<typeof OfFault>;
        if (!core.faults.remove(ownerOf(params), Number(id))) {
          throw new EmulatorError('FAULT_NOT_FOUND', `There is no rule ${id} here.`);
        }
        reply.code(204);
      },
    );
  }
}

function shownFault({ id, match, at, effect, times, after, probability, seed, fired }: Fault) {
  return { id: String(id), match, at, effect, times, after, probability, seed, fired };
}
