import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  extractIds,
  type Ids,
  normalizeToSample,
  substituteValues,
} from '../../src/conformance/recordings/sample-matching.ts';
import { EmulatorError } from '../../src/core/errors.ts';
import { getTextPatterns, readSamples } from '../../src/openapi/wire-samples.ts';
import { FIXTURES_DIR } from '../../src/paths.ts';
import { type TestEmulator, useTestEmulator } from '../support/emulator.ts';

const WIRE_DIR = join(FIXTURES_DIR, 'wire');
const families = readdirSync(WIRE_DIR);
const videoOf4s = () => readFileSync(join(FIXTURES_DIR, 'videos/480x848-4s.mp4'));

describe.each(families)('samples of %s', (family) => {
  const samples = readSamples(join(WIRE_DIR, family)).map((sample, index) => ({ ...sample, key: `np_wire_${index}` }));
  const shared = useTestEmulator();

  it.each(samples)('$name', async ({ key, given = {}, request, response }) => {
    const emulator = shared.emulator();
    const account = emulator.createAccount(key, {
      credits: given.credits ?? 1000,
      clock: { mode: 'frozen' },
    });
    for (let n = 0; n < (given.requestsBefore ?? 0); n++) await emulator.post(request.path, request.body, key);
    const owner = given.submittedBy && emulator.createAccount(given.submittedBy, { clock: { mode: 'frozen' } }).key;
    const ids = given.submitted ? await submit(emulator, given.submitted, owner ?? key) : new Map();
    for (let n = 0; n < (given.changes ?? 0); n++) emulator.core.timeline.advanceToNext(account.id);
    if (given.ended === 'completed') emulator.core.timeline.advance(account.id, 86_400_000);
    if (given.ended === 'failed') emulator.core.tasks.fail(account.id, ids.get('task_abc123')!, 'GENERATION_FAILED');
    if (given.refusal) injectRejection(emulator, given.refusal);

    const answer = await emulator.send(request.method ?? 'POST', request.path, {
      key,
      body: request.text ?? substituteValues(request.body, ids, videoOf4s),
    });

    expect(answer.status).toBe(response.status);
    expect(answer.headers['content-type']).toBe(response.contentType ?? 'application/json; charset=utf-8');
    // Compared as text, because the order of keys counts.
    if (response.body) expect(normalizeToSample(answer.text, response.body)).toBe(JSON.stringify(response.body));
    for (const pattern of getTextPatterns(response)) expect(answer.text).toMatch(new RegExp(pattern));
    for (const [url, extension] of answer.text.matchAll(/http:[^"]+\.(mp4|jpg)/g)) {
      const { status, headers } = await emulator.get(new URL(url).pathname);
      expect([status, headers['content-type']]).toEqual([200, { mp4: 'video/mp4', jpg: 'image/jpeg' }[extension!]]);
    }
  });
});

async function submit(
  emulator: TestEmulator,
  { path, body }: { path: string; body: unknown },
  key: string,
): Promise<Ids> {
  return extractIds((await emulator.post(path, body, key)).text);
}

function injectRejection({ core }: TestEmulator, code: string): void {
  vi.spyOn(core.tasks, 'submitSynchronous').mockImplementationOnce(() => {
    throw new EmulatorError(code, 'injected by the test');
  });
}
