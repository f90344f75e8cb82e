import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package's root, seen from `src/` and from `dist/` alike. */
const root = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

export const MIGRATIONS_DIR = root('migrations');
export const FIXTURES_DIR = root('fixtures');
/** Built from src/cli/exec/preload.ts. */
export const PRELOAD_FILE = root('dist/preload.cjs');
/** Built by scripts/docs-page.mjs. */
export const REFERENCE_DIR = root('dist/reference');
/** Built from src/console/. */
export const CONSOLE_DIR = root('dist/console');
export const FONT_SETTINGS = root('fixtures/fonts/fonts.conf');
export const DEFAULT_SEED_FILE = root('fixtures/accounts.json');

export function packageVersion(): string {
  return JSON.parse(readFileSync(root('package.json'), 'utf8')).version;
}
