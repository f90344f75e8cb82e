import { isFile } from '../client/client.ts';
import type { StartOptions } from '../client/types.ts';
import { SetupError } from '../core/errors.ts';
import { type Config, optionOf, readOptions } from '../settings/config.ts';
import { openEmulator } from './emulator.ts';
import { createLogger } from './logger.ts';

/** An emulator in somebody else's process, listening. @throws SetupError */
export async function start(options: StartOptions) {
  try {
    return await open(readOptions(options));
  } catch (error) {
    throw error instanceof SetupError ? inOptions(error) : error;
  }
}

/** Its sentence speaks of flags, which are options here. */
function inOptions({ message, cause }: SetupError): SetupError {
  const said = message.replace(/--([a-z][a-z-]*)/g, (_, flag: string) => optionOf(flag));
  return new SetupError(said, { cause });
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
    httpsPort: emulator.httpsPort(),
    firstKey: emulator.firstKey ?? '',
    certificate: async () => (await authority()).certificate,
    /** The control plane without a connection. */
    async transport(method: string, path: string, body?: unknown) {
      const said = body === undefined ? {} : { payload: JSON.stringify(body) };
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const answer = await app.inject({
        method: method as 'POST',
        url: path,
        headers: { ...headers, ...type },
        ...said,
      });
      const status = answer.statusCode;
      if (isFile(answer.headers['content-type'])) return { status, body: new Uint8Array(answer.rawPayload) };
      return { status, body: answer.payload === '' ? undefined : answer.json() };
    },
    async close() {
      await emulator.close();
      await flush();
    },
  };
}
