import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const REPLACED_GLOBALS: string[] = createRequire(import.meta.url)('./runners/replaced-globals.cjs');

const ANY_IMPORT = /require\("\.\/([^"]+)"\)/g;
/** Those of imports that the source writes as `import()` are in an arrow function. */
const STATIC_IMPORT = /(?<!=>(?:__toESM\()?)require\("\.\/([^"]+)"\)/g;

/** The built files that a file imports, directly or not: all of them, also those that it imports later. */
function findLoadedFiles(file = 'index.js', pattern = ANY_IMPORT, found = new Map<string, string>()) {
  if (found.has(file)) return found;
  const text = readFileSync(join(ROOT, 'dist', file), 'utf8');
  found.set(file, text);
  for (const [, next] of text.matchAll(pattern)) findLoadedFiles(next!, pattern, found);
  return found;
}

/** Returns which of the names, some of which have dots, the code uses as globals. esbuild knows the scopes. */
async function findGlobals(code: string, names: readonly string[]): Promise<string[]> {
  const define = Object.fromEntries(names.map((name, index) => [name, `__global_${index}`]));
  const marked = await transform(code, { define });
  return names.filter((_, index) => new RegExp(`\\b__global_${index}\\b`).test(marked.code));
}

describe('the library', () => {
  it('has the messages of zod in English only, since it is parsed at every start', () => {
    const messages = [...findLoadedFiles().values()].join('\n').match(/Invalid input: expected|Ung\\xFCltige Eingabe/g);
    expect([...new Set(messages)]).toEqual(['Invalid input: expected']);
  });

  it("does not contain Fastify's compilers, which it replaces, since they would be parsed at every start", () => {
    const files = [...findLoadedFiles()].filter(([, code]) => /node_modules\/(ajv|fast-uri)\//.test(code));
    expect(files.map(([file]) => file)).toEqual([]);
  });

  it('leaves the compile cache of its host as it is', () => {
    const files = [...findLoadedFiles()].filter(([, code]) => code.includes('enableCompileCache'));
    expect(files.map(([file]) => file)).toEqual([]);
  });

  it('exports no copies of exports, whose getters call other getters', () => {
    const files = [...findLoadedFiles()].filter(([, code]) => code.includes('__export(stdin_exports,'));
    expect(files.length).toBeGreaterThan(5);
    const copies = files.filter(([, code]) => !code.includes('module.exports=__defProp(stdin_exports,'));
    expect(copies.map(([file]) => file)).toEqual([]);
  });

  it('has a lint rule against each global that tests replace', () => {
    const { overrides } = JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8'));
    const { deniedGlobals } = overrides[0].linter.rules.style.noRestrictedGlobals.options;
    expect(REPLACED_GLOBALS.filter((name) => !(name in deniedGlobals))).toEqual([]);
  });

  it('uses no global that tests replace, in our code or a bundled package', async () => {
    const names = [
      ...REPLACED_GLOBALS,
      ...REPLACED_GLOBALS.map((name) => `globalThis.${name}`),
      ...['process.nextTick', 'process.hrtime'],
    ];
    const files = findLoadedFiles();
    const uses: Record<string, string[]> = {};
    for (const [file, code] of files) uses[file] = await findGlobals(code, names);
    const [captured] = Object.entries(uses).find(([, used]) => used.includes('globalThis.Date'))!;
    // core/globals.ts reads these once.
    expect(uses[captured]).toEqual(['globalThis.Date', 'process.nextTick', 'process.hrtime']);
    const wrong = Object.entries(uses).filter(([file, used]) => file !== captured && used.length > 0);
    expect(wrong).toEqual([]);
    expect(files.size).toBeGreaterThan(5);
  });
});

describe('the command', () => {
  it('loads the emulator only when it runs one, which is most of the time of a short command', () => {
    const isEmulator = ([, code]: [string, string]) => code.includes('require("better-sqlite3")');
    expect([...findLoadedFiles('main.js')].some(isEmulator)).toBe(true);
    expect([...findLoadedFiles('main.js', STATIC_IMPORT)].filter(isEmulator)).toEqual([]);
  });

  it.each(['main.js', 'detached.js'])('enables the compile cache before %s loads any other module', (file) => {
    const text = readFileSync(join(ROOT, 'dist', file), 'utf8');
    expect(text.match(/require\(.*?\)[.\w?]*/)?.[0]).toBe('require("node:module").enableCompileCache?.');
  });
});
