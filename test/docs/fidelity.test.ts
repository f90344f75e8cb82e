import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countEvidence, describeEvidence, EVIDENCE_HEADER, listFacts, toEvidenceRows } from '../../scripts/evidence.ts';
import { getProperties } from '../../src/conformance/contract-validator.ts';
import type { Json } from '../../src/openapi/json-schema.ts';
import { readSamples } from '../../src/openapi/wire-samples.ts';
import { tempDir } from '../support/temp-dir.ts';

const loadDocument = (): Json => JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8'));

const GENERATE = '/api/sora-2/generate';
const IMAGE_STATUS = '/api/nano-banana-2/check-status';
const ENDPOINT_COUNT = Object.keys(loadDocument().paths).length;
const TOTAL = `all ${ENDPOINT_COUNT}`;
const UNDRIVEN = { vendorPrograms: [], ownClient: [] };

/** Changes the provenance of a part of the document. */
const assume = (part: Json) => {
  part['x-source'] = 'assumed';
};

/** A counted fact, how to change its provenance, and the differences in documented, observed and assumed facts. */
const FACTS: [fact: string, path: string, change: (operation: Json, document: Json) => void, difference: number[]][] = [
  ['existence of the endpoint', GENERATE, assume, [-1, 0, 1]],
  ['request field', GENERATE, (operation) => assume(getProperties(operation).prompt), [-1, 0, 1]],
  [
    ...(['default with a provenance of its own', GENERATE] as const),
    (operation) => {
      delete getProperties(operation).videoDuration['x-default-source'];
    },
    [0, 0, -1],
  ],
  ['response body', GENERATE, (operation) => assume(operation.responses[200]), [-1, 0, 1]],
  [
    ...(['response body with a provenance of its own', IMAGE_STATUS] as const),
    (_, document) => {
      delete document.components.schemas.FailedImage['x-source'];
    },
    [1, 0, -1],
  ],
  ['error code', GENERATE, (operation) => assume(operation.responses[400]['x-error-codes'][0]), [-1, 0, 1]],
  ['price', GENERATE, (operation) => assume(operation['x-prices']), [-6, 0, 6]],
];

/** Writes samples of a response of `GENERATE` to files, and reads them as `npm run docs` does. */
function plantSamples(...samples: { source: string; recordedAt?: string }[]) {
  const dir = tempDir();
  mkdirSync(join(dir, 'sora-2'));
  samples.forEach((sample, index) => {
    const response = { status: 200, body: { success: true } };
    const content = { name: 'accepted', provenance: 'documented', ...sample, request: { path: GENERATE }, response };
    writeFileSync(join(dir, 'sora-2', `generate-${index}.json`), JSON.stringify(content));
  });
  return readSamples(dir);
}

/** The cells of a column of the table by endpoint. */
function getColumn(name: string, evidence: ReturnType<typeof countEvidence>) {
  const column = EVIDENCE_HEADER.indexOf(name);
  return Object.fromEntries(toEvidenceRows(evidence).map((cells) => [cells[0], cells[column]]));
}

describe('evidence for each endpoint', () => {
  it.each(FACTS)('counts by provenance: %s', (_, path, change, difference) => {
    const count = (document: Json) => countEvidence(document, [], UNDRIVEN).find((one) => one.path === path)!.facts;
    const document = loadDocument();
    const { documented, observed, assumed } = count(document);
    change(document.paths[path].post, document);
    const changed = count(document);
    expect([changed.documented - documented, changed.observed - observed, changed.assumed - assumed]).toEqual(
      difference,
    );
  });

  it('counts only facts with a known provenance', () => {
    const document = loadDocument();
    const facts = Object.keys(document.paths).flatMap((path) => Object.values(listFacts(document, path)).flat());
    expect(facts.length).toBeGreaterThan(200);
    expect(new Set(facts.map(({ provenance }) => provenance))).toEqual(new Set(['documented', 'observed', 'assumed']));
  });

  it('has a dash for each endpoint without a recorded response', () => {
    const samples = plantSamples(
      { source: 'Sora 2 Video Generation API' },
      { source: 'Recorded from http://127.0.0.1:6266', recordedAt: '2026-01-31T12:00:00.000Z' },
      { source: 'Recorded from https://nanophoto.ai.example', recordedAt: '2026-01-31T12:00:00.000Z' },
    );
    const evidence = countEvidence(loadDocument(), samples, UNDRIVEN);
    const { [TOTAL]: total, ...cells } = getColumn('recorded on', evidence);
    expect(total).toBe(`0 of ${ENDPOINT_COUNT}`);
    expect(new Set(Object.values(cells))).toEqual(new Set(['–']));
    expect(describeEvidence(evidence)).toContain('No response of the real service is recorded yet.');
  });

  it('has the dates of recorded responses of the real service', () => {
    const source = 'Recorded from https://nanophoto.ai';
    const samples = plantSamples(
      { source, recordedAt: '2026-02-01T00:00:00.000Z' },
      { source, recordedAt: '2026-01-31T23:59:59.999Z' },
      { source, recordedAt: '2026-01-31T12:00:00.000Z' },
    );
    const evidence = countEvidence(loadDocument(), samples, UNDRIVEN);
    expect(getColumn('recorded on', evidence)).toMatchObject({
      [`\`${GENERATE}\``]: '2026-01-31 (2), 2026-02-01 (1)',
      [`\`${IMAGE_STATUS}\``]: '–',
      [TOTAL]: `1 of ${ENDPOINT_COUNT}`,
    });
    expect(describeEvidence(evidence)).toContain('recorded from the real service, the last on 2026-02-01.');
  });

  it('has the clients that drive each endpoint', () => {
    const driven = { vendorPrograms: [GENERATE], ownClient: [GENERATE, IMAGE_STATUS] };
    const evidence = countEvidence(loadDocument(), [], driven);
    expect(getColumn('driven by', evidence)).toMatchObject({
      [`\`${GENERATE}\``]: "the vendor's program, our client",
      [`\`${IMAGE_STATUS}\``]: 'our client',
      '`/api/veo-3/generate`': '–',
      [TOTAL]: `2 of ${ENDPOINT_COUNT}`,
    });
    expect(describeEvidence(evidence)).toMatch(/clients use 2 of the \d+ endpoints .* unchanged, use 1 of them/);
  });
});
