import { createReadStream, createWriteStream, openSync, rmSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { toPrintableLine } from '../core/control-chars.ts';
import { SetupError } from '../core/errors.ts';
import { openRegularFile } from '../core/files.ts';
import { endSentence } from '../core/sentence.ts';
import { parseBaseUrl, parseFlags } from './flags.ts';

/** How long the emulator may send and receive nothing. */
const TIMEOUT_MS = 60_000;
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Much larger than any error response or page of accounts. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

/** Runs `state` with these arguments. @throws SetupError when one is invalid, or the emulator rejects the request */
export async function runState(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const options = readStateOptions(args, env);
  if (!options) process.stdout.write(`${STATE_HELP}\n`);
  else if (options.verb === 'export') await exportState(options);
  else await importState(options);
}

async function exportState(options: StateOptions): Promise<void> {
  const { file, include } = options;
  if (file !== '-') assertReplaceable(file);
  const key = options.key ?? (await findOnlyKey(options));
  const query = include === undefined ? '' : `?include=${encodeURIComponent(include)}`;
  const response = await send(options, 'GET', `/accounts/${encodeURIComponent(key)}/export${query}`);
  const cutShort = (cause: unknown) =>
    new SetupError(`The document of ${key} is cut short: ${(cause as Error).message}.`, { cause });
  if (file === '-') {
    try {
      await pipeline(response, process.stdout, { end: false });
    } catch (cause) {
      // A reader that closes the pipe early, such as head, is not an error.
      if ((cause as { code?: string }).code !== 'EPIPE') throw cutShort(cause);
    }
    return;
  }
  // An existing file is replaced only by a complete document.
  const partialFile = `${file}.${process.pid}.partial`;
  const keepOnSignal = removeOnSignal(partialFile);
  try {
    // A stream that opens the file itself could do so after an error, when the file has been removed.
    const fd = openSync(partialFile, 'wx', 0o600);
    await pipeline(response, createWriteStream(partialFile, { fd }));
    await rename(partialFile, file);
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'EEXIST') rmSync(partialFile, { force: true });
    if ('syscall' in (cause as object) && !response.errored) {
      throw new SetupError(`${file} cannot be written: ${(cause as Error).message}.`, { cause });
    }
    throw cutShort(cause);
  } finally {
    keepOnSignal();
  }
  process.stdout.write(`Exported ${toPrintableLine(key)} to ${file}.\n`);
}

/** Removes a file when a signal ends this process. Returns a function that cancels this. */
function removeOnSignal(file: string): () => void {
  const onSignal = (signal: NodeJS.Signals) => {
    cancel();
    rmSync(file, { force: true });
    // Without a listener, the signal ends the process.
    process.kill(process.pid, signal);
  };
  const cancel = () => {
    for (const signal of ENDING_SIGNALS) process.off(signal, onSignal);
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
  return cancel;
}

/** Replacing a device, such as /dev/null, would break other programs. @throws SetupError when the file is not regular */
function assertReplaceable(file: string): void {
  try {
    const isOther = statSync(file, { throwIfNoEntry: false })?.isFile() === false;
    if (isOther) throw new Error('it is not a regular file');
  } catch (cause) {
    throw new SetupError(`${file} cannot be written: ${(cause as Error).message}.`, { cause });
  }
}

async function importState(options: StateOptions): Promise<void> {
  const { file, key, replace } = options;
  const query = new URLSearchParams({ ...(key !== undefined && { key }), ...(replace && { replace: 'true' }) });
  const response = await send(options, 'POST', `/accounts/import?${query}`, openInput(file));
  const account = parseObject(await readText(response, options));
  process.stdout.write(`Imported ${toPrintableLine(String(account.key))} at ${options.url}.\n`);
}

/** Opens a file, or standard input for `-`. A pipe or a device could be endless. @throws SetupError */
function openInput(file: string): Readable {
  if (file === '-') return process.stdin;
  try {
    return createReadStream(file, { fd: openRegularFile(file) });
  } catch (cause) {
    throw new SetupError(`${file} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}

/** @throws SetupError when the emulator has several accounts, or none */
async function findOnlyKey(options: StateOptions): Promise<string> {
  const { accounts } = parseObject(await readText(await send(options, 'GET', '/accounts?limit=2'), options));
  const keys = Array.isArray(accounts) ? accounts.map((account) => String(account?.key)) : [];
  if (keys.length === 1) return keys[0]!;
  throw new SetupError(
    keys.length === 0
      ? `${options.url} has no account to export; send a request with an API key first, or check --url.`
      : `state export needs --key: ${options.url} has several accounts.`,
  );
}

/** Sends a request, and returns the response if it is successful. @throws SetupError for any other */
async function send(
  options: StateOptions,
  method: 'GET' | 'POST',
  path: string,
  body?: Readable,
): Promise<IncomingMessage> {
  const { url, adminToken } = options;
  const target = new URL(`${url}/__admin${path}`);
  const headers = {
    ...(body && { 'content-type': 'application/json' }),
    ...(adminToken !== undefined && { 'x-admin-token': adminToken }),
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const { request } = target.protocol === 'https:' ? https : http;
    const sent = request(target, { method, headers, agent: false, timeout: TIMEOUT_MS }, resolve);
    sent.on('timeout', () => sent.destroy(new Error(`no data for ${TIMEOUT_MS / 1000} seconds`)));
    sent.on('error', (cause) =>
      reject(new SetupError(`No emulator responds at ${url} (${cause.message}); check --url.`, { cause })),
    );
    if (body) {
      body.on('error', (cause) => {
        sent.destroy();
        reject(new SetupError(`The state cannot be read: ${cause.message}.`, { cause }));
      });
      body.pipe(sent);
    } else sent.end();
  });
  // A development server may respond to every path with its page.
  const isJson = response.headers['content-type']?.startsWith('application/json');
  if (response.statusCode! < 300 && isJson) return response;
  const { error } = parseObject(await readText(response, options));
  if (typeof error !== 'string') throw new SetupError(`${url} is not an emulator; check --url.`);
  throw new SetupError(`${url} rejects the request: ${endSentence(toPrintableLine(error))}`);
}

/** @throws SetupError when the response is cut short */
async function readText(response: IncomingMessage, { url }: StateOptions): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > MAX_RESPONSE_BYTES) break;
    }
  } catch (cause) {
    throw new SetupError(`The response of ${url} is cut short: ${(cause as Error).message}.`, { cause });
  }
  return Buffer.concat(chunks).toString();
}

/** Parses a JSON object. Returns an empty object for anything else. */
function parseObject(text: string): Record<string, unknown> {
  try {
    return { ...JSON.parse(text) };
  } catch {
    return {};
  }
}

interface StateOptions {
  verb: 'export' | 'import';
  /** A path, or `-` for standard input or output. */
  file: string;
  url: string;
  adminToken: string | undefined;
  key: string | undefined;
  include: string | undefined;
  replace: boolean;
}

const OPTIONS = {
  url: { type: 'string', default: 'http://127.0.0.1:6266' },
  key: { type: 'string' },
  'admin-token': { type: 'string' },
  include: { type: 'string' },
  replace: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Reads the arguments after `state`. Undefined: --help is among them. @throws SetupError when one is invalid */
function readStateOptions(argv: readonly string[], env: NodeJS.ProcessEnv): StateOptions | undefined {
  const { values, positionals } = parseFlags('state', argv, OPTIONS, true);
  if (values.help) return undefined;
  const [verb, file, ...others] = positionals;
  if (verb !== 'export' && verb !== 'import') {
    throw new SetupError(`state needs export or import${verb === undefined ? '' : `, not "${verb}"`}.`);
  }
  if (file === undefined)
    throw new SetupError(`state ${verb} needs a file, or - for standard ${verb === 'export' ? 'output' : 'input'}.`);
  if (others.length > 0) throw new SetupError(`state ${verb} takes one file; leave out "${others[0]}".`);
  const { url, key, 'admin-token': adminToken, include, replace } = values;
  if (verb === 'export' && replace) throw new SetupError('--replace is only valid with import; leave it out.');
  if (verb === 'import' && include !== undefined)
    throw new SetupError('--include is only valid with export; leave it out.');
  return {
    ...{ verb, file, key, include, replace },
    url: parseBaseUrl(url, '--url'),
    adminToken: adminToken ?? (env.NANOPHOTO_EMULATOR_ADMIN_TOKEN || undefined),
  };
}

const STATE_HELP = `nanophoto-emulator state: exports an account of a running emulator as a file, and imports it

Usage: nanophoto-emulator state export [flags] <file>
       nanophoto-emulator state import [flags] <file>

The file is a JSON document, which can also be an account in a seed file. In place of the file, - stands for standard
output or input.

  --url          URL of the emulator (default ${OPTIONS.url.default})
  --key          with export: the key of the account; not needed if there is only one
                 with import: the key of the new account (default: the one in the file)
  --include      only with export: add requests, verdict or both (requests,verdict) to the file
  --replace      only with import: replace an account with the same key
  --admin-token  token of the control plane, if it requires one`;
