import { rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { writeConsole } from './console.mjs';
import { SCALAR, writeReference } from './docs-page.mjs';
import { createNotices } from './notices.mjs';

// Bundles the sources into few files: loading hundreds of small modules would take most of the startup time. Modules
// that are imported dynamically (the MP4 parser, the pretty printer) become chunks. Native addons (better-sqlite3,
// sharp) are not bundled.
await rm('dist', { recursive: true, force: true });
const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
};
const preload = await build({
  ...common,
  entryPoints: ['src/cli/exec/preload.ts'],
  outfile: 'dist/preload.cjs',
  format: 'cjs',
});
const program = await build({
  ...common,
  entryPoints: ['src/main.ts', 'src/index.ts'],
  outdir: 'dist',
  splitting: true,
  chunkNames: 'chunk-[name]-[hash]',
  format: 'esm',
  external: ['better-sqlite3', 'sharp'],
  // Bundled CommonJS packages still call require() for Node's own modules.
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
});
await writeReference('dist/reference');
const inConsole = await writeConsole('dist/console');
const bundled = [program, preload].flatMap(({ metafile }) => Object.keys(metafile.inputs));
await writeFile('dist/THIRD-PARTY-LICENSES.txt', createNotices([...bundled, ...inConsole, SCALAR]));
