import { rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { build, transform } from 'esbuild';
import { writeConsolePage } from './console.mjs';
import { readReferenceNotices, SCALAR, writeDocsPage } from './docs-page.mjs';
import { noticesOf } from './notices.mjs';

const COMMAND_FILES = ['main.js', 'detached.js'];
// Node 22.1 and later then keep the compiled code on disk. The setting applies to the whole process, so the library
// does not enable it in its host.
const ENABLE_COMPILE_CACHE = 'require("node:module").enableCompileCache?.();';

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
// A file of its own, because both the preload script of `exec` and the recording proxy need it.
const undici = await build({ ...common, entryPoints: ['undici'], outfile: 'dist/undici.cjs', format: 'cjs' });
const SHARED_UNDICI = { undici: './undici.cjs' };
await build({
  ...common,
  entryPoints: ['src/cli/exec/preload.ts'],
  outfile: 'dist/preload.cjs',
  format: 'cjs',
  alias: SHARED_UNDICI,
  external: ['./undici.cjs'],
});
const program = await build({
  ...common,
  entryPoints: {
    main: 'src/main.ts',
    index: 'src/index.ts',
    detached: 'src/cli/detach/detached-process.ts',
    jest: 'src/testing/jest.ts',
    playwright: 'src/testing/playwright.ts',
  },
  outdir: 'dist',
  splitting: true,
  chunkNames: 'chunk-[name]-[hash]',
  format: 'esm',
  alias: SHARED_UNDICI,
  external: [
    ...['better-sqlite3', 'sharp', './undici.cjs'],
    // server/app.ts replaces Fastify's own compilers, so it never loads them.
    ...['@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler'],
  ],
  // Packages get Node's own versions of globals that tests replace, as our code does by importing them.
  inject: ['src/core/globals.ts'],
  define: { 'import.meta.dirname': '__dirname' },
  write: false,
});
// CommonJS, which everything can load: jest cannot import ES modules. esbuild only splits ES modules, so each chunk is
// converted on its own.
for (const { path, text } of program.outputFiles) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: common.target,
    supported: { 'dynamic-import': false },
    minifySyntax: true,
    minifyWhitespace: true,
  });
  // esbuild exports a copy of the exports object, whose getters call those of the original. Exporting the original
  // makes every use of an import three times faster. test/packaging/bundle.test.ts checks that the text was found.
  const direct = code.replace(
    'module.exports=__toCommonJS(stdin_exports)',
    'module.exports=__defProp(stdin_exports,"__esModule",{value:!0})',
  );
  const isCommand = COMMAND_FILES.includes(basename(path));
  const output = isCommand ? direct.replace(/^(#!.*\n)?/, `$&${ENABLE_COMPILE_CACHE}`) : direct;
  await writeFile(path, output, { mode: basename(path) === 'main.js' ? 0o755 : 0o644 });
}
await writeFile('dist/package.json', '{"type":"commonjs"}\n');
// The same module object for `import` as for `require`.
await writeFile('dist/index.mjs', "export { ControlError, connectEmulator, startEmulator } from './index.js';\n");
// Vitest can only be imported.
await build({
  ...common,
  entryPoints: ['src/testing/vitest.ts'],
  outfile: 'dist/vitest.mjs',
  format: 'esm',
  external: ['vitest', 'nanophoto-emulator'],
});
await writeDocsPage('dist/reference');
const inConsole = await writeConsolePage('dist/console');
const bundled = [program, undici].flatMap(({ metafile }) => Object.keys(metafile.inputs));
await writeFile(
  'dist/THIRD-PARTY-LICENSES.txt',
  `nanophoto-emulator contains these packages.

${noticesOf([...bundled, ...inConsole, SCALAR])}

${'='.repeat(80)}

The reference page at /docs contains @scalar/fastify-api-reference, which contains these packages.

${await readReferenceNotices()}
`,
);
