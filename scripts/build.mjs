import { rm, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { writeConsolePage } from './console.mjs';
import { readReferenceNotices, SCALAR, writeDocsPage } from './docs-page.mjs';
import { noticesOf } from './notices.mjs';

// One file: loading hundreds of small modules is most of a start. What a start does not need (the MP4 reader, the
// pretty printer) is imported when it is used and becomes a chunk of its own. Native addons (better-sqlite3, sharp)
// stay outside.
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
  entryPoints: {
    main: 'src/main.ts',
    index: 'src/index.ts',
    detached: 'src/cli/detach/detached-process.ts',
  },
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
await writeDocsPage('dist/reference');
const inConsole = await writeConsolePage('dist/console');
const bundled = [program, preload].flatMap(({ metafile }) => Object.keys(metafile.inputs));
await writeFile(
  'dist/THIRD-PARTY-LICENSES.txt',
  `nanophoto-emulator contains these packages.

${noticesOf([...bundled, ...inConsole, SCALAR])}

${'='.repeat(80)}

The reference page at /docs contains @scalar/fastify-api-reference, which contains these packages.

${await readReferenceNotices()}
`,
);
