import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createContractValidator } from '../src/conformance/contract-validator.ts';
import { type Json, toFileSchema } from '../src/openapi/json-schema.ts';
import { readSamples } from '../src/openapi/wire-samples.ts';
import { FILE_SCHEMAS } from '../src/server/seed-file.ts';
import { DRIVEN_ENDPOINTS } from '../test/clients/driven-endpoints.ts';
import { countEvidence, describeEvidence, EVIDENCE_HEADER, listFacts, toCode, toEvidenceRows } from './evidence.ts';
import { createFaultRequests, createShortBody, isFree, withDirective } from './fault-requests.ts';

// Writes the JSON Schemas of files, and the parts of the docs that follow from the OpenAPI document, the wire samples
// and the tests, each between `<!-- generated: NAME -->` and `<!-- /generated -->`. With --check it writes nothing and
// fails if one is out of date.

const ROOT = new URL('..', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, ROOT), 'utf8');

const document: Json = JSON.parse(read('docs/openapi.json'));
const validator = createContractValidator(document);
/** Every operation with its path. */
const operations = Object.entries<Json>(document.paths).map(([path, { post }]) => ({ path, operation: post }));

/** An entry of `x-prices`. */
interface Price {
  when: Record<string, string | boolean>;
  credits: number;
}

const toTable = (header: string[], rows: string[][]): string => {
  const [head, ...body] = [header, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [head, `|${'---|'.repeat(header.length)}`, ...body].join('\n');
};

function endpointTable(): string {
  const rows = operations.map(({ path, operation }) => [toCode(path), formatRange(operation), operation.summary]);
  return toTable(['endpoint', 'credits', 'what it does'], rows);
}

function formatRange({ 'x-prices': prices }: Json): string {
  const amounts = ((prices?.list ?? []) as Price[]).map(({ credits }) => credits);
  const [min, max] = [Math.min(...amounts), Math.max(...amounts)];
  if (amounts.length === 0) return '0';
  const unit = prices.per === 'request' ? '' : ` per ${prices.per}`;
  return (min === max ? `${min}` : `${min}–${max}`) + unit;
}

/** A row for each combination of options, with the credits for each value of the last option. */
function priceTable(): string {
  const rows = operations.flatMap(({ path, operation }) => {
    const { list = [], per, 'x-source': provenance } = operation['x-prices'] ?? {};
    const rowsByOptions = new Map<string, { lastField: string; credits: string[] }>();
    for (const { when, credits } of list as Price[]) {
      const options = Object.entries(when);
      const [lastField, lastValue] = options.pop() ?? [];
      const key = options.map(([field, value]) => `${toCode(field)} ${toCode(value)}`).join(', ');
      const row = rowsByOptions.get(key) ?? { lastField: lastField ? `${toCode(lastField)} ` : '', credits: [] };
      row.credits.push(lastField ? `${toCode(lastValue)}: ${credits}` : `${credits}`);
      rowsByOptions.set(key, row);
    }
    return [...rowsByOptions].map(([options, { lastField, credits }]) => [
      ...[toCode(path), options, lastField + credits.join(', '), per, provenance],
    ]);
  });
  return toTable(['endpoint', 'options', 'credits', 'per', 'provenance'], rows);
}

/** Names grouped by provenance: the most common provenance without names, then the exceptions with theirs. */
function groupByProvenance(entries: { name: string; provenance: string }[]): string {
  const groups = new Map<string, string[]>();
  for (const { name, provenance } of entries) groups.set(provenance, [...(groups.get(provenance) ?? []), name]);
  const [[usual] = [''], ...exceptions] = [...groups].sort(([, one], [, other]) => other.length - one.length);
  return [usual, ...exceptions.map(([provenance, names]) => `${provenance}: ${names.join(', ')}`)].join('; ');
}

function provenanceTable(): string {
  const rows = operations.map(({ path }) => {
    const { existence, requestFields, responseBodies, errorCodes } = listFacts(document, path);
    return [toCode(path), ...[existence, requestFields, responseBodies, errorCodes].map(groupByProvenance)];
  });
  return toTable(['endpoint', 'existence', 'request fields', 'successful responses', 'error codes'], rows);
}

const countAllEvidence = () =>
  countEvidence(document, readSamples(fileURLToPath(new URL('fixtures/wire', ROOT))), DRIVEN_ENDPOINTS);

function faultTables(): string {
  const requests = createFaultRequests(document);
  return operations
    .map(({ path }) => {
      const rows = requests
        .get(path)!
        .map(({ code: name, status, key, body }) => [toCode(name), `${status}`, key ? toCode(key) : '', toCode(body)]);
      return `### ${toCode(path)}\n\n${toTable(['code', 'status', 'key', 'body'], rows)}`;
    })
    .join('\n\n');
}

function failedTaskTable(): string {
  const rows = operations.flatMap(({ path, operation }) => {
    const examples = document.paths[path.replace('/generate', '/check-status')]?.post.responses[200].content;
    const failed = Object.values<Json>(examples?.['application/json']?.examples ?? {}).find(
      ({ value }) => value.status === 'failed',
    );
    if (!failed || isFree(operation)) return [];
    const submitted = JSON.stringify(withDirective(operation, createShortBody(validator, path), 'fail'));
    const polled = JSON.stringify(failed.value).replace(/"(task|gen)_\w+"/g, '"$1_…"');
    return [[toCode(path), toCode(submitted), toCode(polled)]];
  });
  return toTable(['submitted to', 'body', 'the last poll, at `check-status` of the same API'], rows);
}

const TABLES: Record<string, Record<string, () => string>> = {
  'README.md': { evidence: () => describeEvidence(countAllEvidence()) },
  'docs/reference/api.md': { endpoints: endpointTable, prices: priceTable },
  'docs/reference/fidelity.md': {
    evidence: () => toTable(EVIDENCE_HEADER, toEvidenceRows(countAllEvidence())),
    provenance: provenanceTable,
  },
  'docs/reference/faults.md': { 'error codes': faultTables, 'failed tasks': failedTaskTable },
};

function withTables(text: string, tables: Record<string, () => string>): string {
  return Object.entries(tables).reduce((page, [name, createTable]) => {
    const [start, end] = [`<!-- generated: ${name} -->`, '<!-- /generated -->'];
    const from = page.indexOf(start) + start.length;
    const to = page.indexOf(end, from);
    if (from < start.length || to < 0) throw new Error(`a page has no place for the table "${name}": write ${start}`);
    return `${page.slice(0, from)}\n${createTable()}\n${page.slice(to)}`;
  }, text);
}

const formatSchema = (schema: Parameters<typeof toFileSchema>[0]) =>
  `${JSON.stringify(toFileSchema(schema), null, 2)}\n`;

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
const generatedFiles = {
  'docs/account-state.schema.json': () => formatSchema(FILE_SCHEMAS.state),
  'docs/seed-file.schema.json': () => formatSchema(FILE_SCHEMAS.seedFile),
  ...Object.fromEntries(
    Object.entries(TABLES).map(([file, tables]) => [file, () => withTables(read(file), tables)] as const),
  ),
};
for (const [file, generate] of Object.entries(generatedFiles)) {
  const text = existsSync(new URL(file, ROOT)) ? read(file) : '';
  const generated = generate();
  if (generated === text) continue;
  if (values.check) {
    console.error(`${file} is out of date: run \`npm run openapi && npm run docs\` and commit the result.`);
    process.exitCode = 1;
  } else {
    writeFileSync(new URL(file, ROOT), generated);
  }
}
