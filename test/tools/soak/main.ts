import { setTimeout as sleep } from 'node:timers/promises';
import { integerBetween, readFlags } from '../../support/flags.ts';
import { startServerProcess } from '../../support/server-process.ts';
import { computeQuantile } from '../../support/trend.ts';
import { startBaseline } from './baseline.ts';
import { createClient } from './client.ts';
import { createLoad } from './load.ts';
import {
  computeGrowth,
  computeSteadiness,
  findLeakedHandles,
  type Limits,
  type Sample,
  type Window,
} from './oracle.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const CONNECTIONS = 128;
/** Operations in flight while the capacity is measured. */
const BURST_CONCURRENCY = 64;
/** A small journal reaches its maximum size early. */
const SERVER_FLAGS = ['--journal-entries', '100'];
const BURSTS = 3;
const SHARE_OF_CAPACITY = 0.5;
/** Allows for other load on the machine. */
const MAX_MISSED_SHARE = 0.5;
const LISTENERS = 4;
const CLOSE_TIMEOUT_MS = 10_000;
/** Timers that the server uses intermittently, regardless of the load. */
const HANDLE_SLACK = 3;

interface SoakProfile {
  loadMs: number;
  warmUpMs: number;
  burstMs: number;
  windowMs: number;
  sampleMs: number;
  limits: Limits;
  /** Whether to check resident memory, too: in a run of a minute it does not settle. */
  checksResident: boolean;
  /** Total size of the images to render before the measurements begin. */
  imageBytes: number;
}

const LONG_PROFILE: Omit<SoakProfile, 'loadMs'> = {
  ...{
    warmUpMs: 5000,
    burstMs: 10_000,
    windowMs: MINUTE_MS,
    sampleMs: 5000,
    checksResident: true,
    imageBytes: 34 * MIB,
  },
  limits: { mibPerMinute: 1, p99Factor: 1.5, p99SlackMs: 5, cpuFactor: 1.25 },
};
const SHORT_PROFILE: SoakProfile = {
  ...{
    loadMs: 36_000,
    warmUpMs: 3000,
    burstMs: 4000,
    windowMs: 4000,
    sampleMs: 1000,
    checksResident: false,
    imageBytes: 1,
  },
  // Heap after a garbage collection, over half a minute: a leak of 1 kB per operation would be more than twice the
  // limit.
  limits: { mibPerMinute: 12, p99Factor: 2, p99SlackMs: 20, cpuFactor: 1.6 },
};

const flags = readFlags('test:soak', {
  minutes: {
    read: integerBetween(3, 1440),
    expects: 'a whole number from 3 to 1440',
    describes: 'duration of the load; default 15',
  },
  seed: {
    read: integerBetween(0, 2 ** 31 - 1),
    expects: 'a whole number from 0 to 2147483647',
    describes: 'decides which operations run in which order',
  },
  short: { describes: 'less than a minute in total' },
});
const { seed = Math.floor(Math.random() * 2 ** 31) } = flags;
if (flags.short && flags.minutes !== undefined) {
  process.stderr.write('test:soak: --short and --minutes exclude each other; leave one out.\n');
  process.exit(2);
}
const profile: SoakProfile = flags.short
  ? SHORT_PROFILE
  : { ...LONG_PROFILE, loadMs: (flags.minutes ?? 15) * MINUTE_MS };

const print = (text: string) => process.stdout.write(`${text}\n`);
const findings: string[] = [];
const quickLatencies: number[] = [];
const baselineLatencies: number[] = [];

const server = await startServerProcess(SERVER_FLAGS);
// Handles that are opened once and kept (log, image renderer) do not count as leaks.
const warmUpClient = createClient(server.url, 4);
await warmUp();
await warmUpClient.close();
await sleep(500);
const baseline = await server.measure();

const client = createClient(server.url, CONNECTIONS);
const load = await createLoad(client, seed, (ms) => quickLatencies.push(ms));
await load.burst(profile.warmUpMs, BURST_CONCURRENCY);
const bursts: number[] = [];
for (let burst = 0; burst < BURSTS; burst++) bursts.push(await load.burst(profile.burstMs / BURSTS, BURST_CONCURRENCY));
// Other load on the machine can only lower the result, so the best burst is the most accurate.
const capacity = Math.max(...bursts);
const perSecond = Math.max(1, Math.round(capacity * SHARE_OF_CAPACITY));
print(
  `soak: seed ${seed}, capacity ${Math.round(capacity)} operations/s, ` +
    `running ${perSecond}/s for ${profile.loadMs / 1000} s`,
);

const stopBaseline = await startBaseline((ms) => baselineLatencies.push(ms));
const samples: Sample[] = [];
const windows: Window[] = [];
/** Memory after a garbage collection, at the end of each window. */
const heapSamples: Sample[] = [];
let stopListening = listen();
quickLatencies.length = 0;
baselineLatencies.length = 0;
const startedMs = performance.now();
const sampling = setInterval(() => {
  const residentBytes = server.residentBytes();
  if (residentBytes !== undefined) samples.push({ atMs: performance.now() - startedMs, bytes: residentBytes });
}, profile.sampleMs);

for (
  let left = Math.floor(profile.loadMs / profile.windowMs);
  left > 0 && !server.ended() && load.stats.failures.length < 100;
  left--
) {
  const before = { cpuMs: server.cpuMs() ?? Number.NaN, operations: countDone() };
  await load.pace(perSecond, profile.windowMs);
  const [cpuMs, operations] = [server.cpuMs() ?? Number.NaN, countDone()];
  const window = {
    p99Ms: computeQuantile(quickLatencies, 0.99),
    baselineP99Ms: computeQuantile(baselineLatencies, 0.99),
    cpuMsPerOperation: (cpuMs - before.cpuMs) / (operations - before.operations),
  };
  windows.push(window);
  readLog();
  const responseCount = quickLatencies.length;
  quickLatencies.length = 0;
  baselineLatencies.length = 0;
  stopListening();
  stopListening = listen();
  // Measured with nothing in flight, so that only what was retained counts.
  await load.waitUntilIdle();
  heapSamples.push({ atMs: performance.now() - startedMs, bytes: await heldBytes() });
  const heldText = `${(heapSamples.at(-1)!.bytes / MIB).toFixed(1)} MiB after GC`;
  const residentText = `${((server.residentBytes() ?? 0) / MIB).toFixed(0)} MiB resident`;
  const secondsText = String(Math.round((performance.now() - startedMs) / 1000)).padStart(5);
  print(
    `${secondsText} s: ${responseCount} quick responses, p99 ${window.p99Ms.toFixed(1)} ms ` +
      `(baseline server ${window.baselineP99Ms.toFixed(1)}), ${heldText}, ${residentText}`,
  );
}
clearInterval(sampling);
stopListening();
await load.end();
await stopBaseline();
await client.close();

evaluate();
const leaked = await waitForLeakedHandles();
if (leaked.length > 0) findings.push(`still open after all clients disconnected: ${leaked.join(', ')}`);
if (server.ended()) findings.push(`the server ${server.ended()}`);
if (server.errorOutput()) findings.push(`something was written to stderr: ${server.errorOutput().slice(0, 3000)}`);
readLog();
await server.stop();

const { done } = load.stats;
print(`\n${[...done].map(([operation, count]) => `${operation} ${count}`).join(', ')}`);
for (const finding of findings) print(`✗ ${finding}`);
print(`soak: seed ${seed}, ${findings.length === 0 ? 'no findings' : `${findings.length} findings`}`);
process.exitCode = findings.length > 0 ? 1 : 0;

function evaluate(): void {
  const { failures } = load.stats;
  for (const failure of failures.slice(0, 10)) findings.push(`${failure}`);
  if (failures.length > 10) findings.push(`${failures.length - 10} more failures`);
  print(`${(getMissedShare() * 100).toFixed(1)} % of the operations were skipped because too many were in flight`);
  if (getMissedShare() > MAX_MISSED_SHARE) findings.push('most operations were skipped: the capacity has dropped');
  const heldGrowth = computeGrowth(heapSamples);
  const resident = samples.length > 2 ? computeGrowth(samples) : undefined;
  const residentText = resident?.toFixed(2) ?? 'unknown on this platform';
  print(`memory growth: ${heldGrowth.toFixed(2)} MiB per minute after GC; resident: ${residentText}`);
  if (heldGrowth > profile.limits.mibPerMinute)
    findings.push(`memory after GC grows by ${heldGrowth.toFixed(2)} MiB per minute`);
  if (profile.checksResident && resident !== undefined && resident > profile.limits.mibPerMinute) {
    findings.push(`resident memory grows by ${resident.toFixed(2)} MiB per minute`);
  }
  const { firstMs, lastMs, machineFactor, isSteady, firstCpuMs, lastCpuMs, isCpuSteady } = computeSteadiness(
    windows,
    profile.limits,
  );
  const latencySummary =
    `p99 ${firstMs.toFixed(1)} ms in the first third, ${lastMs.toFixed(1)} ms in the last; ` +
    `the machine is ${machineFactor.toFixed(2)} times as slow`;
  print(latencySummary);
  if (!isSteady) findings.push(latencySummary);
  const cpuSummary = `CPU time per operation: ${firstCpuMs.toFixed(2)} ms at first, ${lastCpuMs.toFixed(2)} at the end`;
  print(cpuSummary);
  if (!isCpuSteady) findings.push(cpuSummary);
}

function countDone(): number {
  return [...load.stats.done.values()].reduce((sum, count) => sum + count, 0);
}

function getMissedShare(): number {
  const { missed } = load.stats;
  return missed / (missed + countDone());
}

/** Empties the captured log each time: over a quarter of an hour it would grow to hundreds of megabytes. */
function readLog(): void {
  for (const line of server.takeLog()) {
    // The last line may be incomplete.
    if (/^\{"level":[56]0,/.test(line)) findings.push(`an error was logged: ${line.slice(0, 2000)}`);
  }
}

async function heldBytes(): Promise<number> {
  const { memory } = await server.measure();
  return memory.heapUsed + (profile.checksResident ? memory.external : 0);
}

/** Several listeners, one of which does not read. */
function listen(): () => void {
  const stopListeners = Array.from({ length: LISTENERS }, (_, index) => client.listen(index > 0));
  return () => {
    for (const stop of stopListeners) stop();
  };
}

/** Fills the image cache before all memory is measured, because it grows until it is full. */
async function warmUp(): Promise<void> {
  const key = 'warm-up';
  await warmUpClient.request('POST', '/__admin/accounts', {
    body: { key, credits: 1_000_000, rateLimit: null, clock: 'auto' },
  });
  let drawnBytes = 0;
  const drawUntilFull = async () => {
    do drawnBytes += await drawImage(key);
    while (drawnBytes < profile.imageBytes);
  };
  await Promise.all([drawUntilFull(), drawUntilFull()]);
  await warmUpClient.request('DELETE', `/__admin/accounts/${key}`);
}

async function drawImage(key: string): Promise<number> {
  const body = { prompt: 'A red bicycle', mode: 'generate', aspectRatio: '16:9', imageQuality: '4K' };
  const { json } = await warmUpClient.request('POST', '/api/nano-banana-2/generate', { key, body });
  for (;;) {
    const poll = { generationId: json.generationId };
    const response = await warmUpClient.request('POST', '/api/nano-banana-2/check-status', {
      key,
      body: poll,
    });
    if (response.status !== 200) throw new Error(`a poll returned ${response.status}`);
    if (response.json.imageUrl)
      return (await warmUpClient.request('GET', new URL(response.json.imageUrl).pathname)).bytes;
  }
}

/** Descriptors and active handles that remain a while after all clients disconnected. */
async function waitForLeakedHandles(): Promise<string[]> {
  const deadline = performance.now() + CLOSE_TIMEOUT_MS;
  for (;;) {
    await sleep(300);
    const after = await server.measure();
    const newDescriptors = (after.descriptors ?? 0) - (baseline.descriptors ?? 0);
    const leaked = [
      ...(newDescriptors > 0 ? [`${newDescriptors} descriptors`] : []),
      ...findLeakedHandles(baseline.resources, after.resources, HANDLE_SLACK),
    ];
    if (leaked.length === 0 || performance.now() > deadline) return leaked;
  }
}
