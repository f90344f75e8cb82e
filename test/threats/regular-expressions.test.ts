import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSafe } from 'redos-detector';
import ts from 'typescript-5';
import { expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');
/** Rooms in which nothing comes from a client. */
const ELSEWHERE = ['client', 'exec', 'openapi', 'verify'];
/** The most that a header can have, and a body. */
const HEAD = 16_384;
const BODY = 1_048_576;
const MOST_MS = 250;

/**
 * Those that the detector is not sure of, with what is worst for them, as long as it can be. It does not know that a text has an
 * end, nor that what follows a repetition can be no part of it.
 */
const WORST: Record<string, string[]> = {
  // A topic has 500 characters at most.
  'texts/script.ts /[,.;:!?': [' '.repeat(500), ' wit'.repeat(125), ','.repeat(499)],
  // Of our own phrases.
  'texts/phrases.ts /\\{(\\w+)\\}/g': ['{'.repeat(HEAD), `{${'a'.repeat(HEAD)}`],
  'admin/guard.ts /^(?:\\d+\\.': ['a.'.repeat(HEAD / 2), 'a.internal.'.repeat(HEAD / 11), '1.'.repeat(HEAD / 2)],
  'admin/guard.ts /:\\d+$/': [':1'.repeat(HEAD / 2), `:${'1'.repeat(HEAD)}x`, ':'.repeat(HEAD)],
  'admin/requests.ts /^(proxy-)?': ['api'.repeat(HEAD / 3), 'proxy-'.repeat(HEAD / 6), 'toke'.repeat(HEAD / 4)],
  'admin/verdict.ts /\\[\\d+\\]/g': ['[1'.repeat(HEAD / 2), `[${'1'.repeat(HEAD)}`],
  // No more than 1024 characters are looked at.
  'media/base64.ts /^data:': [
    `data:${';'.repeat(1019)}`,
    `data:${'; '.repeat(509)}`,
    `data:;${' '.repeat(1018)}`,
    `data:${'; base64'.repeat(127)}`,
  ],
  // At the end of sentences of our own.
  'http/validation.ts /, received .*$/': [`${', received '.repeat(HEAD / 11)}\n`],
  'http/directives.ts /@emulator': [
    '@emulator('.repeat(BODY / 10),
    `@emulator(${'x'.repeat(BODY)}`,
    '@emulator(x'.repeat(BODY / 11),
  ],
  'http/target.ts /^(https?)': [`http://${'a'.repeat(HEAD)}\n`, `http://${'@:'.repeat(HEAD / 2)}`],
  // Who starts the emulator says these.
  'settings.ts /\\/+$/': [`${'/'.repeat(1000)}x`],
  'settings.ts /^(?:[a-z0-9_-]': [`${'a.'.repeat(1000)}!`],
};

interface Found {
  name: string;
  expression: RegExp;
}

function expressionsOf(file: string): Found[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found: Found[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isRegularExpressionLiteral(node)) {
      const [, pattern, flags] = /^\/(.*)\/([a-z]*)$/s.exec(node.text)!;
      found.push({ name: `${file} ${node.text}`, expression: new RegExp(pattern!, flags) });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return found;
}

/** Whatever comes after a beginning, its end is found out in steps that grow no faster than the text. */
function isSurelyQuick({ source, flags }: RegExp): boolean {
  // The detector knows no letters of both cases among all characters; without the cases there is as much to try.
  const known = flags.includes('u') ? flags.replace('i', '') : flags;
  const bounds = { maxScore: 100, maxSteps: 3000, timeout: Number.POSITIVE_INFINITY };
  return isSafe(new RegExp(source, known), bounds).safe;
}

const found = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !ELSEWHERE.includes(file.split('/')[0]!))
  .flatMap(expressionsOf);

// id: regex-no-backtracking
it('no regular expression takes long to say no, whatever a client sends', () => {
  expect(found.length).toBeGreaterThan(60);
  const unsure = found.filter(({ expression }) => !isSurelyQuick(expression)).map(({ name }) => name);
  const known = Object.keys(WORST);
  expect(unsure.filter((name) => !known.some((start) => name.startsWith(start)))).toEqual([]);
  expect(known.filter((start) => !unsure.some((name) => name.startsWith(start)))).toEqual([]);
});

// id: regex-worst-input-is-fast
it.each(Object.entries(WORST))('what is worst for %s is still quick', (start, texts) => {
  const { expression } = found.find(({ name }) => name.startsWith(start))!;
  for (const text of texts) {
    const beganMs = performance.now();
    text.replace(expression, '');
    expect(performance.now() - beganMs, text.slice(0, 20)).toBeLessThan(MOST_MS);
  }
});
