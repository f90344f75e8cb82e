import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript-5';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const page = read('docs/threats.md');

/** Names of the tests in a file, those that are never run left out. */
function testsOf(file: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^it\b(?!\.(skip|todo)\b)/.test(node.expression.getText(source))) {
      const [name] = node.arguments;
      if (name && ts.isStringLiteralLike(name)) names.push(name.text);
    }
    ts.forEachChild(node, visit);
  };
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest);
  visit(source);
  return names;
}

/** Each test that the page names: in the last cell of a row, or in brackets in a sentence. */
const named = [
  ...page.matchAll(/`(test\/[\w/-]+\.test\.ts)`: ((?:[^;`|]|`(?!test\/))+?)(?=; `test| \|$|\)[.:| ])/gm),
].map(([, file, name]) => ({ file: file!, name: name!.replace(/\s+/g, ' ') }));

describe('the page on threats', () => {
  it('names tests that there are', () => {
    expect(named.length).toBeGreaterThan(40);
    // All mentions are understood, but for that of this file.
    expect(page.match(/`test\//g)).toHaveLength(named.length + 1);
    for (const { file, name } of named) {
      expect([file, existsSync(join(ROOT, file))]).toEqual([file, true]);
      expect(testsOf(file), file).toContain(name);
    }
  });

  it('names every test of what is hostile', () => {
    const told = new Set(named.map(({ name }) => name));
    for (const file of readdirSync(join(ROOT, 'test/threats'))) {
      const names = testsOf(`test/threats/${file}`).filter((name) => !name.startsWith('what is worst for'));
      expect(names.length).toBeGreaterThan(0);
      expect(
        names.filter((name) => !told.has(name)),
        file,
      ).toEqual([]);
    }
  });

  it('shows for each attempt what happens and a test of it', () => {
    const rows = page
      .split(/^## /m)
      .filter((part) => /^(A hostile|The control plane|What is kept)/.test(part))
      .flatMap((part) => part.split('\n').filter((line) => /^\| (to|the|a|all|bodies|names|forms|files) /.test(line)));
    expect(rows.length).toBeGreaterThan(35);
    expect(rows.filter((row) => !row.includes('`test/'))).toEqual([]);
  });
});
