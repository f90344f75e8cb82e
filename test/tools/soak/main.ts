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
/** Under way at once while the capacity is measured. */
const BURST_CONCURRENCY = 64;
/** The journals are full soon, and from then on as large as they will be. */
const SERVER_FLAGS = ['--journal-entries', '100'];
const BURSTS = 3;
const SHARE_OF_CAPACITY = 0.5;
/** On a machine that others work on as well. */
const MAX_MISSED_SHARE = 0.5;
const LISTENERS = 4;
const CLOSE_TIMEOUT_MS = 10_000;
/** Timers that the server has now and then, whatever was asked of it. */
const HANDLE_SLACK = 3;

interface SoakProfile {
  loadMs: number;
  warmUpMs: number;
  burstMs: number;
  windowMs: number;
  sampleMs: number;
  limits: Limits;
  /** Whether resident memory is judged, or only what is held after a collection: in a minute the former never settles. */
  checksResident: boolean;
  /** Images to draw before anything is measured. */
  imageBytes: number;
}

const LONG_PROFILE: Omit<SoakProfile, 'loadMs'> = {
  ...{
    warmUpMs: 5000,
    burstMs: 10_000,
    windowMs: MINUTE_MS,
    sampleMs: 5000,
    checksResident: true,
    imageBytes: 66 * MIB,
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
  // Of what is held after a collection, over half a minute: a leak of 1 kB a deed is more than twice as much.
  limits: { mibPerMinute: 12, p99Factor: 2, p99SlackMs: 20, cpuFactor: 1.6 },
};

const flags = readFlags('test:soak', {
  minutes: {
    read: integerBetween(3, 1440),
    expects: 'a whole number from 3 to 1440',
    describes: 'of load; 15 when absent',
  },
  seed: {
    read: integerBetween(0, 2 ** 31 - 1),
    expects: 'a whole number from 0 to 2147483647',
    describes: 'decides what is asked in which order',
  },
  short: { describes: 'under a minute in all' },
});
const { seed = Math.floor(Math.random() * 2 ** 31) } = flags;
if (flags.short && flags.minutes !== undefined) {
  process.stderr.write('test:soak: --short has its own length; leave out --minutes.\n');
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
// What is opened once and kept (the log, what images are drawn with) is no leak.
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
// What else the machine does takes away from it, and adds nothing.
const capacity = Math.max(...bursts);
const perSecond = Math.max(1, Math.round(capacity * SHARE_OF_CAPACITY));
print(
  `soak: seed ${seed}, ${Math.round(capacity)} deeds a second at most, ${perSecond} from now on for ${profile.loadMs / 1000} s`,
);

const stopBaseline = await startBaseline((ms) => baselineLatencies.push(ms));
const samples: Sample[] = [];
const windows: Window[] = [];
/** What is held after a collection, at the end of each window. */
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
  const before = { cpuMs: server.cpuMs() ?? Number.NaN, deeds: countDone() };
  await load.pace(perSecond, profile.windowMs);
  const [cpuMs, operations] = [server.cpuMs() ?? Number.NaN, countDone()];
  const window = {
    p99Ms: computeQuantile(quickLatencies, 0.99),
    yardstickP99Ms: computeQuantile(baselineLatencies, 0.99),
    cpuMsPerDeed: (cpuMs - before.cpuMs) / (operations - before.deeds),
  };
  windows.push(window);
  readLog();
  const responseCount = quickLatencies.length;
  quickLatencies.length = 0;
  baselineLatencies.length = 0;
  stopListening();
  stopListening = listen();
  // With nothing under way, so that what is held is what was left by what has been done.
  await load.waitUntilIdle();
  heapSamples.push({ atMs: performance.now() - startedMs, bytes: await heldBytes() });
  const heldText = `${(heapSamples.at(-1)!.bytes / MIB).toFixed(1)} MiB held`;
  const residentText = `${((server.residentBytes() ?? 0) / MIB).toFixed(0)} MiB resident`;
  print(
    `${String(Math.round((performance.now() - startedMs) / 1000)).padStart(5)} s: ${responseCount} quick answers, p99 ${window.p99Ms.toFixed(1)} ms (a bare server's ${window.yardstickP99Ms.toFixed(1)}), ${heldText}, ${residentText}`,
  );
}
clearInterval(sampling);
stopListening();
await load.end();
await stopBaseline();
await client.close();

evaluate();
const leaked = await waitForLeakedHandles();
if (leaked.length > 0) findings.push(`left when all clients had gone: ${leaked.join(', ')}`);
if (server.ended()) findings.push(`the server ${server.ended()}`);
if (server.errorOutput()) findings.push(`something was written to stderr: ${server.errorOutput().slice(0, 3000)}`);
readLog();
await server.stop();

const { done } = load.stats;
print(`\n${[...done].map(([operation, count]) => `${operation} ${count}`).join(', ')}`);
for (const finding of findings) print(`✗ ${finding}`);
print(`soak: seed ${seed}, ${findings.length === 0 ? 'every promise kept' : `${findings.length} findings`}`);
process.exitCode = findings.length > 0 ? 1 : 0;

function evaluate(): void {
  const { failures } = load.stats;
  for (const failure of failures.slice(0, 10)) findings.push(`${failure}`);
  if (failures.length > 10) findings.push(`${failures.length - 10} more like these`);
  print(`${(getMissedShare() * 100).toFixed(1)} % of the load was left out, because too much was under way`);
  if (getMissedShare() > MAX_MISSED_SHARE)
    findings.push('most of the load was left out: the capacity is not what it was');
  const heldGrowth = computeGrowth(heapSamples);
  const resident = samples.length > 2 ? computeGrowth(samples) : undefined;
  print(
    `held after a collection: ${heldGrowth.toFixed(2)} MiB a minute more; resident: ${resident?.toFixed(2) ?? 'not known here'}`,
  );
  if (heldGrowth > profile.limits.mibPerMinute)
    findings.push(`held memory grows by ${heldGrowth.toFixed(2)} MiB a minute`);
  if (profile.checksResident && resident !== undefined && resident > profile.limits.mibPerMinute) {
    findings.push(`resident memory grows by ${resident.toFixed(2)} MiB a minute`);
  }
  const { firstMs, lastMs, machineFactor, isSteady, firstCpuMs, lastCpuMs, isCpuSteady } = computeSteadiness(
    windows,
    profile.limits,
  );
  const latencySummary = `p99 of the first third of the time ${firstMs.toFixed(1)} ms, of the last ${lastMs.toFixed(1)} ms, the machine ${machineFactor.toFixed(2)} times as slow`;
  print(latencySummary);
  if (!isSteady) findings.push(latencySummary);
  const cpuSummary = `CPU time for a deed at first ${firstCpuMs.toFixed(2)} ms, at last ${lastCpuMs.toFixed(2)} ms`;
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

/** Emptied each time: in a quarter of an hour it would be hundreds of megabytes. */
function readLog(): void {
  for (const line of server.takeLog()) {
    // The last one may be half a line.
    if (/^\{"level":[56]0,/.test(line)) findings.push(`the log has an error: ${line.slice(0, 2000)}`);
  }
}

async function heldBytes(): Promise<number> {
  const { memory } = await server.measure();
  return memory.heapUsed + (profile.checksResident ? memory.external : 0);
}

/** Some that read, and one that does not. */
function listen(): () => void {
  const stopListeners = Array.from({ length: LISTENERS }, (_, index) => client.listen(index > 0));
  return () => {
    for (const stop of stopListeners) stop();
  };
}

/** Draws as many images as are kept, where memory is judged by all of it: until then it grows by right. */
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
    if (response.status !== 200) throw new Error(`a poll answered ${response.status}`);
    if (response.json.imageUrl)
      return (await warmUpClient.request('GET', new URL(response.json.imageUrl).pathname)).bytes;
  }
}

/** Descriptors and whatever keeps an event loop going, when the clients have been gone for a while. */
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
