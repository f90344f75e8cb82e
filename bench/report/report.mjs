// The complete report as Markdown; contains only what was measured in this run.
import {
  burstTable,
  forwardingTable,
  growthTable,
  journalTable,
  loadTables,
  peerTable,
  restTable,
  stateTable,
  streamTable,
} from './details.mjs';
import { median, percent, rate, spread } from './stats.mjs';
import { summaryTable } from './summary.mjs';

/** A run is noisy when the windows on the bare server spread by more than this share of their median. */
const NOISY = 0.3;
/** Share of a core that a server uses under continuous load. */
const BUSY = 0.9;

const DETAILS = [
  loadTables,
  journalTable,
  peerTable,
  streamTable,
  burstTable,
  forwardingTable,
  stateTable,
  growthTable,
  restTable,
];

export function toTables(raw, beside) {
  const details = DETAILS.flatMap((tablesOf) => tablesOf(raw));
  return [summaryTable(raw, beside), `${noise(raw)}\n`, ...details].join('\n');
}

/** Spread of the same server under the same load from round to round, which limits the precision of every figure. */
function noise({ loadAverageBefore, load = {}, peers = {} }) {
  const before = `The load average before the run was ${loadAverageBefore.toFixed(2)}.`;
  const compared = [...Object.values(load), peers.poll32, peers.generate32].filter(Boolean);
  if (compared.length === 0) return before;
  const max = Math.max(...compared.map(({ rounds }) => spread(rounds.map(({ bare }) => bare.perSecond))));
  const busy = Object.values(load).flatMap(({ rounds }) => rounds.map(({ bare }) => bare.serverBusy));
  const judgement =
    max > NOISY || median(busy) < BUSY
      ? 'This run is noisy: trust the ratios more than the absolute numbers, and neither to the second digit.'
      : 'This run is quiet enough.';
  return `${before} The rounds of the bare server differ by up to ${percent(max)}. ${judgement}`;
}

export function toMarkdown(raw, tables, beside) {
  const { date, node, platform, cpu, settings, command, minutes } = raw;
  const loads = [
    about,
    aboutLoad,
    aboutJournal,
    aboutPeers,
    aboutStreams,
    aboutBurst,
    aboutUploads,
    aboutForwarding,
    aboutState,
  ];
  const descriptions = [...loads, aboutLibrary, aboutMemory, aboutGrowth]
    .map((describe) => describe(raw))
    .filter(Boolean);
  const quick = settings.quick
    ? '\nThis was a quick run with short windows and less load than the labels say. Its figures mean little.\n'
    : '';
  return `# Benchmark

Measured on ${date.slice(0, 10)} with Node.js ${node} on ${platform}, ${cpu.count} × ${cpu.model}. Reproduce it with
\`${command}\`; it took ${minutes.toFixed(0)} minutes.
${aboutBeside(beside)}${quick}
${tables}
${descriptions.join('\n\n')}

Unless stated otherwise, figures are medians of ${settings.rounds} rounds; memory is resident memory, and values marked
"max" are maxima. A ratio is the median of the rounds' own ratios, so it may differ from the quotient of the two medians.
Targets are those of the project's plan. The raw figures are in [bench.json](bench.json).
`;
}

function aboutBeside(beside) {
  if (!beside) return '';
  return `The last column of the first table is from another run, of ${beside.date.slice(0, 10)}, with Node.js ${beside.node}.\n`;
}

function about({ settings }) {
  const dataDirOn = settings.dataDirOn === 'tmpfs' ? 'tmpfs rather than a disk' : 'a disk';
  return `"Bare Fastify" has the same routes and returns constant JSON, without authentication, validation, limits or
logging. "Bare SQLite" is the same server, except that it writes the rows of a task (the task and its hold, with the
emulator's columns, indexes and pragmas) with better-sqlite3 before it responds. All requests of an event-loop turn share
a transaction. It has no triggers, checks or foreign keys, and reads nothing. The emulator is
\`node dist/main.js --port 0\` at its default settings: log level ${settings.logLevel}, stdout redirected to a file, a
journal of every request, and everything in memory unless the row says "on disk". Data directories were on ${dataDirOn}.
The account's rate limit is never reached, but the rate limiter runs for every request. Tasks that are polled or created
have not ended yet, and cannot be evicted. So that all of them fit, the emulators that serve polls and generate requests
in memory have a memory budget of 1 GiB instead of the default. So has that of the minute of load, where the polled tasks
must not be evicted.`;
}

function aboutLoad({ settings }) {
  return `The load comes from its own process, over loopback, after a warm-up, in windows of ${settings.windowSeconds} s per
server and round. In the tables without a rate, autocannon sends the next request of a connection when it has the
response to the last one; a latency counts from when the request was sent. At a fixed rate, requests are sent when they
are due, however late earlier responses are, and a latency counts from when the request was due: a server that stalls is
charged for every request that it holds back. The rate is half of what the slowest of the emulators and bare Fastify
served in this run; there are ${settings.fixedRounds} rounds. Every response must be 2xx. The first 200 bodies of a window and
every 50th after that are checked for the expected values. No two generate requests may return the same task, and as
many tasks must be paid for as requests succeeded. Starts: ${settings.startRounds} rounds.

The video is the result of a completed SeeDance 1.5 Pro task (720p, landscape, 8 s, with sound); @fastify/static serves
the fixture that it is made from.`;
}

function aboutJournal({ journal, settings }) {
  if (!journal) return undefined;
  const { rounds, windowSeconds } = settings.journal;
  return `For the CPU time of the journal, an emulator with a journal and one without serve 32 connections in turns, in
${rounds} rounds of windows of ${windowSeconds} s.`;
}

function aboutStreams({ streams }) {
  if (!streams) return undefined;
  const { count, speed, openSeconds, windowSeconds } = streams;
  const chunks = Math.round(median(streams.rounds.map(({ chunks }) => chunks)) / count);
  return `The streams answer ${rate(count)} prompts, requested within ${openSeconds} s on as many connections by an account
whose speed is ${speed}. Each is planned to take ${12 / speed} to ${24 / speed} s and has about ${chunks} chunks. A
chunk is due in proportion to its position in the text, within the duration that the control plane reports for the
task, counted from when the client sent the request. The polls "with" streams run for ${windowSeconds} s at full speed
while all streams are open. The polls "without" run for the same time before or after that.
Rounds: ${streams.rounds.length}.`;
}

function aboutBurst({ burst }) {
  if (!burst) return undefined;
  return `The images belong to ${burst.images} Nano Banana Pro tasks with different prompts, none of which has been
fetched before. All are requested at once, on as many connections, from a server that has not rendered anything yet.
The polls of a running task continue at their rate; "before" is ${burst.quietSeconds} s of polls without images.
Afterwards every image must be a 4K JPEG, and all must be distinct. Rounds: ${burst.rounds.length}.`;
}

function aboutUploads({ uploads }) {
  if (!uploads) return undefined;
  const megabytes = (uploads.bodyBytes / 1e6).toFixed(0);
  return `The uploads go to reverse-prompt: a real video padded to ${uploads.fileBytes / 1024 / 1024} MiB, which is
${megabytes} MB as JSON. The account's clock is frozen, so that the text is not paced. The time covers receiving,
decoding and reading the file, from the first byte sent to the last byte of the response, which must mention the video's
length.`;
}

function aboutForwarding({ forwarding }) {
  if (!forwarding) return undefined;
  return `The client of \`exec --record\` sends one request at a time over connections that are kept alive: 10 directly
to an emulator, 10 to the recording proxy in front of it, and 10 over HTTPS through this proxy, in turns. The proxy writes
a sample after each response, and the next request waits for it. "Added" is the difference to the direct requests.`;
}

function aboutState({ state }) {
  if (!state) return undefined;
  return `The account that is imported and exported has ${rate(state.tasks)} completed tasks and
${rate(2 * state.tasks + 1)} ledger entries. A client polls a running task of another account meanwhile, over
connections that are kept alive. The time covers the whole transfer; the client writes the export to a file, which must
equal the imported document. Additional memory is the growth since the start of the transfer.
Rounds: ${state.rounds.length}.`;
}

function aboutLibrary({ library }) {
  if (!library) return undefined;
  return `\`startEmulator\` was called ${library.startMs.length} times, one emulator after another, in a process that
had started ${library.warmUps} before. Each emulator created a video task before it was closed.`;
}

function aboutMemory({ minute, retained }) {
  const texts = [];
  if (minute) {
    texts.push(`The load of ${minute.seconds} s comes from 32 connections; the emulator keeps everything in memory. Every tenth
request orders a video, whose task ends within seconds, as at the default settings; the others are polls. There were
${rate(minute.requests)} requests and ${rate(minute.videos)} tasks.`);
  }
  if (retained) {
    texts.push(`The memory that a journal entry or a task retains is the growth of the heap and of SQLite's pages, each after a
garbage collection, divided by the number of polls or generate requests (${rate(retained.amount)}). The journal of the
account with the polls is empty at first, that of the account with the tasks is full.`);
  }
  return texts.join('\n\n');
}

function aboutGrowth({ growth }) {
  if (!growth) return undefined;
  const { accounts, tasks, entries, bytes, seconds } = growth.filled;
  return `For growth, two emulators run side by side, each on a data directory. One has ${rate(tasks)} finished tasks of
${rate(accounts)} accounts and ${rate(entries)} ledger entries (${(bytes / 1e6).toFixed(0)} MB, written in
${seconds.toFixed(0)} s). They are copies, with their own ids, of tasks that the emulator created. The emulator verified the
ledgers of 25 of these accounts. There were ${growth.poll32.rounds.length} rounds of load and ${growth.start.full.length} of
the start.`;
}

function aboutPeers({ peers }) {
  if (!peers) return undefined;
  return `The peers were installed by npm for this run, at the versions shown, and run at their default settings, under the
same load in the same ${peers.poll32.rounds.length} rounds. Static peers receive the emulator's requests and return
constant bodies. Peers with state create an object of their own (a job, a payment intent) and read it, the closest thing
that they have to a task. Only the emulator keeps accounts, credits, limits and time. For all of them, the start ends
with the first response; requests are sent every 5 ms.`;
}
