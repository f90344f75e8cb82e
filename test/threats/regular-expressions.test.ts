import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSafe } from 'redos-detector';
import ts from 'typescript';
import { expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../../src');
/** Folders whose code does not process input from clients. */
const EXCLUDED_FOLDERS = ['client', 'cli', 'openapi', 'conformance'];
/** Maximum sizes of the headers and of a body. */
const HEAD = 16_384;
const BODY = 1_048_576;
const MAX_MS = 250;

/**
 * Expressions that the detector does not prove to be safe, with their worst inputs of maximum length. The detector does
 * not know that inputs are limited, nor that what follows a repetition cannot be a part of it.
 */
const WORST: Record<string, string[]> = {
  // A topic has at most 500 characters.
  'texts/script.ts /[,.;:!?': [' '.repeat(500), ' wit'.repeat(125), ','.repeat(499)],
  // Input: the emulator's own phrases.
  'texts/phrases.ts /\\{(\\w+)\\}/g': ['{'.repeat(HEAD), `{${'a'.repeat(HEAD)}`],
  'control-plane/guard.ts /^(?:\\d+\\.': [
    'a.'.repeat(HEAD / 2),
    'a.internal.'.repeat(HEAD / 11),
    '1.'.repeat(HEAD / 2),
  ],
  'control-plane/guard.ts /:\\d+$/': [':1'.repeat(HEAD / 2), `:${'1'.repeat(HEAD)}x`, ':'.repeat(HEAD)],
  'control-plane/client-lint/unknown-fields.ts /\\[\\d+\\]/g': ['[1'.repeat(HEAD / 2), `[${'1'.repeat(HEAD)}`],
  // Only the first 1024 characters are searched.
  'uploads/base64.ts /^data:': [
    `data:${';'.repeat(1019)}`,
    `data:${'; '.repeat(509)}`,
    `data:;${' '.repeat(1018)}`,
    `data:${'; base64'.repeat(127)}`,
  ],
  'http/faults/directives.ts /@emulator': [
    '@emulator('.repeat(BODY / 10),
    `@emulator(${'x'.repeat(BODY)}`,
    '@emulator(x'.repeat(BODY / 11),
  ],
  'http/redaction.ts /(?::|%(?:25)': [
    '%25'.repeat(BODY / 3),
    `:${'\\'.repeat(BODY)}`,
    ':\\\\\\\\'.repeat(BODY / 5),
    '%3a%2525'.repeat(BODY / 8),
  ],
  'http/redaction.ts /(?:sig|token': [
    'sig.sig.sig.sig&'.repeat(BODY / 16),
    'key%252525&'.repeat(BODY / 11),
    'auth\\\\\\\\u003'.repeat(BODY / 12),
  ],
  'http/credentials.ts /auth(': ['toke'.repeat(HEAD / 4), 'sessio'.repeat(HEAD / 6), 'author'.repeat(HEAD / 6)],
  'server/request-target.ts /^(https?)': [`http://${'a'.repeat(HEAD)}\n`, `http://${'@:'.repeat(HEAD / 2)}`],
  // Input: settings.
  'settings/settings.ts /\\/+$/': [`${'/'.repeat(1000)}x`],
  'settings/settings.ts /^(?:[a-z0-9_-]': [`${'a.'.repeat(1000)}!`],
};

interface FoundExpression {
  name: string;
  expression: RegExp;
}

function findExpressions(file: string): FoundExpression[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found: FoundExpression[] = [];
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

/** Whether the detector proves that matching takes a number of steps that is linear in the length of the text. */
function isProvenSafe({ source, flags }: RegExp): boolean {
  // The detector does not support the flags i and u together; without i there are as many ways to match.
  const known = flags.includes('u') ? flags.replace('i', '') : flags;
  const bounds = { maxScore: 100, maxSteps: 3000, timeout: Number.POSITIVE_INFINITY };
  return isSafe(new RegExp(source, known), bounds).safe;
}

const found = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !EXCLUDED_FOLDERS.includes(file.split('/')[0]!))
  .flatMap(findExpressions);

// id: regex-no-backtracking
it('regular expressions run in linear time, except for known ones', () => {
  expect(found.length).toBeGreaterThan(60);
  const unproven = found.filter(({ expression }) => !isProvenSafe(expression)).map(({ name }) => name);
  const known = Object.keys(WORST);
  expect(unproven.filter((name) => !known.some((start) => name.startsWith(start)))).toEqual([]);
  expect(known.filter((start) => !unproven.some((name) => name.startsWith(start)))).toEqual([]);
});

// id: regex-worst-input-is-fast
it.each(Object.entries(WORST))('regular expressions: worst-case inputs for %s are fast', (start, texts) => {
  const { expression } = found.find(({ name }) => name.startsWith(start))!;
  for (const text of texts) {
    // Processor time, because the machine may be busy with something else.
    const start = process.cpuUsage();
    text.replace(expression, '');
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000, text.slice(0, 20)).toBeLessThan(MAX_MS);
  }
});
