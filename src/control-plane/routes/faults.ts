import * as z from 'zod';
import type { Fault, Rule } from '../../core/faults/fault-rules.ts';
import type { NearMiss } from '../../core/faults/near-misses.ts';
import type { HttpContext } from '../../http/context.ts';
import type { Family } from '../../http/family.ts';
import { AdminError } from '../error-codes.ts';
import { requireAccount } from '../lookup.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { PageByNumber, paginate } from '../pagination.ts';
import { AccountParams, toTimestamp } from '../schemas.ts';
import { getFamilySchemas } from '../state/family-schemas.ts';

const id = z.string().meta({ description: 'The id of the rule.' });
const ACCOUNT_SCHEMAS = { params: AccountParams, ruleParams: AccountParams.extend({ id }) };
const GLOBAL_SCHEMAS = { params: z.strictObject({}), ruleParams: z.strictObject({ id }) };

/** Operations on fault rules: those of one account and the global ones. */
export function faultOperations({ core, settings }: HttpContext, families: readonly Family[]): Operation[] {
  const { NewRule, Fault: FaultSchema, FaultDetails, Faults } = getFamilySchemas(families);

  /** `ownerFor` finds the account that owns the rules; null for global rules. */
  const operationsFor = (
    path: string,
    { params, ruleParams }: { params: z.ZodObject; ruleParams: z.ZodObject },
    ownerFor: (params: object) => number | null,
    suffix: string,
    scope: string,
  ): Operation[] => [
    defineOperation({
      method: 'GET',
      path,
      name: `listFaults${suffix}`,
      tag: 'faults',
      summary: `List the fault rules ${scope}`,
      description: 'In order of creation, including rules that are used up.',
      params,
      query: PageByNumber,
      responses: { 200: Faults },
      async handler({ params, query }) {
        const rules = core.faults.list(ownerFor(params)).filter(({ id }) => id > query.after);
        const { items, next } = await paginate(rules, query.limit, ({ id }) => String(id), toFaultJson);
        return { faults: items, next };
      },
    }),

    defineOperation({
      method: 'POST',
      path,
      name: `setFault${suffix}`,
      tag: 'faults',
      summary: `Create a fault rule ${scope}`,
      description: 'Only the first rule that fires applies. Rules of the account are tried before global rules.',
      params,
      body: NewRule,
      responses: { 201: FaultSchema },
      codes: ['TOO_MANY_FAULTS'],
      async handler({ params, body }, reply) {
        const owner = ownerFor(params);
        if (core.faults.list(owner).length >= settings.faultLimit) {
          throw new AdminError('TOO_MANY_FAULTS', settings.faultLimit);
        }
        reply.code(201);
        return toFaultJson(core.faults.add(owner, body as Rule));
      },
    }),

    defineOperation({
      method: 'GET',
      path: `${path}/:id`,
      name: `getFault${suffix}`,
      tag: 'faults',
      summary: `Get a fault rule ${scope}`,
      description: 'With the last ten requests that came close to it, and what kept it from firing.',
      params: ruleParams,
      responses: { 200: FaultDetails },
      codes: ['FAULT_NOT_FOUND'],
      async handler({ params }) {
        const id = String(params.id);
        const fault = core.faults.find(ownerFor(params), Number(id));
        if (!fault) throw new AdminError('FAULT_NOT_FOUND', id);
        const nearMisses = core.faults.listNearMisses(fault.id).map((nearMiss) => toNearMissJson(nearMiss, fault));
        return { ...toFaultJson(fault), nearMisses };
      },
    }),

    defineOperation({
      method: 'DELETE',
      path,
      name: `clearFaults${suffix}`,
      tag: 'faults',
      summary: `Remove all fault rules ${scope}`,
      description: 'Including rules that are used up.',
      params,
      responses: { 204: null },
      async handler({ params }, reply) {
        core.faults.clear(ownerFor(params));
        reply.code(204);
      },
    }),

    defineOperation({
      method: 'DELETE',
      path: `${path}/:id`,
      name: `removeFault${suffix}`,
      tag: 'faults',
      summary: `Remove a fault rule ${scope}`,
      description: 'The rule no longer fires.',
      params: ruleParams,
      responses: { 204: null },
      codes: ['FAULT_NOT_FOUND'],
      async handler({ params }, reply) {
        const id = String(params.id);
        if (!core.faults.remove(ownerFor(params), Number(id))) throw new AdminError('FAULT_NOT_FOUND', id);
        reply.code(204);
      },
    }),
  ];

  const accountIdFor = (params: object) => requireAccount(core, params as AccountParams).id;
  return [
    ...operationsFor('/accounts/:key/faults', ACCOUNT_SCHEMAS, accountIdFor, '', 'of an account'),
    ...operationsFor('/faults', GLOBAL_SCHEMAS, () => null, 'ForEverybody', 'for all accounts'),
  ];
}

export function toFaultJson({ id, match, at, effect, times, after, probability, seed, fired }: Fault) {
  return { id: String(id), match, at, effect, times, after, probability, seed, fired };
}

function toNearMissJson(nearMiss: NearMiss, fault: Fault) {
  const { requestId, atMs, path } = nearMiss;
  return { requestId, at: toTimestamp(atMs), path, reason: describeObstacle(nearMiss, fault) };
}

function describeObstacle({ obstacle, family, path, number }: NearMiss, { match, at, ...rule }: Fault): string {
  switch (obstacle) {
    case 'family':
      return `match.family: the family is ${family}, not ${match.family}`;
    case 'endpoint':
      return `match.endpoint: the path is ${path}, not ${match.endpoint}`;
    case 'contains': {
      const text = at === 'task' || at === 'media' ? 'input of the task' : 'body';
      return `match.contains: the ${text} does not contain ${JSON.stringify(match.contains)}`;
    }
    case 'times':
      return `times: the rule had already fired ${rule.times === 1 ? 'once' : `${rule.times} times`}`;
    case 'after':
      return `after: this was matching request ${number}, and the rule lets ${rule.after} pass`;
    case 'probability':
      return `probability: the random number was not below ${rule.probability}`;
    case 'earlier rule':
      return `rule ${number} fired first`;
  }
}
