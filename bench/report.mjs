// The whole report as Markdown: what was measured in this run, and nothing else.
import { CHART_NAME } from './chart.mjs';
import { median, percent, spread } from './stats.mjs';
import { growthTables } from './tables-growth.mjs';
import { costTable, hasWaited, idleNote, journalTable, loadTable } from './tables-load.mjs';
import { burstTable, restTable, streamTable } from './tables-other.mjs';
import { peerTable } from './tables-peers.mjs';

/** Windows on the bare server that lie further apart than this share of their median. */
const NOISY = 0.3;

const TABLES = [loadTable, costTable, journalTable, streamTable, burstTable, restTable, growthTables, peerTable];

export function toTables(raw) {
  const tables = TABLES.map((tableOf) => tableOf(raw)).filter(Boolean);
  return [...tables, ...idleNote(raw), `${noise(raw)}\n`].join('\n');
}

/** How far apart the same server under the same load was from round to round: no figure can be closer than that. */
function noise(raw) {
  const compared = [...Object.entries(raw.load ?? {}), ...rounds(raw.peers, 'beside peers, ')];
  const spreads = compared
    .filter(([, { rounds }]) => rounds.length > 1)
    .map(([name, { rounds }]) => [name, spread(rounds.map(({ bare }) => bare.perSecond))]);
  const load = `The load average before the run was ${raw.loadAverageBefore.toFixed(2)}.`;
  if (spreads.length === 0) return load;
  const most = Math.max(...spreads.map(([, share]) => share));
  const told = spreads.map(([name, share]) => `${name} ${percent(share)}`).join(', ');
  const judgement =
    most > NOISY || hasWaited(raw)
      ? 'This run is noisy: trust the ratios more than the absolute numbers, and neither to the second digit.'
      : 'This run is quiet enough.';
  return `${load} The windows on the bare server, from the fastest to the slowest, lie so far apart: ${told} of their
median. ${judgement}`;
}

function rounds(part, prefix) {
  return Object.entries(part ?? {})
    .filter(([, figures]) => figures.rounds)
    .map(([name, figures]) => [prefix + name, figures]);
}

export function toMarkdown(raw, tables, chart) {
  const { date, node, platform, cpu, settings, command, minutes } = raw;
  const texts = [about, aboutVideo, aboutStreams, aboutBurst, aboutUploads, aboutLibrary, aboutMinute];
  const told = [...texts, aboutGrowth, aboutPeers].map((tell) => tell(raw)).filter(Boolean);
  const quick = settings.quick
    ? '\nThis was a quick look: short windows, few rounds. Its figures are worth little.\n'
    : '';
  const picture = chart ? `![Requests per second beside bare Fastify](${CHART_NAME})\n\n` : '';
  return `# Benchmark

Measured on ${date.slice(0, 10)} with Node.js ${node} on ${platform}, ${cpu.count} × ${cpu.model}. Reproduce it with
\`${command}\`; it took ${minutes.toFixed(0)} minutes.
${quick}
${picture}${tables}
${told.join('\n\n')}

Figures are medians of ${settings.rounds} rounds where nothing else is said; memory and what is told as "most" are the most of all. A
ratio is the median of the rounds' own ratios, so it need not be the quotient of the two medians. Targets are those of the
project's plan. The raw figures are in [bench.json](bench.json).
`;
}

function about({ settings }) {
  const dataDirOn = settings.dataDirOn === 'tmpfs' ? 'tmpfs, which is no disk' : 'a disk';
  return `"Bare" is a Fastify server with the same routes that answers constant JSON, without authentication, validation, limits
or logging. The emulator is \`node dist/main.js --port 0\` at its default settings: log level ${settings.logLevel}, its stdout going to a file,
a journal of every request, everything in memory where the row does not say otherwise; data directories were on ${dataDirOn}.
Its account has a rate limit that is never reached, so the limiter runs for every request; the polled task is running. The load
comes from autocannon in a process of its own, over loopback, after a warm-up; each window of ${settings.windowSeconds} s lies beside one on the
bare server. Every answer must have a status of success; the first 200 bodies of a window and each 50th after them are read and
must say what they should; no two generates may tell of the same task, and as many must be paid for as were answered. Starts: ${settings.startRounds} rounds.`;
}

function aboutVideo({ load }) {
  if (!load?.video32) return undefined;
  return `The video is the one of a completed SeeDance 1.5 Pro task (720p, landscape, 8 s, with sound). What is "bare" in its rows
is a Fastify server with @fastify/static and nothing else, which serves the fixture that the video is made of; every
answer must have its length.`;
}

function aboutStreams({ streams }) {
  if (!streams) return undefined;
  const { count, speed, openSeconds, windowSeconds } = streams;
  const longest = Math.round(median(streams.rounds.map(({ pieces }) => pieces)) / count);
  return `The streams are those of ${count} prompts, asked for within ${openSeconds} s on as many connections from an account whose speed
is ${speed}; each is planned to take ${12 / speed} to ${24 / speed} s and has about ${longest} pieces. A piece's moment is its place in the text on the time that the
control plane tells of its task, counted from when the client sent the request. Polls "beside" are fired for ${windowSeconds} s as fast as
they are answered while all streams are open, those "without" for as long before or after.`;
}

function aboutBurst({ burst }) {
  if (!burst) return undefined;
  return `The images are those of ${burst.images} Nano Banana Pro tasks, each with a prompt of its own, that nobody has asked for before: all
are requested at once, on as many connections, from a server that has drawn nothing yet. The polls of a running task go on at
their rate however late the answers are; "before" are ${burst.quietSeconds} s of them without images. Afterwards every image must be a
JPEG of 4K, and no two the same. Rounds: ${burst.rounds.length}.`;
}

function aboutUploads({ uploads }) {
  if (!uploads) return undefined;
  const megabytes = (uploads.bodyBytes / 1e6).toFixed(0);
  return `The uploads go to reverse-prompt: a real video that is padded to ${uploads.fileBytes / 1024 / 1024} MiB, ${megabytes} MB as JSON. The account's clock stands still, so
the text is not spread over time and what is measured is receiving, decoding and reading the file, from the first byte that
is sent to the last of the answer, which must tell the video's length.`;
}

function aboutLibrary({ library }) {
  if (!library) return undefined;
  return `\`startEmulator\` was called ${library.startMs.length} times, one emulator after the other, each asked for a video before it was closed, in a
process that had started ${library.warmUps} before.`;
}

function aboutMinute({ minute }) {
  if (!minute) return undefined;
  return `The load of ${minute.seconds} s is 32 connections that order a video with every tenth request, whose tasks end meanwhile as at the
default speed, and poll with the others.`;
}

function aboutGrowth({ growth }) {
  if (!growth) return undefined;
  const { accounts, tasks, entries, bytes, seconds } = growth.filled;
  return `For growth two emulators run side by side, each on a data directory, one of them with ${tasks.toLocaleString('en')} finished tasks of
${accounts.toLocaleString('en')} accounts and ${entries.toLocaleString('en')} ledger entries (${(bytes / 1e6).toFixed(0)} MB, written in ${seconds.toFixed(0)} s): copies, under ids of their
own, of tasks that the emulator made. The emulator found the ledgers of 25 of these accounts sound.
Rounds: ${growth.poll32.rounds.length}, and ${growth.start.full.length} of the start.`;
}

function aboutPeers({ peers }) {
  if (!peers) return undefined;
  return `The peers were installed by npm for this run, at the version told, and run at their default settings; each answers the same two
requests under the same load in the same rounds. They do not do the same: no other one keeps tasks, credits, limits and
time. Their starts are told to the first answer, for all in the same way: a request is tried every 5 ms.`;
}
