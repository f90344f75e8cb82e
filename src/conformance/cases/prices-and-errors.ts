import type { Price } from '../../http/pipeline/route-docs.ts';
import type { Json } from '../../openapi/json-schema.ts';
import type { Case } from '../case.ts';
import { assertAccepted, assertRefused, type Said, told } from '../case-context.ts';
import { Differs, NotChecked } from '../case-errors.ts';
import { bodySchemaOf, type Conformity, propertiesOf } from '../contract-validator.ts';
import { changed, completed, plainBody } from '../request-bodies.ts';

const nameOf = (path: string) => path.slice('/api/'.length);

/** What a request costs, and that it is asked for before anything is done. */
export function priceCases(conformity: Conformity, path: string): Case[] {
  const operation = conformity.operationOf(path);
  const prices = operation['x-prices'];
  if (!prices) return [];
  const base = plainBody(conformity, path);
  const properties = propertiesOf(operation);
  return (prices.list as Price[]).flatMap(({ when, credits }): Case[] => {
    const values = Object.values(when).join('-') || 'each';
    const body = completed(operation, changed(base, when));
    const isDefault = Object.entries(when).every(([field, value]) => properties[field]?.default === value);
    const silent = changed(body, Object.fromEntries(Object.keys(when).map((field) => [field, undefined])));
    const price: Case = {
      id: `${nameOf(path)}/price-${values}`,
      name: `${path}: ${values} costs ${credits} credits`,
      mark: prices['x-source'],
      isFree: false,
      async check(bench) {
        await assertPrice(bench, path, body, credits);
        if (isDefault && Object.keys(when).length > 0) await assertPrice(bench, path, silent, credits);
      },
    };
    if (credits === 0) return [price];
    const short = shortCase(
      path,
      body,
      values,
      credits,
      conformity.codeOf(path, 'INSUFFICIENT_CREDITS').mark,
    );
    if (prices.per === 'shot')
      return [price, short, ...shotCases(conformity, path, { body, values, credits })];
    return [price, short];
  });
}
/** One credit less than it costs. */
function shortCase(path: string, body: Json, values: string, credits: number, mark: Case['mark']): Case {
  return {
    id: `${nameOf(path)}/short-of-${values}`,
    name: `${path}: ${credits - 1} credits are not enough for ${values}, and nothing is taken`,
    mark,
    isFree: false,
    async check(bench) {
      const key = await bench.key({ credits: credits - 1 });
      const answer = await bench.conforming(path, body, { key });
      assertRefused(answer, 402, 'INSUFFICIENT_CREDITS');
      if (answer.body.requiredCredits !== credits) {
        throw new Differs(`requiredCredits ${credits}`, told(answer));
      }
      const { credits: left } = await bench.accountOf(key, 'needs the account').get();
      if (left !== credits - 1) throw new Differs(`${credits - 1} credits still there`, `${left}`);
    },
  };
}

/** Of several shots each is charged for; where there may be but one, two are refused. */
function shotCases(
  conformity: Conformity,
  path: string,
  { body, values, credits }: { body: Json; values: string; credits: number },
): Case[] {
  const two = changed(body, { shots: ['shot-1', 'shot-2'].map((id) => ({ ...body.shots[0], id })) });
  const { if: condition, then } = bodySchemaOf(conformity.operationOf(path));
  const [[field, { enum: alone }]] = Object.entries<Json>(condition.properties) as [[string, Json]];
  const isAlone = then.properties.shots.maxItems === 1 && alone.includes(body[field]);
  if (!isAlone) return [shortCase(path, two, `two-of-${values}`, 2 * credits, 'D')];
  return [
    {
      id: `${nameOf(path)}/two-of-${values}`,
      name: `${path}: ${values} is for a single shot`,
      // That it is not to be had is documented, its code is not.
      mark: 'X',
      isFree: false,
      check: async (bench) => assertRefused(await bench.conforming(path, two), 400, 'INVALID_INPUT'),
    },
  ];
}

/** With just enough credits it is accepted, and they are gone. */
async function assertPrice(
  bench: Parameters<Case['check']>[0],
  path: string,
  body: Json,
  credits: number,
): Promise<void> {
  if (!bench.isControlled && !bench.conformity.tells(path, 'creditsUsed')) {
    throw new NotChecked('needs the account to see what it cost');
  }
  const key = await bench.key(bench.isControlled ? { credits } : {});
  const answer = await bench.conforming(path, body, { key });
  assertAccepted(answer);
  const { creditsUsed } = answer.body ?? {};
  if (creditsUsed !== undefined && creditsUsed !== credits) {
    throw new Differs(`creditsUsed ${credits}`, told(answer));
  }
  if (!bench.isControlled) return;
  const { credits: left } = await bench.accountOf(key, 'needs the account to see what it cost').get();
  if (left !== 0) throw new Differs(`${credits} credits taken`, `${credits - left} taken`);
}

/** What a field is where nothing is said of it: what is kept of the request tells. */
export function defaultCases(conformity: Conformity, path: string): Case[] {
  const operation = conformity.operationOf(path);
  if (!operation['x-prices']) return [];
  const base = plainBody(conformity, path);
  return Object.entries(propertiesOf(operation))
    .filter(([, property]) => property.default !== undefined && !Array.isArray(property.default))
    .map(([field, property]) => ({
      id: `${nameOf(path)}/${field}-default`,
      name: `${path}: ${field} is ${property.default} where it is not given`,
      mark: property['x-default-source'] ?? property['x-source'],
      isFree: false,
      async check(bench) {
        const key = await bench.key();
        const account = bench.accountOf(key, 'needs to see what was made of the request');
        assertAccepted(await bench.conforming(path, changed(base, { [field]: undefined }), { key }));
        const [task] = await account.tasks.list();
        const actual = task?.input[field];
        if (actual !== property.default) throw new Differs(`${field} ${property.default}`, `${actual}`);
      },
    }));
}

/** What holds for each endpoint, whatever it does. */
export function commonCases(path: string): Case[] {
  const one = (
    id: string,
    name: string,
    mark: Case['mark'],
    status: number,
    code: string,
    said: Said,
  ): Case => ({
    id: `${nameOf(path)}/${id}`,
    name: `${path}: ${name}`,
    mark,
    isFree: true,
    async check(bench) {
      const answer = await bench.conforming(path, {}, said);
      assertRefused(answer, status, code);
      if (status === 405 && answer.headers.get('allow') !== 'POST') {
        throw new Differs('Allow: POST', `Allow: ${answer.headers.get('allow')}`);
      }
    },
  });
  const unknown = { authorization: 'Bearer unknown-to-everybody' };
  return [
    one('without-key', 'a request without a key is refused', 'D', 401, 'LOGIN_REQUIRED', { key: null }),
    one('unknown-key', 'an unknown key is refused', 'D', 401, 'LOGIN_REQUIRED', {
      key: null,
      headers: unknown,
    }),
    one('other-scheme', 'another scheme than Bearer is refused', 'D', 401, 'LOGIN_REQUIRED', {
      key: null,
      headers: { authorization: 'Basic dTpw' },
    }),
    one('not-json', 'a body that is no JSON is refused', 'X', 400, 'INVALID_INPUT', { text: '{"prompt":' }),
    one('no-object', 'a body that is no object is refused', 'X', 400, 'INVALID_INPUT', { text: '[]' }),
    one('content-type', 'another content type than JSON is refused', 'X', 415, 'INVALID_INPUT', {
      text: 'prompt=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }),
    {
      id: `${nameOf(path)}/other-method`,
      name: `${path}: another method than POST is refused`,
      mark: 'X',
      isFree: true,
      async check(bench) {
        const answer = await bench.call(path, undefined, { method: 'GET' });
        assertRefused(answer, 405, 'METHOD_NOT_ALLOWED');
        const allow = answer.headers.get('allow');
        if (allow !== 'POST') throw new Differs('Allow: POST', `Allow: ${allow}`);
      },
    },
    {
      id: `${nameOf(path)}/revoked-key`,
      name: `${path}: a revoked key is refused`,
      mark: 'X',
      isFree: false,
      async check(bench) {
        const key = await bench.key();
        await bench.accountOf(key, 'needs a key that can be revoked').change({ revoked: true });
        assertRefused(await bench.conforming(path, {}, { key }), 401, 'LOGIN_REQUIRED');
      },
    },
    {
      id: `${nameOf(path)}/key-before-body`,
      name: `${path}: a missing key is told before what is wrong with the body`,
      mark: 'X',
      isFree: true,
      check: async (bench) =>
        assertRefused(await bench.conforming(path, {}, { key: null, text: '{' }), 401, 'LOGIN_REQUIRED'),
    },
    {
      id: `${nameOf(path)}/rate-limit`,
      name: `${path}: past its limit a key is refused`,
      mark: 'D',
      isFree: false,
      async check(bench) {
        const key = await bench.key({ rateLimit: 2 });
        for (let n = 0; n < 2; n++) await bench.conforming(path, {}, { key });
        const refused = await bench.conforming(path, {}, { key });
        assertRefused(refused, 429, 'API_KEY_RATE_LIMIT_EXCEEDED');
      },
    },
    {
      id: `${nameOf(path)}/rate-limit-headers`,
      name: `${path}: headers tell how many requests are left and when there are more; a new hour is a new start`,
      mark: 'X',
      isFree: false,
      async check(bench) {
        const key = await bench.key({ rateLimit: 1 });
        const account = bench.accountOf(key, 'needs a key with a limit of its own');
        await bench.conforming(path, {}, { key });
        const refused = await bench.conforming(path, {}, { key });
        for (const header of [
          'retry-after',
          'x-ratelimit-limit',
          'x-ratelimit-remaining',
          'x-ratelimit-reset',
        ]) {
          if (!/^\d+$/.test(refused.headers.get(header) ?? '')) {
            throw new Differs(`${header} in whole numbers`, `${refused.headers.get(header)}`);
          }
        }
        await account.clock.advance(3_600_000);
        const answer = await bench.conforming(path, {}, { key });
        if (answer.status === 429) throw new Differs('a new hour', told(answer));
      },
    },
  ];
}

/** Failures of the service itself: no request provokes them, but who can ask for them is told the right status. */
export function failureCases(conformity: Conformity, path: string): Case[] {
  const operation = conformity.operationOf(path);
  if (!operation['x-prices']) return [];
  const failures = Object.entries<Json>(operation.responses).filter(([status]) => Number(status) >= 500);
  return failures.flatMap(([status, response]) =>
    (response['x-error-codes'] as { code: string; 'x-source': Case['mark'] }[]).map(({ code, ...known }) => ({
      id: `${nameOf(path)}/fails-with-${code}`,
      name: `${path}: ${code} comes with ${status}, and costs nothing`,
      mark: known['x-source'],
      isFree: false,
      async check(bench) {
        const key = await bench.key({ credits: 1000 });
        const account = bench.accountOf(key, `${code} cannot be provoked by a request`);
        await account.faults.add({ at: 'charge', effect: { errorCode: code } });
        const body = plainBody(conformity, path);
        assertRefused(await bench.conforming(path, body, { key }), Number(status), code);
        const { credits } = await account.get();
        if (credits !== 1000) throw new Differs('1000 credits still there', `${credits}`);
      },
    })),
  );
}

/** A code that names a thing that is not there. */
export function unknownTaskCases(conformity: Conformity, path: string): Case[] {
  if (conformity.operationOf(path)['x-prices']) return [];
  const code = conformity.hasCode(path, 'TASK_NOT_FOUND') ? 'TASK_NOT_FOUND' : 'NOT_FOUND';
  const { status, mark } = conformity.codeOf(path, code);
  const id = 'task_nobodyhasthisone';
  const [field = ''] = Object.keys(propertiesOf(conformity.operationOf(path)));
  const body = { [field]: field === 'taskIds' ? [{ shotId: 'shot-1', taskId: id }] : id };
  return [
    {
      id: `${nameOf(path)}/unknown-task`,
      name: `${path}: an unknown task is not found`,
      mark,
      isFree: true,
      check: async (bench) => assertRefused(await bench.conforming(path, body), status, code),
    },
  ];
}
