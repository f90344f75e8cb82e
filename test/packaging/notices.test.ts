import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const notices = read('dist/THIRD-PARTY-LICENSES.txt');
const listed = [...notices.matchAll(/^((?:@[\w.-]+\/)?[\w.-]+) (\d+\.\d+\.\d+\S*)\n\n\S/gm)].map(
  ([, name, version]) => `${name} ${version}`,
);
const installedVersion = (dir: string): string => JSON.parse(read(`${dir}/package.json`)).version;

describe('third-party notices', () => {
  it('have the license of every package in the program', async () => {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: ['src/main.ts', 'src/index.ts', 'src/cli/exec/preload.ts'],
      outdir: 'dist',
      bundle: true,
      write: false,
      metafile: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      external: ['better-sqlite3', 'sharp', '@fastify/ajv-compiler', '@fastify/fast-json-stringify-compiler'],
    });
    const packages = Object.keys(metafile.inputs).flatMap((file) => {
      const [, dir, name] = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(file) ?? [];
      return dir ? `${name} ${installedVersion(dir)}` : [];
    });
    expect(packages.length).toBeGreaterThan(20);
    expect([...new Set(packages)].filter((one) => !listed.includes(one))).toEqual([]);
  });

  it('have the license of every package that docs/contributing/dependencies.md calls bundled', () => {
    const [, section] = /\n## Bundled\n([\s\S]*?)\n## /.exec(read('docs/contributing/dependencies.md'))!;
    const packages = [...section!.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name!);
    expect(packages).toContain('preact');
    const missing = packages.filter((name) => !listed.includes(`${name} ${installedVersion(`node_modules/${name}`)}`));
    expect(missing).toEqual([]);
  });

  it("have the licenses of the packages in the reference page's script", () => {
    const [, reference] = notices.split('The reference page at /docs contains');
    const packages = new Set(listed.filter((one) => reference!.includes(`\n${one}\n`)).map((one) => one.split(' ')[0]));
    for (const name of ['vue', '@vue/runtime-dom', '@codemirror/view', 'zod', 'micromark', 'yaml']) {
      expect(packages).toContain(name);
    }
    // The comments that minifiers keep.
    const file = readdirSync(join(ROOT, 'dist/reference')).find((name) => name.endsWith('.js.gz'))!;
    const script = gunzipSync(readFileSync(join(ROOT, 'dist/reference', file))).toString();
    const comments = [...script.matchAll(/^\/\*!?\s*\*?\s*(?:!\s*)?(@?[\w/.-]+) v?\d+\.\d+\.\d+/gm)].map(
      ([, name]) => name,
    );
    expect(comments).toContain('tabbable');
    expect(comments.filter((name) => !packages.has(name!))).toEqual([]);
  });
});
