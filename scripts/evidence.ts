import { getBodySchema, getProperties } from '../src/conformance/contract-validator.ts';
import type { Provenance } from '../src/http/pipeline/route-docs.ts';
import type { Json } from '../src/openapi/json-schema.ts';
import type { WireSample } from '../src/openapi/wire-samples.ts';
import { VENDOR_HOST } from '../src/proxy/vendor-hosts.ts';
import { listCodes } from './fault-requests.ts';

const PROVENANCES: readonly Provenance[] = ['documented', 'observed', 'assumed'];

/** A fact about an endpoint. */
interface Fact {
  /** Its name in the tables, such as the field or the error code. */
  name: string;
  provenance: Provenance;
}

/** Lists the facts about an endpoint. */
export function listFacts(document: Json, path: string) {
  const operation = document.paths[path].post;
  const { then } = getBodySchema(operation);
  const fields = Object.entries(getProperties(operation)).flatMap(([field, property]): Fact[] => [
    { name: toCode(field), provenance: property['x-source'] },
    ...(property['x-default-source']
      ? [{ name: `default of ${toCode(field)}`, provenance: property['x-default-source'] }]
      : []),
  ]);
  const conditional = ((then?.['x-source'] && then.required) ?? []).map(
    (field: string): Fact => ({ name: `when ${toCode(field)} is required`, provenance: then['x-source'] }),
  );
  const { 'x-source': responseProvenance, content } = operation.responses[200];
  const [{ schema }] = Object.values<Json>(content) as [Json];
  const bodies = ((schema.oneOf ?? [schema]) as Json[]).map(({ $ref }): Fact => {
    const name = $ref?.split('/').at(-1);
    const ownProvenance = document.components.schemas[name]?.['x-source'];
    return { name: toCode(name ?? 'text'), provenance: ownProvenance ?? responseProvenance };
  });
  const { list: prices = [], 'x-source': priceProvenance } = operation['x-prices'] ?? {};
  return {
    existence: [{ name: toCode(path), provenance: operation['x-source'] }] as Fact[],
    requestFields: [...fields, ...conditional] as Fact[],
    responseBodies: bodies,
    errorCodes: listCodes(operation).map(({ code, provenance }) => ({ name: toCode(code), provenance })) as Fact[],
    prices: (prices as Json[]).map(({ when }): Fact => ({ name: toCode(when), provenance: priceProvenance })),
  };
}

export const toCode = (value: unknown) => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

/** The names in the table of the clients that the tests run. */
const CLIENT_NAMES = { vendorPrograms: "the vendor's program", ownClient: 'our client' };
type Client = keyof typeof CLIENT_NAMES;

export interface Evidence {
  path: string;
  facts: Record<Provenance, number>;
  /** The dates of all recorded responses of the real service, in ascending order. */
  recordedOn: string[];
  clients: Client[];
}

/**
 * Counts the evidence for each endpoint.
 *
 * @param drivenEndpoints The endpoints that each client drives.
 */
export function countEvidence(
  document: Json,
  samples: readonly WireSample[],
  drivenEndpoints: Readonly<Record<Client, readonly string[]>>,
): Evidence[] {
  const recordings = samples.filter(isFromRealService);
  return Object.keys(document.paths).map((path) => {
    const facts = { documented: 0, observed: 0, assumed: 0 };
    for (const { provenance } of Object.values(listFacts(document, path)).flat()) facts[provenance] += 1;
    const recordedOn = recordings
      .filter(({ request }) => request.path === path)
      .map(({ recordedAt }) => recordedAt!.slice(0, 10))
      .sort();
    const clients = (Object.keys(CLIENT_NAMES) as Client[]).filter((one) => drivenEndpoints[one].includes(path));
    return { path, facts, recordedOn, clients };
  });
}

/** Whether a sample is a recording of the real service, not of an emulator or another server. */
const isFromRealService = ({ recordedAt, source }: WireSample) =>
  recordedAt !== undefined && /^Recorded from (https:\/\/[^/\s]+)/.exec(source)?.[1] === `https://${VENDOR_HOST}`;

export const EVIDENCE_HEADER = ['endpoint', ...PROVENANCES, 'recorded on', 'driven by'];

export function toEvidenceRows(evidence: readonly Evidence[]): string[][] {
  const rows = evidence.map(({ path, facts, recordedOn, clients }) => [
    toCode(path),
    ...PROVENANCES.map((provenance) => `${facts[provenance]}`),
    countByDate(recordedOn) || '–',
    clients.map((client) => CLIENT_NAMES[client]).join(', ') || '–',
  ]);
  const { total, facts, recorded, driven } = sumUp(evidence);
  const sums = PROVENANCES.map((provenance) => `${facts[provenance]}`);
  return [...rows, [`all ${total}`, ...sums, `${recorded} of ${total}`, `${driven} of ${total}`]];
}

function countByDate(dates: readonly string[]): string {
  const distinct = [...new Set(dates)];
  return distinct.map((date) => `${date} (${dates.filter((one) => one === date).length})`).join(', ');
}

/** Summarizes the evidence for the README. */
export function describeEvidence(evidence: readonly Evidence[]): string {
  const { total, facts, recorded, driven, drivenByVendor, lastDate } = sumUp(evidence);
  const { documented, observed, assumed } = facts;
  const recordings =
    recorded === 0
      ? 'No response of the real service is recorded yet.'
      : `Responses of ${recorded === 1 ? 'one endpoint' : `${recorded} endpoints`} are recorded from the real service, the last on ${lastDate}.`;
  return [
    `Of ${documented + observed + assumed} [facts about the ${total} endpoints]` +
      '(docs/reference/fidelity.md#evidence-for-each-endpoint), such as fields, error codes and prices,',
    `${documented} are documented by the vendor, ${observed} observed in public clients and ${assumed} assumed. ${recordings}`,
    `In the tests, clients use ${driven === total ? `all ${total}` : `${driven} of the ${total}`} endpoints from request to ` +
      `result; the vendor's own sample programs, unchanged, use ${drivenByVendor} of them.`,
  ].join('\n');
}

function sumUp(evidence: readonly Evidence[]) {
  const facts = { documented: 0, observed: 0, assumed: 0 };
  for (const one of evidence) for (const provenance of PROVENANCES) facts[provenance] += one.facts[provenance];
  return {
    total: evidence.length,
    facts,
    recorded: evidence.filter(({ recordedOn }) => recordedOn.length > 0).length,
    lastDate: evidence
      .flatMap(({ recordedOn }) => recordedOn)
      .sort()
      .at(-1),
    driven: evidence.filter(({ clients }) => clients.length > 0).length,
    drivenByVendor: evidence.filter(({ clients }) => clients.includes('vendorPrograms')).length,
  };
}
