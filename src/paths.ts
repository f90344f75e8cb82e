import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Resolves a path from the root of the package; works in `src/` and in `dist/`. */
const fromRoot = (path: string) => join(import.meta.dirname, '..', path);

export const MIGRATIONS_DIR = fromRoot('migrations');
export const FIXTURES_DIR = fromRoot('fixtures');
/** Built from src/cli/exec/preload.ts. */
export const PRELOAD_FILE = fromRoot('dist/preload.cjs');
/** Built from src/cli/detach/detached-process.ts. */
export const DETACHED_FILE = fromRoot('dist/detached.js');
/** Built by scripts/docs-page.mjs. */
export const REFERENCE_DIR = fromRoot('dist/reference');
/** Built from src/console/. */
export const CONSOLE_DIR = fromRoot('dist/console');
export const FONTCONFIG_FILE = fromRoot('fixtures/fonts/fonts.conf');
export const DEFAULT_SEED_FILE = fromRoot('fixtures/accounts.json');

let version: string | undefined;

export function packageVersion(): string {
  version ??= JSON.parse(readFileSync(fromRoot('package.json'), 'utf8')).version as string;
  return version;
}
