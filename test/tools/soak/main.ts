import { setTimeout as sleep } from 'node:timers/promises';
import { readFlags, wholeNumber } from '../../support/flags.ts';
import { startServerProcess } from '../../support/server-process.ts';
import { quantileOf } from '../../support/trend.ts';
import { startYardstick } from './baseline.ts';
import { createClient } from './client.ts';
import { createLoad } from './load.ts';
import { growthOf, handlesLeft, type Limits, type Sample, steadinessOf, type Window } from './oracle.ts';

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const CONNECTIONS = 128;
/** Under way at once while the capacity is measured. */
const WIDTH = 64;
/** The journals are full soon, and from then on as large as they will be. */
const SERVER = ['--journal-entries', '100'];
const BURSTS = 3;
const SHARE_OF_CAPACITY = 0.5;
/** On a machine that others work on as well. */
const MOST_MISSED = 0.5;
const LISTENERS = 4;
const CLOSED_WITHIN_MS = 10_000;
/** Timers that the server has now and then, whatever was asked of it. */
const HANDLE_SLACK = 3;

interface Form {
  loadMs: number;
  warmUpMs: number;
  burstMs: number;
  windowMs: number;
  sampleMs: number;
  limits: Limits;
  /** Whether resident memory is judged, or only what is held after a collection: in a minute the former never settles. */
  judgesResident: boolean;
  /** Images to draw before anything is measured. */
  imageBytes: number;
}

const LONG: Omit<Form, 'loadMs'> = {
  ...{
    warmUpMs: 5000,
    burstMs: 10_000,
    windowMs: MINUTE_MS,
    sampleMs: 5000,
    judgesResident: true,
    imageBytes: 66 * MIB,
  },
  limits: { mibPerMinute: 1, p99Factor: 1.5, p99SlackMs: 5, cpuFactor: 1.25 },
};
const SHORT: Form = {
  ...{
    loadMs: 36_000,
    warmUpMs: 3000,
    burstMs: 4000,
    windowMs: 4000,
    sampleMs: 1000,
    judgesResident: false,
    imageBytes: 1,
  },
  // Of what is held after a collection, over half a minute: a leak of 1 kB a deed is more than twice as much.
  limits: { mibPerMinute: 12, p99Factor: 2, p99SlackMs: 20, cpuFactor: 1.6 },
};

const flags = readFlags('test:soak', {
  minutes: {
    read: wholeNumber(3, 1440),
    expects: 'a whole number from 3 to 1440',
    describes: 'of load; 15 when absent',
  },
  seed: {
    read: wholeNumber(0, 2 ** 31 - 1),
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
const form: Form = flags.short ? SHORT : { ...LONG, loadMs: (flags.minutes ?? 15) * MINUTE_MS };

const say = (text: string) => process.stdout.write(`${text}\n`);
const findings: string[] = [];
const quick: number[] = [];
const bare: number[] = [];

const server = await startServerProcess(SERVER);
// What is opened once and kept (the log, what images are drawn with) is no leak.
const first = createClient(server.url, 4);
await warmUp();
await first.close();
await sleep(500);
const base = await server.measure();

const client = createClient(server.url, CONNECTIONS);
const load = await createLoad(client, seed, (ms) => quick.push(ms));
await load.burst(form.warmUpMs, WIDTH);
const bursts: number[] = [];
for (let burst = 0; burst < BURSTS; burst++) bursts.push(await load.burst(form.burstMs / BURSTS, WIDTH));
// What else the machine does takes away from it, and adds nothing.
const capacity = Math.max(...bursts);
const perSecond = Math.max(1, Math.round(capacity * SHARE_OF_CAPACITY));
say(
  `soak: seed ${seed}, ${Math.round(capacity)} deeds a second at most, ${perSecond} from now on for ${form.loadMs / 1000} s`,
);

const stopYardstick = await startYardstick((ms) => bare.push(ms));
const samples: Sample[] = [];
const windows: Window[] = [];
/** What is held after a collection, at the end of each window. */
const holdings: Sample[] = [];
let stopListening = listen();
quick.length = 0;
bare.length = 0;
const began = performance.now();
const sampling = setInterval(() => {
  const residentBytes = server.residentBytes();
  if (residentBytes !== undefined) samples.push({ atMs: performance.now() - began, bytes: residentBytes });
}, form.sampleMs);

for (
  let left = Math.floor(form.loadMs / form.windowMs);
  left > 0 && !server.ended() && load.figures.failures.length < 100;
  left--
) {
  const before = { cpuMs: server.cpuMs() ?? Number.NaN, deeds: doneSoFar() };
  await load.pace(perSecond, form.windowMs);
  const [cpuMs, deeds] = [server.cpuMs() ?? Number.NaN, doneSoFar()];
  const window = {
    p99Ms: quantileOf(quick, 0.99),
    yardstickP99Ms: quantileOf(bare, 0.99),
    cpuMsPerDeed: (cpuMs - before.cpuMs) / (deeds - before.deeds),
  };
  windows.push(window);
  readLog();
  const answers = quick.length;
  quick.length = 0;
  bare.length = 0;
  stopListening();
  stopListening = listen();
  // With nothing under way, so that what is held is what was left by what has been done.
  await load.settle();
  holdings.push({ atMs: performance.now() - began, bytes: await heldBytes() });
  const held = `${(holdings.at(-1)!.bytes / MIB).toFixed(1)} MiB held`;
  const shown = `${((server.residentBytes() ?? 0) / MIB).toFixed(0)} MiB resident`;
  say(
    `${String(Math.round((performance.now() - began) / 1000)).padStart(5)} s: ${answers} quick answers, p99 ${window.p99Ms.toFixed(1)} ms (a bare server's ${window.yardstickP99Ms.toFixed(1)}), ${held}, ${shown}`,
  );
}
clearInterval(sampling);
stopListening();
await load.end();
await stopYardstick();
await client.close();

judge();
const left = await handles();
if (left.length > 0) findings.push(`left when all clients had gone: ${left.join(', ')}`);
if (server.ended()) findings.push(`the server ${server.ended()}`);
if (server.errorOutput())
  findings.push(`something was written to stderr: ${server.errorOutput().slice(0, 3000)}`);
readLog();
await server.stop();

const { done } = load.figures;
say(`\n${[...done].map(([deed, count]) => `${deed} ${count}`).join(', ')}`);
for (const finding of findings) say(`✗ ${finding}`);
say(`soak: seed ${seed}, ${findings.length === 0 ? 'every promise kept' : `${findings.length} findings`}`);
process.exitCode = findings.length > 0 ? 1 : 0;

function judge(): void {
  const { failures } = load.figures;
  for (const failure of failures.slice(0, 10)) findings.push(`${failure}`);
  if (failures.length > 10) findings.push(`${failures.length - 10} more like these`);
  say(`${(missedShare() * 100).toFixed(1)} % of the load was left out, because too much was under way`);
  if (missedShare() > MOST_MISSED)
    findings.push('most of the load was left out: the capacity is not what it was');
  const heldGrowth = growthOf(holdings);
  const resident = samples.length > 2 ? growthOf(samples) : undefined;
  say(
    `held after a collection: ${heldGrowth.toFixed(2)} MiB a minute more; resident: ${resident?.toFixed(2) ?? 'not known here'}`,
  );
  if (heldGrowth > form.limits.mibPerMinute)
    findings.push(`held memory grows by ${heldGrowth.toFixed(2)} MiB a minute`);
  if (form.judgesResident && resident !== undefined && resident > form.limits.mibPerMinute) {
    findings.push(`resident memory grows by ${resident.toFixed(2)} MiB a minute`);
  }
  const { firstMs, lastMs, machine, isSteady, firstCpuMs, lastCpuMs, isAsCheap } = steadinessOf(
    windows,
    form.limits,
  );
  const told = `p99 of the first third of the time ${firstMs.toFixed(1)} ms, of the last ${lastMs.toFixed(1)} ms, the machine ${machine.toFixed(2)} times as slow`;
  say(told);
  if (!isSteady) findings.push(told);
  const cpu = `CPU time for a deed at first ${firstCpuMs.toFixed(2)} ms, at last ${lastCpuMs.toFixed(2)} ms`;
  say(cpu);
  if (!isAsCheap) findings.push(cpu);
}

function doneSoFar(): number {
  return [...load.figures.done.values()].reduce((sum, count) => sum + count, 0);
}

function missedShare(): number {
  const { missed } = load.figures;
  return missed / (missed + doneSoFar());
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
  return memory.heapUsed + (form.judgesResident ? memory.external : 0);
}

/** Some that read, and one that does not. */
function listen(): () => void {
  const stops = Array.from({ length: LISTENERS }, (_, place) => client.listen(place > 0));
  return () => {
    for (const stop of stops) stop();
  };
}

/** Draws as many images as are kept, where memory is judged by all of it: until then it grows by right. */
async function warmUp(): Promise<void> {
  const key = 'warm-up';
  await first.ask('POST', '/__admin/accounts', {
    body: { key, credits: 1_000_000, rateLimit: null, clock: 'auto' },
  });
  let drawnBytes = 0;
  const draw = async () => {
    do drawnBytes += await drawn(key);
    while (drawnBytes < form.imageBytes);
  };
  await Promise.all([draw(), draw()]);
  await first.ask('DELETE', `/__admin/accounts/${key}`);
}

async function drawn(key: string): Promise<number> {
  const body = { prompt: 'A red bicycle', mode: 'generate', aspectRatio: '16:9', imageQuality: '4K' };
  const { json } = await first.ask('POST', '/api/nano-banana-2/generate', { key, body });
  for (;;) {
    const poll = { generationId: json.generationId };
    const told = await first.ask('POST', '/api/nano-banana-2/check-status', { key, body: poll });
    if (told.status !== 200) throw new Error(`a poll answered ${told.status}`);
    if (told.json.imageUrl) return (await first.ask('GET', new URL(told.json.imageUrl).pathname)).bytes;
  }
}

/** Descriptors and whatever keeps an event loop going, when the clients have been gone for a while. */
async function handles(): Promise<string[]> {
  const until = performance.now() + CLOSED_WITHIN_MS;
  for (;;) {
    await sleep(300);
    const after = await server.measure();
    const more = (after.descriptors ?? 0) - (base.descriptors ?? 0);
    const left = [
      ...(more > 0 ? [`${more} descriptors`] : []),
      ...handlesLeft(base.resources, after.resources, HANDLE_SLACK),
    ];
    if (left.length === 0 || performance.now() > until) return left;
  }
}
