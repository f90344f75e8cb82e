import { isFileType } from '../client/client.ts';
import type { StartOptions } from '../client/types.ts';
import { SetupError } from '../core/errors.ts';
import { type Config, readProgrammaticOptions, toCamelCase } from '../settings/config.ts';
import { openEmulator } from './emulator.ts';
import { createLogger } from './logger.ts';

/** Starts a listening emulator in the current process. @throws SetupError when an option is invalid */
export async function startInProcess(options: StartOptions) {
  try {
    return await open(readProgrammaticOptions(options));
  } catch (error) {
    throw error instanceof SetupError ? withOptionNames(error) : error;
  }
}

/** Replaces the flags in the message with option names. */
function withOptionNames({ message, cause }: SetupError): SetupError {
  const sentence = message.replace(/--([a-z][a-z-]*)/g, (_, flag: string) => toCamelCase(flag));
  return new SetupError(sentence, { cause });
}

async function open(config: Config) {
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
      const payload = body === undefined ? {} : { payload: JSON.stringify(body) };
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
