import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

/** The page at /console. Gives the files of packages that are in it, for the notices. */
export async function writeConsole(dir) {
  const modules = new Set();
  await build({
    root: 'src/console',
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: 'warn',
    // Below whatever prefix a balancer puts before it.
    base: './',
    build: {
      outDir: new URL(`../${dir}`, import.meta.url).pathname,
      emptyOutDir: true,
      target: ['chrome123', 'firefox120', 'safari17.5'],
      modulePreload: { polyfill: false },
      // Styles must stand in files: the page allows no others.
      assetsInlineLimit: 0,
      rolldownOptions: { input: 'src/console/page.html' },
    },
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    plugins: [
      {
        name: 'remembers what is bundled',
        generateBundle(_options, bundle) {
          for (const { modules: its } of Object.values(bundle)) {
            for (const id of Object.keys(its ?? {})) modules.add(id);
          }
        },
      },
    ],
  });
  // The page is /console, and its files are below that.
  const page = await readFile(`${dir}/page.html`, 'utf8');
  await writeFile(`${dir}/page.html`, page.replaceAll('"./assets/', '"console/assets/'));
  // Browsers take them packed; who does not gets them unpacked by the server.
  for (const name of await readdir(`${dir}/assets`)) {
    const file = `${dir}/assets/${name}`;
    await writeFile(`${file}.gz`, gzipSync(await readFile(file), { level: 9 }));
    await rm(file);
  }
  return [...modules].filter((id) => id.includes('/node_modules/'));
}
