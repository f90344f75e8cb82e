import { resolve } from 'node:path';
import { writeAllArtifacts } from '../client/artifacts.ts';
import { createControl } from '../client/client.ts';
import type { StartOptions } from '../client/types.ts';
import { MAX_NESTING } from '../control-plane/state/document-reader.ts';
import { SetupError } from '../core/errors.ts';
import { prepareOutputDir } from '../core/files.ts';
import { parseJson } from '../core/json.ts';
import { endSentence } from '../core/sentence.ts';
import { type Config, readProgrammaticOptions, toCamelCase } from '../settings/config.ts';
import { createControlTransport } from './control-transport.ts';
import { openEmulator } from './emulator.ts';
import { createLogger } from './logger.ts';
import { type ExtraState, readJsonFile } from './seed-file.ts';

/** Starts a listening emulator in the current process. @throws SetupError when an option is invalid */
export async function startInProcess(options: StartOptions) {
  try {
    const config = readProgrammaticOptions(options);
    const artifactsDir = prepareArtifacts(options.artifacts, config);
    return await open({ ...config, states: readStates(options.state), artifactsDir });
  } catch (error) {
    throw error instanceof SetupError ? withOptionNames(error) : error;
  }
}

/** Reads the option `state`: documents of exports, or paths of files with them. @throws SetupError */
function readStates(state: StartOptions['state'] = []): ExtraState[] {
  const states: readonly unknown[] = Array.isArray(state) ? state : [state];
  return states.map((one, index) => {
    if (typeof one === 'string') {
      return { name: `The state ${one}`, content: readJsonFile(one, 'state', 'in the option state') };
    }
    const name = states.length > 1 ? `State number ${index + 1}` : 'The state';
    return { name, content: toJson(one, name) };
  });
}

/** Returns the value as if read from a file. @throws SetupError when it is not JSON, such as a cyclic object */
function toJson(value: unknown, name: string): unknown {
  try {
    return parseJson(JSON.stringify(value) ?? '', { maxNesting: MAX_NESTING });
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n', 1);
    throw new SetupError(`${name} is not valid JSON: ${endSentence(reason!)}`, { cause });
  }
}

/** Creates the directory of the option `artifacts`, and returns its path. @throws SetupError */
function prepareArtifacts(dir: StartOptions['artifacts'], { journalEntries }: Config): string | undefined {
  if (dir === undefined) return undefined;
  if (typeof dir !== 'string' || dir === '') throw new SetupError('--artifacts must be the path of a directory.');
  if (journalEntries === 0) throw new SetupError('--artifacts needs the journal; leave out --journal-entries 0.');
  prepareOutputDir(dir);
  return resolve(dir);
}

/** Replaces the flags in the message with option names. */
function withOptionNames({ message, cause }: SetupError): SetupError {
  const sentence = message.replace(/--([a-z][a-z-]*)/g, (_, flag: string) => toCamelCase(flag));
  return new SetupError(sentence, { cause });
}

async function open(config: Config & { states: readonly ExtraState[]; artifactsDir: string | undefined }) {
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
  const transport = createControlTransport(app, config.adminToken);
  return {
    url,
    port: emulator.httpPort(),
    httpsPort: emulator.httpsPort(),
    firstKey: emulator.firstKey ?? '',
    certificate: async () => (await authority()).certificate,
    transport,
    async close() {
      if (config.artifactsDir !== undefined) await writeAllArtifacts(createControl(transport), config.artifactsDir);
      await emulator.close();
      await flush();
    },
  };
}
