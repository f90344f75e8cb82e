// Compares the emulator with a bare Fastify server: throughput, latency, start and memory. `npm run bench` builds the
// emulator first. Writes bench.json and bench.md to docs. Exits with 1, and writes nothing, when a response
// was wrong.
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { readOptions } from './options.mjs';
import { toMarkdown, toTables } from './report/report.mjs';
import { measureBurst } from './sections/burst.mjs';
import { measureForwarding } from './sections/forwarding.mjs';
import { measureGrowth } from './sections/growth.mjs';
import { measureJournal } from './sections/journal.mjs';
import { measureMinute, measureRetained } from './sections/memory.mjs';
import { measurePeers } from './sections/peers.mjs';
import { measureLibrary, measureStarts } from './sections/starts.mjs';
import { measureState } from './sections/state.mjs';
import { measureStreams } from './sections/streams.mjs';
import { measureLoads } from './sections/throughput.mjs';
import { measureUploads } from './sections/uploads.mjs';
import { here, startFixedRate, startLoadTool, tempDir, tempIsMemory } from './support/process-runner.mjs';
import { SEED } from './support/tasks.mjs';

const { settings, sections, outDir, beside, command } = readOptions();
const seedFile = join(tempDir, 'seed.json');
/** Time limits in minutes. */
const MAX_MINUTES = { load: 8, growth: 20, peers: 20 };
const DEFAULT_MAX_MINUTES = 5;

try {
  await main();
} catch (error) {
  fail(error);
}
process.exit();

function fail(error) {
  process.stderr.write(`The benchmark failed: ${error.message}\n`);
  process.exit(1);
}

async function main() {
  writeFileSync(seedFile, JSON.stringify(SEED));
  const run = {
    emulator: [here('../dist/main.js'), '--port=0', `--seed-file=${seedFile}`],
    bare: [here('servers/bare.mjs')],
    settings,
    sections,
    log,
    fire: startLoadTool(),
    fixedRate: startFixedRate(),
  };
  const raw = {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: { model: cpus()[0]?.model.trim() ?? 'unknown', count: availableParallelism() },
    loadAverageBefore: loadavg()[0],
    command,
    settings: { ...settings, logLevel: 'info', dataDirOn: tempIsMemory ? 'tmpfs' : 'disk' },
  };
  const { emulator, bare } = run;
  const startedMs = performance.now();
  await measure('start', () => measureStarts({ emulator, bare }, run));
  await measure('library', () => measureLibrary(run));
  await measure('load', () => measureLoads(run), ['poll32', 'poll256', 'generate32', 'video32']);
  await measure('journal', () => measureJournal(run));
  await measure('burst', () => measureBurst(run));
  await measure('streams', () => measureStreams(run));
  await measure('uploads', () => measureUploads(run));
  await measure('forwarding', () => measureForwarding(run));
  await measure('state', () => measureState(run));
  await measure('minute', () => measureMinute(run));
  await measure('retained', () => measureRetained(run));
  await measure('growth', () => measureGrowth(run));
  await measure('peers', () => measurePeers(run));
  raw.minutes = Math.round((performance.now() - startedMs) / 6000) / 10;

  const tables = toTables(raw, beside);
  process.stdout.write(`\n${tables}`);
  if (outDir === undefined) return;
  mkdirSync(outDir, { recursive: true });
  writeFileSync(join(outDir, 'bench.json'), `${JSON.stringify(raw, null, 2)}\n`);
  writeFileSync(join(outDir, 'bench.md'), toMarkdown(raw, tables, beside));

  /** Sections that were not requested leave nothing in the report. */
  async function measure(part, work, of = [part]) {
    if (!of.some((name) => sections.has(name))) return;
    const minutes = MAX_MINUTES[part] ?? DEFAULT_MAX_MINUTES;
    const limit = setTimeout(() => fail(new Error(`${part} timed out`)), minutes * 60_000);
    const partStartedMs = performance.now();
    raw[part] = await work();
    clearTimeout(limit);
    log(`${part} took ${((performance.now() - partStartedMs) / 1000).toFixed(0)} s`);
  }
}

/** Progress goes to stderr, so that stdout has only the result. */
function log(text) {
  process.stderr.write(`${text}\n`);
}
