import { z } from 'zod';
import { EmulatorError } from '../../core/errors.ts';
import type { Fault, Rule } from '../../core/faults/fault-rules.ts';
import type { App, HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import type { AdminErrorCode } from '../error-codes.ts';
import { createFamilySchema, createFaultRuleSchema } from '../fault-rule-schema.ts';
import type { Operation } from '../operation.ts';
import { createFaultListSchema, createFaultSchema } from '../response-schemas.ts';
import { AccountParams, paginate, paginationParams, requireAccount, sequenceCursor, strict } from '../schemas.ts';

const FaultsQuery = strict(paginationParams(sequenceCursor));

const GlobalParams = z.strictObject({});
const FaultRuleParams = z.strictObject({ id: z.string().meta({ description: 'The id of the rule.' }) });

/** The calls that set rules, for one account or for all of them. */
export function registerFaults(app: App, { core, settings }: HttpContext, families: readonly Family[]): void {
  const NewRule = createFaultRuleSchema(families);
  const FaultSchema = createFaultSchema(createFamilySchema(families));

  const accountIdFor = (params: unknown) => requireAccount(core, (params as AccountParams).key).id;
  for (const [path, OwnerParams, ownerFor, suffix, scopeLabel] of [
    ['/accounts/:key/faults', AccountParams, accountIdFor, '', 'one account'],
    ['/faults', GlobalParams, () => null, 'ForEverybody', 'everybody'],
  ] as const) {
    const describeOperation = (
      name: string,
      summary: string,
      description: string,
      responses: Operation['responses'],
      ...codes: AdminErrorCode[]
    ): { operation: Operation } => ({
      operation: {
        ...{ name: name + suffix, tag: 'faults', summary: `${summary} ${scopeLabel}.` },
        description,
        responses,
        codes,
      },
    });

    app.get(
      path,
      {
        schema: { params: OwnerParams, querystring: FaultsQuery },
        config: describeOperation(
          'listFaults',
          'Lists the rules for',
          'In the order in which they were set, used up or not.',
          { 200: createFaultListSchema(FaultSchema) },
        ),
      },
      async ({ params, query }) => {
        const faults = core.faults.list(ownerFor(params)).filter(({ id }) => id > query.after);
        const { items, next } = paginate(faults, query.limit, ({ id }) => String(id));
        return { faults: items.map(toFaultJson), next };
      },
    );

    app.post(
      path,
      {
        schema: { params: OwnerParams, body: NewRule },
        config: describeOperation(
          'setFault',
          'Sets a rule for',
          'The first rule that strikes is the only one; those of an account are tried before those for everybody.',
          { 201: FaultSchema },
          'TOO_MANY_FAULTS',
        ),
      },
      async ({ params, body }, reply) => {
        const owner = ownerFor(params);
        if (core.faults.list(owner).length >= settings.faultLimit) {
          throw new EmulatorError(
            'TOO_MANY_FAULTS',
            `There can be ${settings.faultLimit} rules here, and there are (--fault-limit).`,
          );
        }
        reply.code(201);
        return toFaultJson(core.faults.add(owner, body as Rule));
      },
    );

    app.delete(
      path,
      {
        schema: { params: OwnerParams },
        config: describeOperation('clearFaults', 'Removes all rules for', 'Used up or not.', { 204: null }),
      },
      async ({ params }, reply) => {
        core.faults.clear(ownerFor(params));
        reply.code(204);
      },
    );

    app.delete(
      `${path}/:id`,
      {
        schema: { params: OwnerParams.extend(FaultRuleParams.shape) },
        config: describeOperation(
          'removeFault',
          'Removes a rule for',
          'It never strikes again.',
          { 204: null },
          'FAULT_NOT_FOUND',
        ),
      },
      async ({ params }, reply) => {
        const { id } = params as z.output<typeof FaultRuleParams>;
        if (!core.faults.remove(ownerFor(params), Number(id))) {
          throw new EmulatorError('FAULT_NOT_FOUND', `There is no rule ${id} here.`);
        }
        reply.code(204);
      },
    );
  }
}

function toFaultJson({ id, match, at, effect, times, after, probability, seed, fired }: Fault) {
  return { id: String(id), match, at, effect, times, after, probability, seed, fired };
}
