import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type RunningEmulator, startEmulator } from '../../src/index.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { startPrism, type Violation } from '../support/prism.ts';
import {
  createProxiedRun,
  describeResponse,
  type Exchange,
  listFields,
  listResponses,
  listSentFields,
} from '../support/proxied-run.ts';
import { type RelayedResponse, startRelay } from '../support/relay.ts';
import { lastingTempDir } from '../support/temp-dir.ts';

/** In the order in which they are closed. */
const closing: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
});

let document: Json;
let emulator: RunningEmulator;
let relay: Awaited<ReturnType<typeof startRelay>>;
let run: ReturnType<typeof createProxiedRun>;
let exchanges: Exchange[];

beforeAll(async () => {
  const dir = lastingTempDir();
  // A free endpoint cannot respond with 402.
  const seedFile = join(dir, 'seed.json');
  writeFileSync(seedFile, JSON.stringify({ prices: { 'sora-watermark': 5 } }));
  emulator = await startEmulator({ seedFile, bodyLimitBytes: 4096 });
  const other = await startEmulator({ failedTaskStatus: 500 });
  const full = await startEmulator({ streamLimit: 1 });
  closing.push(
    () => emulator.close(),
    () => other.close(),
    () => full.close(),
  );

  document = await (await fetch(`${emulator.url}/openapi.json`)).json();
  const file = join(dir, 'openapi.json');
  writeFileSync(file, JSON.stringify(document));
  relay = await startRelay(emulator.url);
  const prism = await startPrism(['proxy', file, relay.url]);
  closing.unshift(prism.stop, relay.close);

  run = createProxiedRun(prism.url, document);
  await run.triggerErrors(emulator);
  await run.succeed(emulator);
  await run.fail(emulator);
  relay.target = other.url;
  await run.fail(other);
  relay.target = full.url;
  await run.exceedStreamLimit(full);
  relay.target = emulator.url;
  exchanges = [...run.exchanges];
  // Several hundred requests over three hops.
}, 90_000);

const of = (side: 'request' | 'response', { violations }: Exchange) =>
  violations.filter(({ location }: Violation) => location[0] === side);

describe('Prism proxy between a client and the emulator', () => {
  it('sees every response of the document', () => {
    const seen = new Set(exchanges.map(describeResponse));
    expect(listResponses(document).filter((one) => !seen.has(one))).toEqual([]);
  });

  it('sees every request field with each of its enum values accepted', () => {
    const seen = new Set(exchanges.filter(({ status }) => status === 200).flatMap(listSentFields));
    expect(listFields(document).filter((one) => !seen.has(one))).toEqual([]);
  });

  it('reports no violation in any response', () => {
    expect(exchanges.filter((one) => of('response', one).length > 0)).toEqual([]);
  });

  it('reports no violation in any accepted request', () => {
    const isAccepted = ({ status }: Exchange) => status === 200;
    expect(exchanges.filter((one) => isAccepted(one) && one.violations.length > 0)).toEqual([]);
  });

  it('reports violations in requests that are rejected for their body', () => {
    const unnoticed = exchanges.filter((one) => one.status === 400 && one.violations.length === 0);
    expect([...new Set(unnoticed.map(({ body }) => body.errorCode))].sort()).toEqual([
      // The kind of a link and the content of a file are not in the schema.
      'FILE_TOO_LARGE',
      // An image in a field that the document does not have.
      'IMAGE_URLS_REQUIRED',
      'INVALID_FORMAT',
      'INVALID_VIDEO_URL',
      'INVALID_YOUTUBE_URL',
      'VIDEO_DOWNLOAD_FAILED',
    ]);
  });

  const body = (change: (body: Json) => Json) => (answer: RelayedResponse) => ({
    ...answer,
    text: JSON.stringify(change(JSON.parse(answer.text))),
  });

  it.each<[string, string, (answer: RelayedResponse) => RelayedResponse]>([
    ['a field with another name', 'completed', body(({ videoUrl, ...rest }) => ({ ...rest, url: videoUrl }))],
    ['an additional field', 'completed', body((completed) => ({ ...completed, model: 'sora2' }))],
    ['a number as a string', 'completed', body((completed) => ({ ...completed, generationTime: '120' }))],
    ['an unknown state', 'completed', body((completed) => ({ ...completed, status: 'done' }))],
    ['an unknown code', 'refused', body((completed) => ({ ...completed, errorCode: 'NO_SUCH_TASK' }))],
    ['a missing code', 'refused', body(({ errorCode: _, ...rest }) => rest)],
    ['an unknown status', 'refused', (answer) => ({ ...answer, status: 410 })],
    [
      'a limit that is not a number',
      'refused',
      (answer) => ({ ...answer, headers: { ...answer.headers, 'x-ratelimit-limit': 'many' } }),
    ],
    ['an HTML page', 'refused', (answer) => ({ ...answer, headers: { 'content-type': 'text/html' } })],
  ])('reports %s', async (_, poll, spoil) => {
    const key = 'np_test_auto';
    const { body: order } = await run.post('/api/sora-2/generate', { prompt: 'a cat', mode: 'textToVideo' }, key);
    const taskId = poll === 'completed' ? order.taskId : 'task_none';
    relay.transform = spoil;
    onTestFinished(() => {
      relay.transform = (answer) => answer;
    });
    const exchange = await run.post('/api/sora-2/check-status', { taskId }, key);
    expect(of('response', exchange)).not.toEqual([]);
    expect(of('request', exchange)).toEqual([]);
  });
});
