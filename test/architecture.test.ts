import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../src');
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => /\.tsx?$/.test(file));

/** Rooms from the outside in; a file may import from its own room and from those named here, never the other way. */
const MAY_IMPORT: Record<string, string[]> = {
  root: ['admin', 'apis', 'openapi', 'pages', 'verify', 'http', 'results', 'tls', 'exec', 'client', 'core'],
  client: [],
  // Runs in browsers and knows no more than what the control plane tells.
  console: ['client'],
  admin: ['openapi', 'http', 'core'],
  apis: ['kinds', 'http', 'results', 'texts', 'media', 'core'],
  openapi: ['http', 'core'],
  pages: ['http', 'core'],
  verify: ['openapi', 'http', 'client', 'media', 'core'],
  kinds: ['http', 'results', 'core'],
  http: ['results', 'tls', 'core'],
  results: ['core'],
  tls: ['core'],
  exec: ['http', 'tls'],
  texts: ['core'],
  media: [],
  core: [],
};
/** Packages that a room may know; the root may know all. */
const PACKAGES: Record<string, RegExp> = {
  admin: /^(node:|zod$|fastify$)/,
  apis: /^(node:|zod$|fastify$)/,
  openapi: /^(node:|zod$)/,
  pages: /^(node:|negotiator$)/,
  verify: /^(node:|ajv(\/.*)?$|ajv-formats$|fast-xml-parser$|p-queue$|sharp$)/,
  kinds: /^(zod$|fastify$)/,
  http: /^(node:|zod$|fastify$|@fastify\/|pino$|content-disposition$|fresh$)/,
  exec: /^(node:|undici$)/,
  client: /^$/,
  console: /^(preact$|preact\/|@preact\/signals$|@tanstack\/virtual-core$|eventsource-parser$|p-queue$)/,
  tls: /^(node:|@peculiar\/|reflect-metadata$)/,
  results: /^(node:(?!http|https|net|tls)|sharp$|lru-cache$|p-queue$)/,
  texts: /^node:/,
  media: /^(node:|mp4box$)/,
  core: /^(node:(?!http|https|net|tls)|better-sqlite3$|lru-cache$)/,
};

const IMPORT = /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;

const roomOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : 'root');

const imports = files.flatMap((file) => {
  const text = readFileSync(join(SRC, file), 'utf8');
  return [...text.matchAll(IMPORT)].map((match) => ({ file, target: (match[1] ?? match[2])! }));
});
const local = imports
  .filter(({ target }) => target.startsWith('.') && /\.tsx?$/.test(target))
  .map(({ file, target }) => ({ file, target: normalize(join(dirname(file), target)) }));

describe('the layout', () => {
  it('is seen by this test at all', () => {
    expect(files.length).toBeGreaterThan(25);
    expect(local.length).toBeGreaterThan(60);
    expect(local.every(({ target }) => files.includes(target))).toBe(true);
    expect([...new Set(files.map(roomOf))].sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it('has imports that point one way', () => {
    const wrong = local.filter(({ file, target }) => {
      const [from, to] = [roomOf(file), roomOf(target)];
      return from !== to && !MAY_IMPORT[from]!.includes(to);
    });
    expect(wrong).toEqual([]);
  });

  it('keeps families from importing each other', () => {
    const wrong = local.filter(
      ({ file, target }) => roomOf(file) === 'apis' && roomOf(target) === 'apis' && file !== 'apis/index.ts',
    );
    expect(wrong).toEqual([]);
  });

  it('takes nothing but types into the page from elsewhere', () => {
    const wrong = files
      .filter((file) => roomOf(file) === 'console')
      .flatMap(
        (file) =>
          readFileSync(join(SRC, file), 'utf8').match(/^import (?!type\b).*from '(?:\.\.\/)+client\/.*$/gm) ??
          [],
      );
    expect(wrong).toEqual([]);
  });

  it('keeps packages in the rooms that may know them', () => {
    const wrong = imports.filter(
      ({ file, target }) => !target.startsWith('.') && PACKAGES[roomOf(file)]?.test(target) === false,
    );
    expect(wrong).toEqual([]);
  });

  it('has no cycles', () => {
    const targets = (file: string) => local.filter((one) => one.file === file).map(({ target }) => target);
    const seen = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      expect(path, `a cycle: ${[...path, file].join(' → ')}`).not.toContain(file);
      if (seen.has(file)) return;
      for (const target of targets(file)) visit(target, [...path, file]);
      seen.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('has no file over 300 lines', () => {
    const long = files.filter((file) => readFileSync(join(SRC, file), 'utf8').split('\n').length > 300);
    expect(long).toEqual([]);
  });

  it('asks for the time and sets timers in core/clock alone, and in one place of the page that runs in browsers', () => {
    const asks = /\bDate\.now\b|\bnew Date\(\)|performance\.now|\bset(?:Timeout|Interval|Immediate)\(/;
    const wrong = files.filter(
      (file) =>
        !['core/clock.ts', 'console/time.ts'].includes(file) &&
        asks.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(wrong).toEqual([]);
  });

  it('reads flags and the environment in config alone, and where it is a guest in another program', () => {
    const reads = /process\.(env|argv)/;
    const wrong = files.filter(
      (file) =>
        !['config.ts', 'exec/preload.ts'].includes(file) && reads.test(readFileSync(join(SRC, file), 'utf8')),
    );
    expect(wrong).toEqual([]);
  });

  it('speaks no HTTP in core', () => {
    const speaks = /\b(http|status code|headers?|fastify|reply)\b/i;
    const wrong = files.filter((file) => {
      const code = readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      return roomOf(file) === 'core' && speaks.test(code);
    });
    expect(wrong.map((file) => relative(SRC, join(SRC, file)))).toEqual([]);
  });
});
