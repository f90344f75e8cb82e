import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** Builds the page /console. Returns the files of bundled packages, for the licence notices. */
export async function writeConsole(dir) {
  const modules = new Set();
  await build({
    root: 'src/console',
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: 'warn',
    // Relative URLs, for load balancers that add a path prefix.
    base: './',
    build: {
      outDir: new URL(`../${dir}`, import.meta.url).pathname,
      emptyOutDir: true,
      target: ['chrome123', 'firefox120', 'safari17.5'],
      modulePreload: { polyfill: false },
      // The page's Content-Security-Policy allows styles from files only.
      assetsInlineLimit: 0,
      rolldownOptions: { input: 'src/console/page.html' },
    },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    plugins: [
      {
        name: 'collect-bundled-modules',
        generateBundle(_options, bundle) {
          for (const { modules: its } of Object.values(bundle)) {
            for (const id of Object.keys(its ?? {})) modules.add(id);
          }
        },
      },
    ],
  });
  // The page is served at /console, its files below that path.
  const page = await readFile(`${dir}/page.html`, 'utf8');
  await writeFile(`${dir}/page.html`, page.replaceAll('"./assets/', '"console/assets/'));
  // Served with gzip; for clients without gzip support the server decompresses them.
  for (const name of await readdir(`${dir}/assets`)) {
    const file = `${dir}/assets/${name}`;
    await writeFile(`${file}.gz`, gzipSync(await readFile(file), { level: 9 }));
    await rm(file);
  }
  return [...modules].filter((id) => id.includes('/node_modules/'));
}
