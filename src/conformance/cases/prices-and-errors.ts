import type { Price } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, assertRefused, describeResponse, type RequestOptions } from '../case-context.ts';
import { Mismatch, Skipped } from '../case-errors.ts';
import { type ContractValidator, getBodySchema, getProperties } from '../contract-validator.ts';
import { minimalBody, withChanges, withRequiredFields } from '../request-bodies.ts';

const toCasePrefix = (path: string) => path.slice('/api/'.length);

/** What a request costs, and that it is asked for before anything is done. */
export function priceCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  const prices = operation['x-prices'];
  if (!prices) return [];
  const base = minimalBody(validator, path);
  const properties = getProperties(operation);
  return (prices.list as Price[]).flatMap(({ when, credits }): Case[] => {
    const values = Object.values(when).join('-') || 'each';
    const body = withRequiredFields(operation, withChanges(base, when));
    const isDefault = Object.entries(when).every(([field, value]) => properties[field]?.default === value);
    const bodyWithoutOptions = withChanges(
      body,
      Object.fromEntries(Object.keys(when).map((field) => [field, undefined])),
    );
    const price: Case = {
      id: `${toCasePrefix(path)}/price-${values}`,
      name: `${path}: ${values} costs ${credits} credits`,
      provenance: prices['x-source'],
      isFree: false,
      async check(context) {
        await assertPrice(context, path, body, credits);
        if (isDefault && Object.keys(when).length > 0) await assertPrice(context, path, bodyWithoutOptions, credits);
      },
    };
    if (credits === 0) return [price];
    const insufficientCredits = insufficientCreditsCase(
      path,
      body,
      values,
      credits,
      validator.getErrorCode(path, 'INSUFFICIENT_CREDITS').provenance,
    );
    if (prices.per === 'shot')
      return [price, insufficientCredits, ...multiShotPriceCases(validator, path, { body, values, credits })];
    return [price, insufficientCredits];
  });
}
/** One credit less than it costs. */
function insufficientCreditsCase(
  path: string,
  body: Json,
  values: string,
  credits: number,
  provenance: Case['provenance'],
): Case {
  return {
    id: `${toCasePrefix(path)}/short-of-${values}`,
    name: `${path}: ${credits - 1} credits are not enough for ${values}, and nothing is taken`,
    provenance,
    isFree: false,
    async check(context) {
      const key = await context.getKey({ credits: credits - 1 });
      const response = await context.callAndValidate(path, body, { key });
      assertRefused(response, 402, 'INSUFFICIENT_CREDITS');
      if (response.body.requiredCredits !== credits) {
        throw new Mismatch(`requiredCredits ${credits}`, describeResponse(response));
      }
      const { credits: remaining } = await context.requireAccountControl(key, 'needs the account').get();
      if (remaining !== credits - 1) throw new Mismatch(`${credits - 1} credits still there`, `${remaining}`);
    },
  };
}

/** Of several shots each is charged for; where there may be but one, two are refused. */
function multiShotPriceCases(
  validator: ContractValidator,
  path: string,
  { body, values, credits }: { body: Json; values: string; credits: number },
): Case[] {
  const twoShots = withChanges(body, { shots: ['shot-1', 'shot-2'].map((id) => ({ ...body.shots[0], id })) });
  const { if: condition, then } = getBodySchema(validator.operationOf(path));
  const [[field, { enum: singleShotValues }]] = Object.entries<Json>(condition.properties) as [[string, Json]];
  const isSingleShotOnly = then.properties.shots.maxItems === 1 && singleShotValues.includes(body[field]);
  if (!isSingleShotOnly)
    return [insufficientCreditsCase(path, twoShots, `two-of-${values}`, 2 * credits, 'documented')];
  return [
    {
      id: `${toCasePrefix(path)}/two-of-${values}`,
      name: `${path}: ${values} is for a single shot`,
      // That it is not to be had is documented, its code is not.
      provenance: 'assumed',
      isFree: false,
      check: async (context) => assertRefused(await context.callAndValidate(path, twoShots), 400, 'INVALID_INPUT'),
    },
  ];
}

/** With just enough credits it is accepted, and they are gone. */
async function assertPrice(
  context: Parameters<Case['check']>[0],
  path: string,
  body: Json,
  credits: number,
): Promise<void> {
  if (!context.isControlled && !context.validator.hasResponseField(path, 'creditsUsed')) {
    throw new Skipped('needs the account to see what it cost');
  }
  const key = await context.getKey(context.isControlled ? { credits } : {});
  const response = await context.callAndValidate(path, body, { key });
  assertAccepted(response);
  const { creditsUsed } = response.body ?? {};
  if (creditsUsed !== undefined && creditsUsed !== credits) {
    throw new Mismatch(`creditsUsed ${credits}`, describeResponse(response));
  }
  if (!context.isControlled) return;
  const { credits: remaining } = await context
    .requireAccountControl(key, 'needs the account to see what it cost')
    .get();
  if (remaining !== 0) throw new Mismatch(`${credits} credits taken`, `${credits - remaining} taken`);
}

/** What a field is where nothing is said of it: what is kept of the request tells. */
export function defaultCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  if (!operation['x-prices']) return [];
  const base = minimalBody(validator, path);
  return Object.entries(getProperties(operation))
    .filter(([, property]) => property.default !== undefined && !Array.isArray(property.default))
    .map(([field, property]) => ({
      id: `${toCasePrefix(path)}/${field}-default`,
      name: `${path}: ${field} is ${property.default} where it is not given`,
      provenance: property['x-default-source'] ?? property['x-source'],
      isFree: false,
      async check(context) {
        const key = await context.getKey();
        const account = context.requireAccountControl(key, 'needs to see what was made of the request');
        assertAccepted(await context.callAndValidate(path, withChanges(base, { [field]: undefined }), { key }));
        const [task] = await account.tasks.list();
        const actual = task?.input[field];
        if (actual !== property.default) throw new Mismatch(`${field} ${property.default}`, `${actual}`);
      },
    }));
}

/** What holds for each endpoint, whatever it does. */
export function commonCases(path: string): Case[] {
  const defineCase = (
    id: string,
    name: string,
    provenance: Case['provenance'],
    status: number,
    code: string,
    options: RequestOptions,
  ): Case => ({
    id: `${toCasePrefix(path)}/${id}`,
    name: `${path}: ${name}`,
    provenance,
    isFree: true,
    async check(context) {
      const response = await context.callAndValidate(path, {}, options);
      assertRefused(response, status, code);
      if (status === 405 && response.headers.get('allow') !== 'POST') {
        throw new Mismatch('Allow: POST', `Allow: ${response.headers.get('allow')}`);
      }
    },
  });
  const unknownKeyHeaders = { authorization: 'Bearer unknown-to-everybody' };
  return [
    defineCase('without-key', 'a request without a key is refused', 'documented', 401, 'LOGIN_REQUIRED', {
      key: null,
    }),
    defineCase('unknown-key', 'an unknown key is refused', 'documented', 401, 'LOGIN_REQUIRED', {
      key: null,
      headers: unknownKeyHeaders,
    }),
    defineCase('other-scheme', 'another scheme than Bearer is refused', 'documented', 401, 'LOGIN_REQUIRED', {
      key: null,
      headers: { authorization: 'Basic dTpw' },
    }),
    defineCase('not-json', 'a body that is no JSON is refused', 'assumed', 400, 'INVALID_INPUT', {
      text: '{"prompt":',
    }),
    defineCase('no-object', 'a body that is no object is refused', 'assumed', 400, 'INVALID_INPUT', { text: '[]' }),
    defineCase('content-type', 'another content type than JSON is refused', 'assumed', 415, 'INVALID_INPUT', {
      text: 'prompt=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    {
      id: `${toCasePrefix(path)}/other-method`,
      name: `${path}: another method than POST is refused`,
      provenance: 'assumed',
      isFree: true,
      async check(context) {
        const response = await context.call(path, undefined, { method: 'GET' });
        assertRefused(response, 405, 'METHOD_NOT_ALLOWED');
        const allow = response.headers.get('allow');
        if (allow !== 'POST') throw new Mismatch('Allow: POST', `Allow: ${allow}`);
      },
    },
    {
      id: `${toCasePrefix(path)}/revoked-key`,
      name: `${path}: a revoked key is refused`,
      provenance: 'assumed',
      isFree: false,
      async check(context) {
        const key = await context.getKey();
        await context.requireAccountControl(key, 'needs a key that can be revoked').change({ revoked: true });
        assertRefused(await context.callAndValidate(path, {}, { key }), 401, 'LOGIN_REQUIRED');
      },
    },
    {
      id: `${toCasePrefix(path)}/key-before-body`,
      name: `${path}: a missing key is told before what is wrong with the body`,
      provenance: 'assumed',
      isFree: true,
      check: async (context) =>
        assertRefused(await context.callAndValidate(path, {}, { key: null, text: '{' }), 401, 'LOGIN_REQUIRED'),
    },
    {
      id: `${toCasePrefix(path)}/rate-limit`,
      name: `${path}: past its limit a key is refused`,
      provenance: 'documented',
      isFree: false,
      async check(context) {
        const key = await context.getKey({ rateLimit: 2 });
        for (let n = 0; n < 2; n++) await context.callAndValidate(path, {}, { key });
        const refused = await context.callAndValidate(path, {}, { key });
        assertRefused(refused, 429, 'API_KEY_RATE_LIMIT_EXCEEDED');
      },
    },
    {
      id: `${toCasePrefix(path)}/rate-limit-headers`,
      name: `${path}: headers tell how many requests are left and when there are more; a new hour is a new start`,
      provenance: 'assumed',
      isFree: false,
      async check(context) {
        const key = await context.getKey({ rateLimit: 1 });
        const account = context.requireAccountControl(key, 'needs a key with a limit of its own');
        await context.callAndValidate(path, {}, { key });
        const refused = await context.callAndValidate(path, {}, { key });
        for (const header of ['retry-after', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']) {
          if (!/^\d+$/.test(refused.headers.get(header) ?? '')) {
            throw new Mismatch(`${header} in whole numbers`, `${refused.headers.get(header)}`);
          }
        }
        await account.clock.advance(3_600_000);
        const response = await context.callAndValidate(path, {}, { key });
        if (response.status === 429) throw new Mismatch('a new hour', describeResponse(response));
      },
    },
  ];
}

/** Failures of the service itself: no request provokes them, but who can ask for them is told the right status. */
export function failureCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  if (!operation['x-prices']) return [];
  const failures = Object.entries<Json>(operation.responses).filter(([status]) => Number(status) >= 500);
  return failures.flatMap(([status, response]) =>
    (response['x-error-codes'] as { code: string; 'x-source': Case['provenance'] }[]).map(({ code, ...known }) => ({
      id: `${toCasePrefix(path)}/fails-with-${code}`,
      name: `${path}: ${code} comes with ${status}, and costs nothing`,
      provenance: known['x-source'],
      isFree: false,
      async check(context) {
        const key = await context.getKey({ credits: 1000 });
        const account = context.requireAccountControl(key, `${code} cannot be provoked by a request`);
        await account.faults.add({ at: 'charge', effect: { errorCode: code } });
        const body = minimalBody(validator, path);
        assertRefused(await context.callAndValidate(path, body, { key }), Number(status), code);
        const { credits } = await account.get();
        if (credits !== 1000) throw new Mismatch('1000 credits still there', `${credits}`);
      },
    })),
  );
}

/** A code that names a thing that is not there. */
export function unknownTaskCases(validator: ContractValidator, path: string): Case[] {
  if (validator.operationOf(path)['x-prices']) return [];
  const code = validator.hasErrorCode(path, 'TASK_NOT_FOUND') ? 'TASK_NOT_FOUND' : 'NOT_FOUND';
  const { status, provenance } = validator.getErrorCode(path, code);
  const id = 'task_nobodyhasthisone';
  const [field = ''] = Object.keys(getProperties(validator.operationOf(path)));
  const body = { [field]: field === 'taskIds' ? [{ shotId: 'shot-1', taskId: id }] : id };
  return [
    {
      id: `${toCasePrefix(path)}/unknown-task`,
      name: `${path}: an unknown task is not found`,
      provenance,
      isFree: true,
      check: async (context) => assertRefused(await context.callAndValidate(path, body), status, code),
    },
  ];
}
