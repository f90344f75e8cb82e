import { Readable } from 'node:stream';
import { isFileType } from '../client/client.ts';
import type { StartOptions } from '../client/types.ts';
import { SetupError } from '../core/errors.ts';
import { type Config, readProgrammaticOptions, toCamelCase } from '../settings/config.ts';
import { openEmulator } from './emulator.ts';
import { createLogger } from './logger.ts';
import { readJsonFile } from './seed-file.ts';

const CHUNK_BYTES = 64 * 1024;

/** Starts a listening emulator in the current process. @throws SetupError when an option is invalid */
export async function startInProcess(options: StartOptions) {
  try {
    const config = readProgrammaticOptions(options);
    return await open({ ...config, states: readStates(options.state) });
  } catch (error) {
    throw error instanceof SetupError ? withOptionNames(error) : error;
  }
}

/** Reads the option `state`: documents of exports, or paths of files with them. @throws SetupError */
function readStates(state: StartOptions['state'] = []): unknown[] {
  const states: readonly unknown[] = Array.isArray(state) ? state : [state];
  return states.map((one) => (typeof one === 'string' ? readJsonFile(one, 'state', 'state') : one));
}

/** A payload in chunks, because a large document must not occupy the event loop as a whole. */
function* toChunks(text: string): Generator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}

/** Replaces the flags in the message with option names. */
function withOptionNames({ message, cause }: SetupError): SetupError {
  const sentence = message.replace(/--([a-z][a-z-]*)/g, (_, flag: string) => toCamelCase(flag));
  return new SetupError(sentence, { cause });
}

async function open(config: Config & { states: readonly unknown[] }) {
  const { logger, flush } = await createLogger(config);
  const emulator = await openEmulator(config, logger);
  const { app, authority } = emulator;
  let url: string;
  try {
    url = await emulator.listen();
  } catch (error) {
    await emulator.close();
    throw error;
  }
  const headers = config.adminToken === undefined ? {} : { 'x-admin-token': config.adminToken };
  return {
    url,
    port: emulator.httpPort(),
    httpsPort: emulator.httpsPort(),
    firstKey: emulator.firstKey ?? '',
    certificate: async () => (await authority()).certificate,
    /** Calls the control plane without a network connection. */
    async transport(method: string, path: string, body?: unknown) {
      const text = JSON.stringify(body);
      const payload =
        body === undefined ? {} : { payload: text.length > CHUNK_BYTES ? Readable.from(toChunks(text)) : text };
      const typeHeader = body === undefined ? {} : { 'content-type': 'application/json' };
      const response = await app.inject({
        method: method as 'POST',
        url: path,
        headers: { ...headers, ...typeHeader },
        ...payload,
      });
      const status = response.statusCode;
      if (isFileType(response.headers['content-type'])) return { status, body: new Uint8Array(response.rawPayload) };
      return { status, body: response.payload === '' ? undefined : response.json() };
    },
    async close() {
      await emulator.close();
      await flush();
    },
  };
}
