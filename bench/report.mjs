// The complete report as Markdown; contains only what was measured in this run.
import { CHART_NAME } from './chart.mjs';
import { median, percent, spread } from './stats.mjs';
import { growthTables } from './tables-growth.mjs';
import { costTable, hasWaited, idleNote, journalTable, loadTable } from './tables-load.mjs';
import { burstTable, restTable, streamTable } from './tables-other.mjs';
import { peerTable } from './tables-peers.mjs';

/** A run is noisy when the windows on the bare server spread by more than this share of their median. */
const NOISY = 0.3;

const TABLES = [loadTable, costTable, journalTable, streamTable, burstTable, restTable, growthTables, peerTable];

export function toTables(raw) {
  const tables = TABLES.map((tableOf) => tableOf(raw)).filter(Boolean);
  return [...tables, ...idleNote(raw), `${noise(raw)}\n`].join('\n');
}

/** Spread of the same server under the same load from round to round, which limits the precision of every figure. */
function noise(raw) {
  const compared = [...Object.entries(raw.load ?? {}), ...rounds(raw.peers, 'peers ')];
  const spreads = compared
    .filter(([, { rounds }]) => rounds.length > 1)
    .map(([name, { rounds }]) => [name, spread(rounds.map(({ bare }) => bare.perSecond))]);
  const load = `The load average before the run was ${raw.loadAverageBefore.toFixed(2)}.`;
  if (spreads.length === 0) return load;
  const max = Math.max(...spreads.map(([, share]) => share));
  const list = spreads.map(([name, share]) => `${name} ${percent(share)}`).join(', ');
  const judgement =
    max > NOISY || hasWaited(raw)
      ? 'This run is noisy: trust the ratios more than the absolute numbers, and neither to the second digit.'
      : 'This run is quiet enough.';
  return `${load} Spread of the windows on the bare server (fastest minus slowest, relative to the median):
${list}. ${judgement}`;
}

function rounds(part, prefix) {
  return Object.entries(part ?? {})
    .filter(([, figures]) => figures.rounds)
    .map(([name, figures]) => [prefix + name, figures]);
}

export function toMarkdown(raw, tables, chart) {
  const { date, node, platform, cpu, settings, command, minutes } = raw;
  const texts = [about, aboutVideo, aboutStreams, aboutBurst, aboutUploads, aboutLibrary, aboutMinute];
  const descriptions = [...texts, aboutGrowth, aboutPeers].map((describe) => describe(raw)).filter(Boolean);
  const quick = settings.quick
    ? '\nThis was a quick run with short windows and few rounds. Its figures mean little.\n'
    : '';
  const picture = chart ? `![Requests per second compared with bare Fastify](${CHART_NAME})\n\n` : '';
  return `# Benchmark

Measured on ${date.slice(0, 10)} with Node.js ${node} on ${platform}, ${cpu.count} × ${cpu.model}. Reproduce it with
\`${command}\`; it took ${minutes.toFixed(0)} minutes.
${quick}
${picture}${tables}
${descriptions.join('\n\n')}

Unless stated otherwise, figures are medians of ${settings.rounds} rounds; memory and values marked "max" are maxima.
A ratio is the median of the rounds' own ratios, so it may differ from the quotient of the two medians. Targets are
those of the project's plan. The raw figures are in [bench.json](bench.json).
`;
}

function about({ settings }) {
  const dataDirOn = settings.dataDirOn === 'tmpfs' ? 'tmpfs rather than a disk' : 'a disk';
  return `"Bare" is a Fastify server with the same routes that returns constant JSON, without authentication,
validation, limits or logging. The emulator is \`node dist/main.js --port 0\` at its default settings: log level
${settings.logLevel}, stdout redirected to a file, a journal of every request, and everything in memory unless the row
says otherwise. Data directories were on ${dataDirOn}. The account's rate limit is never reached, but the rate limiter
runs for every request. The polled task is running.

The load comes from autocannon in its own process, over loopback, after a warm-up. Each window of
${settings.windowSeconds} s is paired with one on the bare server. Every response must be 2xx. The first 200 bodies of
a window and every 50th after that are checked for the expected values. No two generate requests may return the same
task, and as many tasks must be paid for as requests succeeded. Starts: ${settings.startRounds} rounds.`;
}

function aboutVideo({ load }) {
  if (!load?.video32) return undefined;
  return `The video is the result of a completed SeeDance 1.5 Pro task (720p, landscape, 8 s, with sound). In its rows,
"bare" is a Fastify server with @fastify/static and nothing else, which serves the fixture that the video is made from.
Every response must have the right length.`;
}

function aboutStreams({ streams }) {
  if (!streams) return undefined;
  const { count, speed, openSeconds, windowSeconds } = streams;
  const chunks = Math.round(median(streams.rounds.map(({ chunks }) => chunks)) / count);
  return `The streams answer ${count} prompts, requested within ${openSeconds} s on as many connections by an account
whose speed is ${speed}. Each is planned to take ${12 / speed} to ${24 / speed} s and has about ${chunks} chunks. A
chunk is due in proportion to its position in the text, within the duration that the control plane reports for the
task, counted from when the client sent the request. The polls "with" streams run for ${windowSeconds} s at full speed
while all streams are open, those "without" for as long before or after.`;
}

function aboutBurst({ burst }) {
  if (!burst) return undefined;
  return `The images belong to ${burst.images} Nano Banana Pro tasks with different prompts, none of which has been
fetched before. All are requested at once, on as many connections, from a server that has not rendered anything yet.
The polls of a running task continue at their rate, however late the responses are; "before" is ${burst.quietSeconds} s
of polls without images. Afterwards every image must be a 4K JPEG, and all must be distinct.
There were ${burst.rounds.length} rounds.`;
}

function aboutUploads({ uploads }) {
  if (!uploads) return undefined;
  const megabytes = (uploads.bodyBytes / 1e6).toFixed(0);
  return `The uploads go to reverse-prompt: a real video padded to ${uploads.fileBytes / 1024 / 1024} MiB, which is
${megabytes} MB as JSON. The account's clock is frozen, so that the text is not paced. The time covers receiving,
decoding and reading the file, from the first byte sent to the last byte of the response, which must mention the video's
length.`;
}

function aboutLibrary({ library }) {
  if (!library) return undefined;
  return `\`startEmulator\` was called ${library.startMs.length} times, one emulator after another, in a process that
had started ${library.warmUps} before. Each emulator created a video task before it was closed.`;
}

function aboutMinute({ minute }) {
  if (!minute) return undefined;
  return `The load of ${minute.seconds} s comes from 32 connections. Every tenth request orders a video, whose task
ends meanwhile as at the default speed; the others are polls.`;
}

function aboutGrowth({ growth }) {
  if (!growth) return undefined;
  const { accounts, tasks, entries, bytes, seconds } = growth.filled;
  return `For growth, two emulators run side by side, each on a data directory. One has ${tasks.toLocaleString('en')}
finished tasks of ${accounts.toLocaleString('en')} accounts and ${entries.toLocaleString('en')} ledger entries
(${(bytes / 1e6).toFixed(0)} MB, written in ${seconds.toFixed(0)} s). They are copies, with their own ids, of tasks
that the emulator created. The emulator verified the ledgers of 25 of these accounts. There
were ${growth.poll32.rounds.length} rounds of load and ${growth.start.full.length} of the start.`;
}

function aboutPeers({ peers }) {
  if (!peers) return undefined;
  return `The peers were installed by npm for this run, at the versions shown, and run at their default settings. Each
receives the same two requests under the same load in the same rounds. Their features differ: only the emulator keeps
tasks, credits, limits and time. For all of them, the start ends with the first response; requests are sent
every 5 ms.`;
}
