import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SetupError } from '../core/errors.ts';
import type { FilesToOpen } from '../server/opened-files.ts';
import { type Config, readConfig } from '../settings/config.ts';
import { parseFlags } from './flags.ts';
import { start } from './start.ts';

/** The name of the document in each directory that `--artifacts` writes. */
const DOCUMENT_NAME = 'account.json';

/** The maximum: above the budget, the oldest tasks would be evicted. */
const MEMORY_BUDGET_MB = '1048576';

/** Runs `open` with these arguments. @throws SetupError when one is invalid, or a file cannot be opened */
export async function runOpen(args: readonly string[]): Promise<void> {
  const options = readOpenOptions(args);
  if (!options) process.stdout.write(`${OPEN_HELP}\n`);
  else await start({ ...options.config, filesToOpen: findFiles(options.path) }, []);
}

/** Finds the documents that `open` shows. @throws SetupError when there are none */
export function findFiles(path: string): FilesToOpen {
  try {
    const isDirectory = statSync(path).isDirectory();
    return {
      path,
      files: (isDirectory ? listDocuments(path) : [path]).map((file) => ({ path: file, name: toName(file) })),
    };
  } catch (cause) {
    if (cause instanceof SetupError) throw cause;
    throw new SetupError(`${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}

/** Lists the files that `--artifacts` writes into the directory or, if there are none, its JSON files. */
function listDocuments(dir: string): string[] {
  const names = readdirSync(dir).sort();
  const artifacts = ['', ...names].map((name) => join(dir, name, DOCUMENT_NAME)).filter((file) => existsSync(file));
  const files =
    artifacts.length > 0 ? artifacts : names.filter((name) => name.endsWith('.json')).map((name) => join(dir, name));
  if (files.length === 0) throw new SetupError(`${dir} has neither */${DOCUMENT_NAME} nor *.json to open.`);
  return files;
}

/** Names a document of `--artifacts` by its directory, any other by its file. */
function toName(file: string): string {
  return basename(file) === DOCUMENT_NAME ? basename(dirname(resolve(file))) : basename(file, '.json');
}

const OPTIONS = {
  port: { type: 'string', default: '0' },
  host: { type: 'string', default: '127.0.0.1' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Reads the arguments after `open`. Undefined: --help is among them. @throws SetupError when one is invalid */
function readOpenOptions(argv: readonly string[]): { path: string; config: Config } | undefined {
  const { values, positionals } = parseFlags('open', argv, OPTIONS, true);
  if (values.help) return undefined;
  const [path, ...others] = positionals;
  if (!path)
    throw new SetupError('open needs a file or a directory; state export --include requests,verdict writes a file.');
  if (others.length > 0) throw new SetupError(`open takes one file or directory; leave out "${others[0]}".`);
  const { port, host } = values;
  return { path, config: readConfig({ port, host, 'memory-budget-mb': MEMORY_BUDGET_MB }, {}) };
}

const OPEN_HELP = `nanophoto-emulator open: shows exported accounts in the console, read-only

Usage: nanophoto-emulator open [flags] <file or directory>

The file is the document of an export: state export --include requests,verdict writes one. A directory can contain
several: account.json in each subdirectory, as --artifacts writes them, or else *.json files. Time stands still, and
every request that would change something gets a 403.

  --port  port to listen on (default ${OPTIONS.port.default}: a free one)
  --host  address to listen on (default ${OPTIONS.host.default})`;
