import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** Builds the page at /console into `dir`. Returns the bundled files from node_modules, for the license notices. */
export async function writeConsolePage(dir) {
  const modules = new Set();
  await build({
    root: 'src/console',
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: 'warn',
    // Relative URLs, for a balancer that serves the page below a prefix.
    base: './',
    build: {
      outDir: fileURLToPath(new URL(`../${dir}`, import.meta.url)),
      emptyOutDir: true,
      target: ['chrome123', 'firefox120', 'safari17.5'],
      modulePreload: { polyfill: false },
      // The page's content security policy only allows styles from files.
      assetsInlineLimit: 0,
      rolldownOptions: { input: 'src/console/page.html' },
    },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    plugins: [
      {
        name: 'collect-bundled-modules',
        generateBundle(_options, bundle) {
          for (const chunk of Object.values(bundle)) {
            for (const id of Object.keys(chunk.modules ?? {})) modules.add(id);
          }
        },
      },
    ],
  });
  // The page is served at /console and its files at /console/assets.
  const page = await readFile(`${dir}/page.html`, 'utf8');
  await writeFile(`${dir}/page.html`, page.replaceAll('"./assets/', '"console/assets/'));
  // Only compressed files are kept; the server decompresses them for clients that do not accept gzip.
  for (const name of await readdir(`${dir}/assets`)) {
    const file = `${dir}/assets/${name}`;
    await writeFile(`${file}.gz`, gzipSync(await readFile(file), { level: 9 }));
    await rm(file);
  }
  return [...modules].filter((id) => id.includes('/node_modules/'));
}
