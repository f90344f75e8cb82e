import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../src');
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file));

interface Layer {
  /** Other layers that its files may import. */
  imports: readonly string[];
  /** npm packages and Node modules that its files may import. */
  packages: RegExp;
}

/** Layers from the outside in. Imports only point inwards. A layer is a folder of `src`, or a folder of `families`. */
const LAYERS: Record<string, Layer> = {
  testing: { imports: ['client'], packages: /^(node:|vitest$|@playwright\/test$|nanophoto-emulator$)/ },
  main: {
    imports: ['cli', 'server', 'settings', 'proxy', 'rendering', 'client', 'core', 'paths'],
    packages: /^node:v8$/,
  },
  cli: {
    imports: [
      ...['server', 'settings', 'conformance', 'control-plane', 'families', 'openapi', 'http', 'proxy'],
      ...['client', 'core', 'paths'],
    ],
    packages: /^(node:|undici$|pino$)/,
  },
  server: {
    imports: [
      ...['settings', 'control-plane', 'families', 'pages', 'openapi', 'http', 'proxy', 'rendering'],
      ...['client', 'core', 'paths'],
    ],
    packages: /^(node:|fastify$|pino$|pino-pretty$|zod$)/,
  },
  settings: { imports: ['core'], packages: /^(node:os$|node:util$|zod$)/ },
  conformance: {
    imports: ['openapi', 'http', 'client', 'uploads', 'core'],
    packages: /^(node:|ajv(\/.*)?$|ajv-formats$|fast-xml-parser$|p-queue$|sharp$)/,
  },
  'control-plane': { imports: ['openapi', 'http', 'core'], packages: /^(node:|zod$|fastify$)/ },
  families: {
    imports: ['families/kit', 'families/shared', 'http', 'rendering', 'uploads', 'texts', 'core'],
    packages: /^(zod$|fastify$)/,
  },
  'families/shared': { imports: ['families/kit', 'http', 'rendering', 'core'], packages: /^(zod$|fastify$)/ },
  'families/kit': { imports: ['http', 'rendering', 'core'], packages: /^(node:stream$|zod$|fastify$)/ },
  pages: { imports: ['http', 'core'], packages: /^(node:|fastify$|negotiator$)/ },
  openapi: { imports: ['http', 'core'], packages: /^(node:|zod$)/ },
  http: {
    imports: ['rendering', 'core'],
    packages: /^(node:|zod$|fastify$|@fastify\/|pino$|content-disposition$|fresh$)/,
  },
  proxy: { imports: ['core'], packages: /^(node:|@peculiar\/)/ },
  rendering: { imports: ['core'], packages: /^(node:(?!http|https|net|tls)|sharp$|lru-cache$|p-queue$)/ },
  texts: { imports: ['core'], packages: /^node:/ },
  uploads: { imports: ['core'], packages: /^(node:|mp4box$)/ },
  core: { imports: [], packages: /^(node:(?!http|https|net|tls)|better-sqlite3$|lru-cache$)/ },
  paths: { imports: [], packages: /^node:/ },
  // Runs in browsers and knows only the types of the control plane.
  console: {
    imports: ['client'],
    packages: /^(preact$|preact\/|@preact\/signals$|@tanstack\/virtual-core$|eventsource-parser$|p-queue$)/,
  },
  client: { imports: [], packages: /^node:(https?|url|fs\/promises|path|crypto)$/ },
};

/** `main.ts` and `index.ts` are the entry points; `paths.ts` finds the files of the package. */
function findLayer(file: string): string {
  const [first = '', second = ''] = file.split('/');
  if (second === '') return first === 'paths.ts' ? 'paths' : 'main';
  const nested = `${first}/${second}`;
  return nested in LAYERS ? nested : first;
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;

const imports = files.flatMap((file) =>
  [...readFileSync(join(SRC, file), 'utf8').matchAll(IMPORT)].map((match) => ({
    file,
    target: (match[1] ?? match[2])!,
  })),
);
const localImports = imports
  .filter(({ target }) => target.startsWith('.') && /\.tsx?$/.test(target))
  .map(({ file, target }) => ({ file, target: normalize(join(dirname(file), target)) }));

const filesMatching = (pattern: RegExp, exceptions: readonly string[]) =>
  files.filter((file) => !exceptions.includes(file) && pattern.test(readFileSync(join(SRC, file), 'utf8')));

describe('source layout', () => {
  it('assigns every file to a known layer, and every layer has files', () => {
    expect(localImports.length).toBeGreaterThan(60);
    expect(localImports.every(({ target }) => files.includes(target))).toBe(true);
    expect([...new Set(files.map(findLayer))].sort()).toEqual(Object.keys(LAYERS).sort());
  });

  it('keeps at most three files outside of folders, and at most 16 in one folder', () => {
    const perFolder = new Map<string, number>();
    for (const file of files) perFolder.set(dirname(file), (perFolder.get(dirname(file)) ?? 0) + 1);
    expect(perFolder.get('.')).toBeLessThanOrEqual(3);
    const crowded = [...perFolder].filter(([, count]) => count > 16).map(([folder]) => folder);
    expect(crowded).toEqual([]);
  });

  it('has only imports that point inwards', () => {
    const wrong = localImports.filter(({ file, target }) => {
      const [from, to] = [findLayer(file), findLayer(target)];
      return from !== to && !LAYERS[from]!.imports.includes(to);
    });
    expect(wrong).toEqual([]);
  });

  it('has layers whose imports form no cycle', () => {
    const order = Object.keys(LAYERS);
    const outward = order.flatMap((from, index) =>
      LAYERS[from]!.imports.filter((to) => order.indexOf(to) < index).map((to) => `${from} → ${to}`),
    );
    expect(outward).toEqual([]);
  });

  it('has no import cycles between files', () => {
    const findTargets = (file: string) => localImports.filter((one) => one.file === file).map(({ target }) => target);
    const done = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      expect(path, `cycle: ${[...path, file].join(' → ')}`).not.toContain(file);
      if (done.has(file)) return;
      for (const target of findTargets(file)) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('keeps families from importing each other', () => {
    const wrong = localImports.filter(
      ({ file, target }) =>
        findLayer(file) === 'families' && findLayer(target) === 'families' && file !== 'families/index.ts',
    );
    expect(wrong).toEqual([]);
  });

  it('lets the console import only types from the client', () => {
    const wrong = files
      .filter((file) => findLayer(file) === 'console')
      .flatMap(
        (file) =>
          readFileSync(join(SRC, file), 'utf8').match(/^import (?!type\b).*from '(?:\.\.\/)+client\/.*$/gm) ?? [],
      );
    expect(wrong).toEqual([]);
  });

  it('imports each package only in the layers that may use it', () => {
    const wrong = imports.filter(
      ({ file, target }) => !target.startsWith('.') && !LAYERS[findLayer(file)]!.packages.test(target),
    );
    expect(wrong).toEqual([]);
  });

  it('reads the clock and sets timers only in the clock modules', () => {
    const usesTime = /\bDate\.now\b|\bnew Date\(\)|performance\.now|\bset(?:Timeout|Interval|Immediate)\(/;
    expect(filesMatching(usesTime, ['core/globals.ts', 'core/time/clock.ts', 'console/time.ts'])).toEqual([]);
  });

  it('reads flags and the environment only in cli/arguments, and where it sets them for other programs and tests', () => {
    const exceptions = ['cli/arguments.ts', 'cli/exec/preload.ts', 'testing/test-account.ts'];
    expect(filesMatching(/process\.(env|argv)/, exceptions)).toEqual([]);
  });

  it('keeps HTTP out of core', () => {
    const http = /\b(http|status code|headers?|fastify|reply)\b/i;
    const wrong = files.filter((file) => {
      const code = readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      return findLayer(file) === 'core' && http.test(code);
    });
    expect(wrong).toEqual([]);
  });
});
