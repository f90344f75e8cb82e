import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ContractValidator,
  createContractValidator,
  getBodySchema,
  getProperties,
} from '../../src/conformance/contract-validator.ts';
import {
  createImageUrls,
  minimalBody,
  toPollBody,
  withChanges,
  withRequiredFields,
} from '../../src/conformance/request-bodies.ts';
import type { RunningEmulator } from '../../src/index.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { ROWS } from './faults-page.ts';
import { type Violation, violationsIn } from './prism.ts';

export interface Exchange {
  path: string;
  sent: Json;
  status: number;
  body: Json;
  violations: Violation[];
}

const VEO = '/api/veo-3/generate';
const WATERMARK = '/api/sora/remove-watermark';

/** Bodies that cover fields and values missing from the examples and enumerations. */
const EXTRA_BODIES: Record<string, (plain: Json) => Json[]> = {
  [VEO]: ({ shots: [shot] }) =>
    ['FIRST_AND_LAST_FRAMES_2_VIDEO', 'REFERENCE_2_VIDEO'].map((generationType) => ({
      shots: [{ ...shot, aspectRatio: '9:16', generationType, imageUrls: createImageUrls(2) }],
    })),
  '/api/seedance-1-5-pro/generate': (plain) => [{ ...plain, generateAudio: true, fixedLens: true }],
  '/api/nano-banana-2/generate': (plain) => [{ ...plain, googleSearch: true }],
  '/api/sora-2/generate-prompt': (plain) => [{ ...plain, model: 'google/gemini-3-flash-preview' }],
  '/api/sora-2/reverse-prompt': () => [
    {
      videoSource: 'file',
      videoFile: readFileSync(join(FIXTURES_DIR, 'videos/480x848-4s.mp4')).toString('base64'),
      videoFileName: 'a.mp4',
    },
  ],
};

/** The documented examples, and the minimal body with every documented enum value of every field. */
function buildBodies(validator: ContractValidator, path: string): Json[] {
  const operation = validator.operationOf(path);
  const { examples } = operation.requestBody.content['application/json'];
  const plain = minimalBody(validator, path);
  const varied = Object.entries(getProperties(operation))
    // Which other fields are required depends on the video source, and therefore it has no minimal body.
    .filter(([name]) => name !== 'videoSource')
    .flatMap(([name, { enum: values = [] }]) =>
      values.map((value: Json) => withRequiredFields(operation, withChanges(plain, { [name]: value }))),
    );
  return [
    ...Object.values<Json>(examples).map(({ value }) => value),
    ...varied,
    ...(EXTRA_BODIES[path]?.(plain) ?? []),
  ];
}

const toPollPath = (path: string) => path.replace(/generate$/, 'check-status');

/**
 * A client that uses everything in a document. `url`: the address of the validating proxy; the control plane is called
 * directly.
 */
export function createProxiedRun(url: string, document: Json) {
  const exchanges: Exchange[] = [];
  const validator = createContractValidator(document);
  const paths = Object.keys(document.paths);
  const taskPaths = paths.filter((path) => path.endsWith('/generate'));

  async function post(path: string, sent: Json, key: string, headers: Record<string, string> = {}) {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(sent),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    const body: Json = isJson ? JSON.parse(text) : text;
    const exchange = {
      path,
      sent,
      status: response.status,
      body,
      violations: violationsIn(response.headers),
    };
    exchanges.push(exchange);
    return exchange;
  }

  const createAccount = ({ accounts }: RunningEmulator, clock: 'auto' | 'frozen') =>
    accounts.create({ key: `np_test_${randomUUID()}`, credits: 100_000, rateLimit: 100_000, clock });

  /** Submits a task and polls it in each of its states. */
  async function runTask(emulator: RunningEmulator, path: string, body: Json, headers = {}): Promise<void> {
    const account = await createAccount(emulator, 'frozen');
    const pollPath = toPollPath(path);
    const order = await post(path, body, account.key, headers);
    const { resolution } = getProperties(validator.operationOf(pollPath));
    for (let n = 0; n < 10; n++) {
      let status = '';
      for (const value of resolution?.enum ?? [undefined]) {
        const pollBody = withChanges(toPollBody(order.body), { resolution: value });
        status = (await post(pollPath, pollBody, account.key)).body.status;
      }
      if (status === 'completed' || status === 'failed') return;
      await account.clock.advanceToNext();
    }
    throw new Error(`a task of ${path} did not end`);
  }

  async function createForeignGeneration(path: string): Promise<Json> {
    const generate = path.replace('check-status', 'generate');
    const { body } = await post(generate, minimalBody(validator, generate), 'np_test_other');
    return { generationId: body.generationId };
  }

  return {
    exchanges,
    post,

    /** Sends every valid request and completes a task of every family. */
    async succeed(emulator: RunningEmulator): Promise<void> {
      const { key } = await createAccount(emulator, 'auto');
      for (const path of paths.filter((one) => !one.endsWith('/check-status'))) {
        for (const body of buildBodies(validator, path)) await post(path, body, key);
      }
      for (const path of taskPaths) await runTask(emulator, path, minimalBody(validator, path));
    },

    /** Lets a task of every family fail. */
    async fail(emulator: RunningEmulator): Promise<void> {
      for (const path of taskPaths) {
        await runTask(emulator, path, minimalBody(validator, path), { 'x-emulator-fault': 'fail' });
      }
      const [shot] = minimalBody(validator, VEO).shots;
      await runTask(emulator, VEO, { shots: [{ ...shot, id: 'no', prompt: '@emulator(fail)' }, shot] });
    },

    /** Sends a request to each endpoint while the maximum number of streaming responses is in progress. */
    async exceedStreamLimit(emulator: RunningEmulator): Promise<void> {
      await emulator.faults.add({ at: 'request', effect: { hang: true } });
      const { key } = await createAccount(emulator, 'frozen');
      const controller = new AbortController();
      const [path = ''] = paths;
      const init = { method: 'POST', headers: { authorization: `Bearer ${key}` }, signal: controller.signal };
      const hanging = fetch(emulator.url + path, init).catch(() => {});
      while ((await emulator.faults.list())[0]?.fired === 0);
      for (const one of paths) await post(one, minimalBody(validator, one), key);
      controller.abort();
      await hanging;
    },

    /** Triggers each error code of each endpoint, with the requests of docs/reference/faults.md and some more. */
    async triggerErrors(emulator: RunningEmulator): Promise<void> {
      for (const { path, key, body } of ROWS) {
        await emulator.reset();
        const isForeign = body.includes('GENERATION_OF_ANOTHER_KEY');
        const sent = isForeign ? await createForeignGeneration(path) : JSON.parse(body);
        if (key === 'np_test_limited') for (let n = 0; n < 3; n++) await post(path, sent, key);
        await post(path, sent, key);
      }
      const { key } = await createAccount(emulator, 'auto');
      for (const path of paths) {
        await post(path, { text: 'x'.repeat(5000) }, key);
        await post(path, 'a=b', key, { 'content-type': 'text/plain' });
      }
      // An image in a field that the document does not have.
      await post(VEO, { shots: [{ ...minimalBody(validator, VEO).shots[0], imageBase64: 'aGk=' }] }, key);
      await post(WATERMARK, minimalBody(validator, WATERMARK), 'np_test_empty');
    },
  };
}

/** Statuses for failures before a complete request was read; a proxy answers these itself. */
const CONNECTION_STATUSES = ['408', '417', '431'];

/** Every documented response, in the format of `describeResponse`. */
export function listResponses(document: Json): string[] {
  const listOutcomes = (schema: Json): string[] => {
    if (schema.$ref) return listOutcomes(document.components.schemas[schema.$ref.split('/').at(-1)]);
    if (schema.oneOf) return schema.oneOf.flatMap(listOutcomes);
    if (schema.allOf) return listOutcomes(schema.allOf.at(-1));
    const { status, errorCode } = schema.properties ?? {};
    const outcome = status ?? errorCode;
    return outcome ? (outcome.enum ?? [outcome.const]) : [''];
  };
  return Object.entries<Json>(document.paths).flatMap(([path, { post }]) =>
    Object.entries<Json>(post.responses)
      .filter(([status]) => !CONNECTION_STATUSES.includes(status))
      .flatMap(([status, { content }]) =>
        Object.values<Json>(content)
          .flatMap(({ schema }) => listOutcomes(schema))
          .map((outcome) => `${path} ${status} ${outcome}`),
      ),
  );
}

export const describeResponse = ({ path, status, body }: Exchange) =>
  `${path} ${status} ${body.status ?? body.errorCode ?? ''}`;

/** Every documented request field, and every documented value of it. */
export function listFields(document: Json): string[] {
  const collectFields = ({ properties }: Json, prefix: string): string[] =>
    Object.entries<Json>(properties).flatMap(([name, { enum: values, items }]) => [
      `${prefix} ${name}`,
      ...(values ?? []).map((value: Json) => `${prefix} ${name}: ${value}`),
      ...(items?.properties ? collectFields(items, `${prefix} ${name}`) : []),
    ]);
  return Object.entries<Json>(document.paths).flatMap(([path, { post }]) => collectFields(getBodySchema(post), path));
}

/** Every field and value that was sent, in the format of `listFields`. */
export function listSentFields({ path, sent }: Exchange): string[] {
  const collectFields = (body: Json, prefix: string): string[] =>
    Object.entries<Json>(body).flatMap(([name, value]) => [
      `${prefix} ${name}`,
      ...(Array.isArray(value)
        ? value.filter((one) => typeof one === 'object').flatMap((one) => collectFields(one, `${prefix} ${name}`))
        : [`${prefix} ${name}: ${value}`]),
    ]);
  return collectFields(sent, path);
}
