import fc from 'fast-check';
import { corruptJson, hostileTexts, stringify } from './attack-cases.ts';
import type { Message } from './case.ts';
import { FAULT_MARKER, type Fixture, type Json } from './fixture.ts';
import { mutated } from './mutations.ts';
import { createValues } from './schema.ts';

interface Operation {
  method: string;
  template: string;
  isControl: boolean;
  body: Json;
  examples: Json[];
  parameters: Json[];
}

/** A request before it is serialized to bytes. */
export interface Draft {
  operation: string;
  method: string;
  /** Path and query that the contract is checked for. */
  path: string;
  /** Replaces `path` in the request line. */
  target?: string;
  headers: [string, string][];
  body: Buffer;
  isLoose: boolean;
  isRepeatable?: boolean;
}

const LARGE_HEAD_BYTES = 14_000;
const LARGE_BODY_BYTES = [1_048_575, 1_048_576, 1_048_577, 2_000_000];
const JSON_TYPE: [string, string] = ['Content-Type', 'application/json'];

/** Requests to all operations in the running server's OpenAPI documents: valid, mutated, not JSON, and large ones. */
export function createRequestArbitraries(fixture: Fixture, uploads: readonly string[], hasGlobalFaults: boolean) {
  const operations = [
    ...listOperations(fixture.vendor, false, fixture, uploads),
    ...listOperations(fixture.control, true, fixture, uploads),
  ];
  const vendorOperations = operations.filter(({ isControl }) => !isControl);
  const { stable, churned, faulty } = fixture.keys;
  const createdKeys = ['made-1', 'made-2', 'made-3', 'forked-1', 'forked-2'];
  const autoAccountKeys = fc.nat(30).map((number) => `np_test_${number}`);

  const vendorKey = fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(...stable) },
    { weight: 3, arbitrary: fc.constantFrom(...churned) },
    { weight: 2, arbitrary: fc.constantFrom(...faulty) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...createdKeys, 'np_test_default', 'np_test_empty', 'np_test_limited', 'np_test_auto'),
    },
    { weight: 1, arbitrary: autoAccountKeys },
    { weight: 1, arbitrary: fc.constantFrom('unknown', 'np_test_', `np_test_${'k'.repeat(300)}`, 'x') },
  );

  /** The `{key}` in the path of a control-plane operation. */
  function pathKey({ method, template }: Operation): fc.Arbitrary<string> {
    const odd = fc.constantFrom(
      'nobody',
      '.',
      '..',
      '%',
      'a/b',
      'x'.repeat(900),
      'x'.repeat(1200),
      '🐙',
      '__proto__',
      '',
    );
    const own = template.includes('/faults')
      ? fc.constantFrom(...faulty)
      : method === 'GET' || template.endsWith('/advance') || template.endsWith('/credits')
        ? fc.constantFrom(...stable, ...churned, ...createdKeys, 'np_test_default')
        : fc.constantFrom(...churned, ...createdKeys);
    return fc.oneof({ weight: 12, arbitrary: own }, { weight: 1, arbitrary: odd });
  }

  const createPathArbitrary = (operation: Operation, hostile: boolean): fc.Arbitrary<string> => {
    const names = [...operation.template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    const parts = names.map((name) => {
      if (name === 'key') return pathKey(operation);
      const schema = operation.parameters.find((one) => one.name === name && one.in === 'path')?.schema;
      const known: fc.Arbitrary<string> =
        name === 'id' && operation.template.includes('/faults')
          ? fc.nat(40).map(String)
          : createValues(fixture.control, fixture, uploads).createArbitrary(schema, name).map(String);
      return hostile ? fc.oneof({ weight: 3, arbitrary: known }, { weight: 1, arbitrary: hostileTexts }) : known;
    });
    return fc.tuple(...parts).map((values) => {
      let index = 0;
      return operation.template.replace(/\{\w+\}/g, () => encodeText(values[index++]!));
    });
  };

  const createQueryArbitrary = ({ parameters, isControl }: Operation, hostile: boolean): fc.Arbitrary<string> => {
    const queryParameters = parameters.filter((one) => one.in === 'query');
    const document = isControl ? fixture.control : fixture.vendor;
    const { createArbitrary } = createValues(document, fixture, uploads);
    const fields = queryParameters.map(({ name, schema }) => [name, createArbitrary(schema, name).map(String)]);
    const required = queryParameters.filter((one) => one.required).map(({ name }) => name);
    const valid = fc
      .record(Object.fromEntries(fields), { requiredKeys: required } as never)
      .map((values) => Object.entries(values as Record<string, string>));
    if (!hostile) return valid.map(formatQuery);
    const odd = fc.array(
      fc.tuple(
        fc.constantFrom(...queryParameters.map(({ name }) => name), '__proto__', 'a[]', '', 'limit'),
        hostileTexts.map((text) => text.slice(0, 2000)),
      ),
      { maxLength: 3 },
    );
    return fc.tuple(valid, odd).map(([one, other]) => formatQuery([...one, ...other]));
  };

  function createBodyArbitrary(operation: Operation, kind: 'valid' | 'mutated' | 'corrupted'): fc.Arbitrary<Buffer> {
    const { body, examples, isControl, method, template } = operation;
    if (!body) return fc.constant(Buffer.alloc(0));
    const { createArbitrary } = createValues(isControl ? fixture.control : fixture.vendor, fixture, uploads);
    const fresh = createArbitrary(body);
    const valid = examples.length > 0 ? fc.oneof(fresh, withVariedFields(fc.constantFrom(...examples), fresh)) : fresh;
    const isReset = template === '/__admin/reset';
    const isGlobalRule = method === 'POST' && template === '/__admin/faults';
    const withoutGlobalEffect = (value: Json): Json => {
      if (hasGlobalFaults) return value;
      if (isReset) return { not: 'now' };
      if (!isGlobalRule || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      // A global rule must match the marker, so that it applies only to requests that contain it.
      const match = typeof value.match === 'object' && !Array.isArray(value.match) ? value.match : {};
      return { ...value, match: { ...match, contains: FAULT_MARKER } };
    };
    if (kind === 'valid') return valid.map((value) => Buffer.from(stringify(withoutGlobalEffect(value))));
    const wrong = mutated(valid).map((value) => stringify(withoutGlobalEffect(value)));
    if (kind === 'mutated' || ((isReset || isGlobalRule) && !hasGlobalFaults))
      return wrong.map((text) => Buffer.from(text));
    return wrong.chain(corruptJson);
  }

  const createHeadersArbitrary = ({ isControl, body }: Operation): fc.Arbitrary<[string, string][]> =>
    isControl
      ? fc.constant(body ? [JSON_TYPE] : [])
      : vendorKey.map((key) => [['Authorization', `Bearer ${key}`], JSON_TYPE]);

  function createDraftArbitrary(
    candidates: readonly Operation[],
    kind: 'valid' | 'mutated' | 'corrupted',
  ): fc.Arbitrary<Draft> {
    const hostile = kind !== 'valid';
    const arbitraries = candidates.map((operation) =>
      fc
        .tuple(
          createPathArbitrary(operation, hostile),
          createQueryArbitrary(operation, hostile),
          createHeadersArbitrary(operation),
          createBodyArbitrary(operation, kind),
        )
        .map(([path, query, headers, body]) => ({
          operation: `${operation.method} ${operation.template}`,
          method: operation.method,
          // An undocumented query is sent but left out of `path`, because the contract says nothing about it.
          path: operation.parameters.some((one) => one.in === 'query') ? path + query : path,
          target: path + query,
          headers,
          body,
          isLoose: false,
        })),
    );
    return fc.oneof(...arbitraries);
  }

  const createVendorDraft = (key: string, path: string, body: Json): Draft => ({
    ...{ operation: `POST ${path}`, method: 'POST', path, isLoose: false },
    ...{ headers: [['Authorization', `Bearer ${key}`], JSON_TYPE], body: Buffer.from(stringify(body)) },
  });
  const polls = fc
    .constantFrom(...fixture.tasks)
    .map(({ key, api, poll }) => createVendorDraft(key, `${api}/check-status`, poll));

  /** Operations on existing tasks and rules, with the account they belong to. */
  const createControlDraft = (method: string, template: string, key: string, name: string, query = ''): Draft => ({
    ...{ operation: `${method} ${template}`, method, isLoose: false, headers: [], body: Buffer.alloc(0) },
    path: template.replace('{key}', key).replace('{id}', name) + query,
  });
  const taskRequests = fc
    .tuple(fc.constantFrom(...fixture.tasks), fc.constantFrom('', '/complete', '/fail', '/wait'))
    .map(([{ key, taskId }, end]) => {
      const isReadOnly = end === '' || key.startsWith('stable') || key.startsWith('faulty');
      if (end === '/wait')
        return createControlDraft('GET', '/__admin/accounts/{key}/wait', key, '', `?task=${taskId}&timeoutMs=5`);
      return isReadOnly
        ? createControlDraft('GET', '/__admin/accounts/{key}/tasks/{id}', key, taskId)
        : createControlDraft('POST', `/__admin/accounts/{key}/tasks/{id}${end}`, key, taskId);
    });
  const fileRequests = fc.constantFrom(...fixture.files).map(({ key, taskId, field }) => {
    const draft = createControlDraft('GET', '/__admin/accounts/{key}/tasks/{id}/files/{field}', key, taskId);
    return { ...draft, path: draft.path.replace('{field}', field) };
  });
  const ruleRequests = fc
    .tuple(fc.constantFrom('GET', 'GET', 'DELETE'), fc.nat(fixture.ruleIds.length - 1))
    .map(([method, index]) => {
      // Each epoch has other rule ids.
      const { key, id } = fixture.ruleIds[index]!;
      return key === undefined
        ? createControlDraft(method, '/__admin/faults/{id}', '', id)
        : createControlDraft(method, '/__admin/accounts/{key}/faults/{id}', key, id);
    });
  const entryRequests = fc
    .constantFrom(...fixture.entries)
    .map(({ key, id }) => createControlDraft('GET', '/__admin/accounts/{key}/requests/{id}', key, id));
  /** The last count is never reached. */
  const entryWaits = fc
    .record({
      key: fc.constantFrom(...fixture.entries.map(({ key }) => key)),
      filter: fc.constantFrom('', '&status=200', '&method=POST', '&path=/api/sora-2/generate'),
      count: fc.constantFrom(1, 2, 1000),
      timeoutMs: fc.constantFrom(0, 5, 30),
    })
    .map(({ key, filter, count, timeoutMs }) => {
      const query = `?count=${count}&timeoutMs=${timeoutMs}${filter}`;
      return createControlDraft('GET', '/__admin/accounts/{key}/requests/wait', key, '', query);
    });

  /**
   * Imports of documents, none of which can replace a stable account. A mutated rule may match any request, so documents
   * with rules get keys whose requests may meet faults.
   */
  const createImports = (createBody: (document: Json) => fc.Arbitrary<string | Buffer>): fc.Arbitrary<Draft> =>
    fc.constantFrom(...fixture.documents).chain((document) => {
      const keys = document.faults.length > 0 ? ['forked-1', 'forked-2'] : ['made-1', 'made-2', 'churned-frozen'];
      const query = fc.constantFrom('', `?key=${keys[0]}`, ...keys.map((key) => `?key=${key}&replace=true`));
      const template = '/__admin/accounts/import';
      return fc.tuple(query, createBody(document)).map(([chosen, body]) => ({
        ...createControlDraft('POST', template, '', '', chosen),
        ...{ headers: [JSON_TYPE], body: Buffer.from(body) },
      }));
    });
  const mutatedText = (document: Json) => mutated(fc.constant(document)).map(stringify);

  const large = fc
    .tuple(fc.constantFrom(...vendorOperations), fc.constantFrom(...stable), fc.constantFrom(...LARGE_BODY_BYTES))
    .map(([{ template }, key, bytes]) => createVendorDraft(key, template, { prompt: 'z'.repeat(bytes - 13) }));

  const isStable = ({ headers }: Draft) => headers.some(([, value]) => stable.includes(value.replace('Bearer ', '')));
  const frozenTasks = fixture.tasks.filter(({ key }) => key === 'stable-frozen');
  /** Stays pending for a while. */
  const waits = fc
    .tuple(fc.constantFrom(...frozenTasks), fc.constantFrom(5, 30, 100))
    .map(([{ key, taskId }, ms]) =>
      createControlDraft('GET', '/__admin/accounts/{key}/wait', key, '', `?task=${taskId}&timeoutMs=${ms}`),
    );

  return {
    operations,
    repeatable: createRepeatableDrafts(fixture, createVendorDraft, createControlDraft).map((draft) => ({
      ...draft,
      isRepeatable: true,
    })),
    /** Orders and texts of accounts without faults, and waits. */
    charging: fc.oneof(
      { weight: 4, arbitrary: createDraftArbitrary(vendorOperations, 'valid').filter(isStable) },
      { weight: 1, arbitrary: waits },
    ),
    valid: fc.oneof(
      { weight: 24, arbitrary: createDraftArbitrary(vendorOperations, 'valid') },
      { weight: 8, arbitrary: polls },
      { weight: 20, arbitrary: createDraftArbitrary(operations.slice(vendorOperations.length), 'valid') },
      { weight: 4, arbitrary: taskRequests },
      { weight: 2, arbitrary: ruleRequests },
      { weight: 1, arbitrary: fileRequests },
      { weight: 1, arbitrary: entryRequests },
      { weight: 1, arbitrary: entryWaits },
      { weight: 1, arbitrary: createImports((document) => fc.constant(stringify(document))) },
    ),
    mutated: fc.oneof(
      { weight: 10, arbitrary: createDraftArbitrary(vendorOperations, 'mutated') },
      { weight: 10, arbitrary: createDraftArbitrary(operations, 'mutated') },
      { weight: 1, arbitrary: createImports(mutatedText) },
    ),
    corrupted: fc.oneof(
      {
        weight: 20,
        arbitrary: createDraftArbitrary(
          operations.filter(({ body }) => body),
          'corrupted',
        ),
      },
      { weight: 1, arbitrary: createImports((document) => mutatedText(document).chain(corruptJson)) },
    ),
    large,
  };
}

/** Requests that change nothing, each of which always gets the same response. */
function createRepeatableDrafts(
  { tasks, media }: Fixture,
  createVendorDraft: (key: string, path: string, body: Json) => Draft,
  createControlDraft: (method: string, template: string, key: string, name: string) => Draft,
): fc.Arbitrary<Draft> {
  // Only these are completed and never change.
  const completed = fc.constantFrom(...tasks.filter(({ key }) => key === 'stable-real'));
  const number = fc.nat(50);
  return fc.oneof(
    {
      weight: 4,
      arbitrary: completed.map(({ key, api, poll }) => createVendorDraft(key, `${api}/check-status`, poll)),
    },
    {
      weight: 2,
      arbitrary: completed.map(({ key, taskId }) =>
        createControlDraft('GET', '/__admin/accounts/{key}/tasks/{id}', key, taskId),
      ),
    },
    {
      weight: 2,
      arbitrary: number.map((n) => createControlDraft('GET', '/__admin/accounts/{key}', `nobody-${n}`, '')),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.constantFrom(...media), number).map(
        ([path, from]): Draft => ({
          ...{ operation: 'GET /media', method: 'GET', path, isLoose: true, body: Buffer.alloc(0) },
          headers: [['Range', `bytes=${from}-${from * 40}`]],
        }),
      ),
    },
  );
}

/** Replaces some fields of `base` with the values they have in `other`. */
const withVariedFields = (base: fc.Arbitrary<Json>, other: fc.Arbitrary<Json>) =>
  fc.tuple(base, other, fc.nat(0xffff)).map(([one, two, chosen]) => {
    const body = { ...one };
    for (const [index, name] of Object.keys(body).entries()) {
      const isChosen = ((chosen >> index) & 1) === 1;
      if (isChosen && name in two && typeof two[name] === typeof body[name]) body[name] = two[name];
    }
    return body;
  });

function listOperations(document: Json, isControl: boolean, fixture: Fixture, uploads: readonly string[]): Operation[] {
  const { resolve } = createValues(document, fixture, uploads);
  return Object.entries<Json>(document.paths).flatMap(([template, methods]) =>
    Object.entries<Json>(methods)
      .filter(([method]) => /^(get|post|put|patch|delete)$/.test(method))
      .map(([method, { requestBody, parameters = [] }]) => {
        const { schema, examples = {} } = requestBody?.content['application/json'] ?? {};
        return {
          method: method.toUpperCase(),
          template,
          isControl,
          body: schema && resolve(schema),
          examples: Object.values<Json>(examples).map(({ value }) => value),
          parameters,
        };
      }),
  );
}

/** Replaces lone surrogates, which cannot be URL-encoded. */
const encodeText = (text: string) => encodeURIComponent(Buffer.from(text).toString());
const formatQuery = (fields: [string, string][]) =>
  fields.length === 0 ? '' : `?${fields.map(([name, value]) => `${encodeText(name)}=${encodeText(value)}`).join('&')}`;

/** Serializes the draft to bytes and adds the headers that HTTP requires. */
export function toMessage(draft: Draft, host: string, version = '1.1'): Message {
  const { operation, method, path, target = path, headers, body } = draft;
  const names = headers.map(([name]) => name.toLowerCase());
  const allHeaders: [string, string][] = [
    ...(names.includes('host') ? [] : [['Host', host] as [string, string]]),
    ...headers,
    ...(body.length > 0 && !names.includes('content-length') && !names.includes('transfer-encoding')
      ? [['Content-Length', String(body.length)] as [string, string]]
      : []),
  ];
  const headerLines = allHeaders.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = `${method} ${target} HTTP/${version}\r\n${headerLines}\r\n`;
  return {
    ...{ operation, method, path, isRepeatable: draft.isRepeatable === true },
    // A head that is too large is refused before the request is routed.
    isLoose: draft.isLoose || head.length > LARGE_HEAD_BYTES,
    body: body.toString(),
    bytes: Buffer.concat([Buffer.from(head, 'latin1'), body]),
  };
}
