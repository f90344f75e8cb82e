import type { Price } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import { assertAccepted, assertRefused, describeResponse } from '../assertions.ts';
import { type Case, createCaseDefiner, type RequestOptions } from '../case-context.ts';
import { Mismatch, Skipped } from '../case-errors.ts';
import { type ContractValidator, getBodySchema, getProperties } from '../contract-validator.ts';
import { minimalBody, withChanges, withRequiredFields } from '../request-bodies.ts';

const toCasePrefix = (path: string) => path.slice('/api/'.length);
const caseDefinerFor = (path: string) => createCaseDefiner(toCasePrefix(path), path);

/** Cases for prices: what a request costs, and that a request with insufficient credits is rejected. */
export function priceCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  const prices = operation['x-prices'];
  if (!prices) return [];
  const base = minimalBody(validator, path);
  const properties = getProperties(operation);
  const defineCase = caseDefinerFor(path);
  return (prices.list as Price[]).flatMap(({ when, credits }): Case[] => {
    const values = Object.values(when).join('-') || 'each';
    const body = withRequiredFields(operation, withChanges(base, when));
    const isDefault = Object.entries(when).every(([field, value]) => properties[field]?.default === value);
    const bodyWithoutOptions = withChanges(
      body,
      Object.fromEntries(Object.keys(when).map((field) => [field, undefined])),
    );
    const price = defineCase(
      `price-${values}`,
      `${values} costs ${credits} credits`,
      prices['x-source'],
      async (context) => {
        await assertPrice(context, path, body, credits);
        if (isDefault && Object.keys(when).length > 0) await assertPrice(context, path, bodyWithoutOptions, credits);
      },
    );
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

/** The case for an account with one credit less than the price. */
function insufficientCreditsCase(
  path: string,
  body: Json,
  values: string,
  credits: number,
  provenance: Case['provenance'],
): Case {
  const name = `${credits - 1} credits are insufficient for ${values}, and nothing is charged`;
  return caseDefinerFor(path)(`short-of-${values}`, name, provenance, async (context) => {
    const key = await context.getKey({ credits: credits - 1 });
    const response = await context.callAndValidate(path, body, { key });
    assertRefused(response, 402, 'INSUFFICIENT_CREDITS');
    if (response.body.requiredCredits !== credits) {
      throw new Mismatch(`requiredCredits ${credits}`, describeResponse(response));
    }
    const { credits: remaining } = await context.requireAccountControl(key, 'needs the control plane').get();
    if (remaining !== credits - 1) throw new Mismatch(`${credits - 1} credits left`, `${remaining}`);
  });
}

/** Cases for requests with two shots: both are charged, or rejected where the resolution allows only a single shot. */
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
      name: `${path}: ${values} is only available for a single shot`,
      // The restriction is documented, the error code is our assumption.
      provenance: 'assumed',
      isFree: false,
      check: async (context) => assertRefused(await context.callAndValidate(path, twoShots), 400, 'INVALID_INPUT'),
    },
  ];
}

/** Checks that exactly these credits suffice, and that all of them are charged. */
async function assertPrice(
  context: Parameters<Case['check']>[0],
  path: string,
  body: Json,
  credits: number,
): Promise<void> {
  if (!context.isControlled && !context.validator.hasResponseField(path, 'creditsUsed')) {
    throw new Skipped('needs the control plane to read the price');
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
    .requireAccountControl(key, 'needs the control plane to read the price')
    .get();
  if (remaining !== 0) throw new Mismatch(`${credits} credits charged`, `${credits - remaining}`);
}

/** Cases for default values, which the stored input of a task shows. */
export function defaultCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  if (!operation['x-prices']) return [];
  const base = minimalBody(validator, path);
  const defineCase = caseDefinerFor(path);
  return Object.entries(getProperties(operation))
    .filter(([, property]) => property.default !== undefined && !Array.isArray(property.default))
    .map(([field, property]) => {
      const provenance = property['x-default-source'] ?? property['x-source'];
      return defineCase(`${field}-default`, `${field} defaults to ${property.default}`, provenance, async (context) => {
        const key = await context.getKey();
        const account = context.requireAccountControl(key, 'needs the control plane to read the input of the task');
        assertAccepted(await context.callAndValidate(path, withChanges(base, { [field]: undefined }), { key }));
        const [task] = await account.tasks.list();
        const actual = task?.input[field];
        if (actual !== property.default) throw new Mismatch(`${field} ${property.default}`, `${actual}`);
      });
    });
}

/** Cases that every endpoint has: authentication, body syntax, method and rate limit. */
export function commonCases(path: string): Case[] {
  const defineRefusal = (
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
  const defineCase = caseDefinerFor(path);
  const unknownKeyHeaders = { authorization: 'Bearer unknown-key' };
  return [
    defineRefusal('without-key', 'a request without a key is rejected', 'documented', 401, 'LOGIN_REQUIRED', {
      key: null,
    }),
    defineRefusal('unknown-key', 'an unknown key is rejected', 'documented', 401, 'LOGIN_REQUIRED', {
      key: null,
      headers: unknownKeyHeaders,
    }),
    defineRefusal(
      'other-scheme',
      'an authentication scheme other than Bearer is rejected',
      'documented',
      401,
      'LOGIN_REQUIRED',
      {
        key: null,
        headers: { authorization: 'Basic dTpw' },
      },
    ),
    defineRefusal('not-json', 'a body that is not JSON is rejected', 'assumed', 400, 'INVALID_INPUT', {
      text: '{"prompt":',
    }),
    defineRefusal('no-object', 'a body that is not an object is rejected', 'assumed', 400, 'INVALID_INPUT', {
      text: '[]',
    }),
    defineRefusal('content-type', 'a content type other than JSON is rejected', 'assumed', 415, 'INVALID_INPUT', {
      text: 'prompt=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    {
      id: `${toCasePrefix(path)}/other-method`,
      name: `${path}: a method other than POST is rejected`,
      provenance: 'assumed',
      isFree: true,
      async check(context) {
        const response = await context.call(path, undefined, { method: 'GET' });
        assertRefused(response, 405, 'METHOD_NOT_ALLOWED');
        const allow = response.headers.get('allow');
        if (allow !== 'POST') throw new Mismatch('Allow: POST', `Allow: ${allow}`);
      },
    },
    defineCase('revoked-key', 'a revoked key is rejected', 'assumed', async (context) => {
      const key = await context.getKey();
      await context.requireAccountControl(key, 'needs the control plane to revoke the key').change({ revoked: true });
      assertRefused(await context.callAndValidate(path, {}, { key }), 401, 'LOGIN_REQUIRED');
    }),
    {
      id: `${toCasePrefix(path)}/key-before-body`,
      name: `${path}: a missing key is reported before errors in the body`,
      provenance: 'assumed',
      isFree: true,
      check: async (context) =>
        assertRefused(await context.callAndValidate(path, {}, { key: null, text: '{' }), 401, 'LOGIN_REQUIRED'),
    },
    defineCase('rate-limit', 'a key over its rate limit is rejected', 'documented', async (context) => {
      const key = await context.getKey({ rateLimit: 2 });
      for (let n = 0; n < 2; n++) await context.callAndValidate(path, {}, { key });
      const refused = await context.callAndValidate(path, {}, { key });
      assertRefused(refused, 429, 'API_KEY_RATE_LIMIT_EXCEEDED');
    }),
    defineCase(
      'rate-limit-headers',
      'headers have the remaining requests and the reset time, and the limit resets after an hour',
      'assumed',
      async (context) => {
        const key = await context.getKey({ rateLimit: 1 });
        const account = context.requireAccountControl(key, 'needs an account with its own rate limit');
        await context.callAndValidate(path, {}, { key });
        const refused = await context.callAndValidate(path, {}, { key });
        for (const header of ['retry-after', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset']) {
          if (!/^\d+$/.test(refused.headers.get(header) ?? '')) {
            throw new Mismatch(`an integer in ${header}`, `${refused.headers.get(header)}`);
          }
        }
        await account.clock.advance(3_600_000);
        const response = await context.callAndValidate(path, {}, { key });
        if (response.status === 429) throw new Mismatch('no 429 after an hour', describeResponse(response));
      },
    ),
  ];
}

/** Cases for failures of the service, which no request provokes: the control plane injects them. */
export function failureCases(validator: ContractValidator, path: string): Case[] {
  const operation = validator.operationOf(path);
  if (!operation['x-prices']) return [];
  const defineCase = caseDefinerFor(path);
  const failures = Object.entries<Json>(operation.responses).filter(([status]) => Number(status) >= 500);
  return failures.flatMap(([status, response]) =>
    (response['x-error-codes'] as { code: string; 'x-source': Case['provenance'] }[]).map(({ code, ...known }) => {
      const name = `${code} has status ${status}, and nothing is charged`;
      return defineCase(`fails-with-${code}`, name, known['x-source'], async (context) => {
        const key = await context.getKey({ credits: 1000 });
        const account = context.requireAccountControl(key, `${code} cannot be provoked by a request`);
        await account.faults.add({ at: 'charge', effect: { errorCode: code } });
        const body = minimalBody(validator, path);
        assertRefused(await context.callAndValidate(path, body, { key }), Number(status), code);
        const { credits } = await account.get();
        if (credits !== 1000) throw new Mismatch('1000 credits left', `${credits}`);
      });
    }),
  );
}

/** The case for a poll of a task that does not exist. */
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
