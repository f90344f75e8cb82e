import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

/** Words that the project used to use, and the field's words to write instead. */
const REPLACED: readonly [words: RegExp, instead: string][] = [
  [/\b(MOST|LEAST|FEWEST)_[A-Z]/, 'MAX_ or MIN_'],
  [/\b(tells?|told|telling)\b/i, 'responds with, returns, says, emits or writes'],
  [/\btell[A-Z]\w*/, 'render…, to…, emit… or write…'],
  [/\bshown[A-Z]\w*/, 'to…Json or serialize…'],
  [/\bself-made\b|\bmade (themselves|itself)\b|\bmakes? (its|their) own accounts?\b/i, 'auto-created account'],
  [/\breborn\b|\bends? its life\b|\bone life\b/i, 'account lifetime'],
  [/\bbefalls?\b|\btroubles?\b/i, 'injected fault, apply'],
  [/\b(strikes?|struck|striking)\b/i, 'fires or applies'],
  [/\bas asked for\b/i, 'injected'],
  [/\bmanners\b/i, 'client conformance, findings'],
  [/\bstrangers?\b/i, 'unauthorized requests'],
  [/\bmakes? room\b|\bmaking room\b|\bfinds none\b/i, 'evict, or: when the limit is reached'],
  [/\bfarewells?\b/i, 'refusal'],
  [/\bwhoever\b|\bfor want of\b/i, 'a noun: the caller, the client'],
  [
    /\b[Ww]ho (has|have|finds?|asks?|listens?|calls?|waits?|comes?|reads?|sends?|uses?|knows?|leaves?)\b/,
    'a noun: the caller, the client',
  ],
  [/\b(is|are|was|were) no (?!longer\b|more than\b|fewer\b|less\b|way\b|point\b)[a-z]+/, 'is not a'],
  [/\b(has|have|is|are) no more\b/i, 'no longer has'],
  [/\bgood for nothing\b|\bby itself alone\b|\bso many [a-z]+ at most\b/i, 'plain words'],
  [/\b(deeds?|befores|afters)\b/i, 'operation, previous, pending'],
  [/\bgrave (actions?|buttons?)\b/i, 'irreversible actions'],
  [/\bsurroundings\b/i, 'environment'],
  [/\bwrong copy\b|\buncontrolled\b/i, 'mutation, without a control plane'],
];
/** Comments that start without a subject. */
const FRAGMENT = /^\s*(\/\/|\/?\*\*?|#|""") ?(What|Who|That which|Of (?!course)|In (?=all\b))\b/;

const EXTENSIONS = /\.(ts|tsx|mjs|js|py|toml|md|css|html|yaml|conf|sh)$/;
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .trim()
  .split('\n')
  .filter(
    (file) =>
      (EXTENSIONS.test(file) || file === 'Dockerfile' || file === '.ci/run') &&
      // This file lists the words, and the changelog of released versions is history.
      !['test/language.test.ts', 'fixtures/fonts/README.md'].includes(file),
  );

function findReplacedWords(file: string): string[] {
  const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
  return lines.flatMap((line, index) => {
    const hits = REPLACED.flatMap(([words, instead]) => {
      const found = words.exec(line)?.[0];
      return found === undefined ? [] : [`"${found}": write ${instead}`];
    });
    if (/\.(ts|tsx|mjs|js|py)$/.test(file) && FRAGMENT.test(line)) hits.push('a comment starts with its subject');
    return hits.map((hit) => `${file}:${index + 1} ${hit}`);
  });
}

describe('language', () => {
  it.each(['src', 'test', 'docs', 'scripts', 'bench', 'docker', 'python', ''])(
    'uses the words of the field in %s',
    (folder) => {
      const own = files.filter((file) => (folder === '' ? !file.includes('/') : file.startsWith(`${folder}/`)));
      expect(own.length).toBeGreaterThan(0);
      expect(own.flatMap(findReplacedWords)).toEqual([]);
    },
  );
});
