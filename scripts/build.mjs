import { rm } from 'node:fs/promises';
import { build } from 'esbuild';

// One file: loading hundreds of small modules is most of a start. What a start does not need (the MP4 reader, the
// pretty printer) is imported when it is used and becomes a chunk of its own. Native addons (better-sqlite3, sharp)
// stay outside.
await rm('dist', { recursive: true, force: true });
await build({
  entryPoints: ['src/exec/preload.ts'],
  outfile: 'dist/preload.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
});
await build({
  entryPoints: ['src/main.ts'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  chunkNames: 'chunk-[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  external: ['better-sqlite3', 'sharp'],
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  // Bundled CommonJS packages still call require() for Node's own modules.
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
});
