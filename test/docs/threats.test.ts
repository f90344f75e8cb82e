import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const list = (folder: string) => readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
const page = read('docs/threats.md');
const pages = list('docs')
  .filter((file) => file.endsWith('.md'))
  .map((file) => read(`docs/${file}`));

/** The tests of a file that run, each with the id in the comment directly above it: `// id: connection-limit-503`. */
function parseTests(file: string): { title: string; id: string | undefined }[] {
  const tests: { title: string; id: string | undefined }[] = [];
  const text = read(file);
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^it\b(?!\.(skip|todo)\b)/.test(node.expression.getText(source))) {
      const [title] = node.arguments;
      const comment = ts.getLeadingCommentRanges(text, node.getFullStart())?.at(-1);
      const id = comment && /^\/\/ id: ([a-z0-9]+(?:-[a-z0-9]+)*)$/.exec(text.slice(comment.pos, comment.end))?.[1];
      if (title && ts.isStringLiteralLike(title)) tests.push({ title: title.text, id });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return tests;
}

/** The test files of this project, without those of installed packages. */
const testFiles = readdirSync(join(ROOT, 'test'), { withFileTypes: true })
  .filter(({ name }) => name !== 'node_modules')
  .flatMap((entry) =>
    entry.isDirectory() ? list(`test/${entry.name}`).map((file) => `${entry.name}/${file}`) : entry.name,
  )
  .map((file) => `test/${file}`)
  .filter((file) => file.endsWith('.test.ts') && !file.includes('/node_modules/'));
const ids = testFiles
  .filter((file) => read(file).includes('// id: '))
  .flatMap((file) => parseTests(file).flatMap(({ id }) => id ?? []));

/** The ids that a text mentions as in: (test `connection-limit-503`). */
function listMentionedIds(text: string): string[] {
  return [...text.matchAll(/\(test\s+`([^`]+)`\)/g)].map(([, id]) => id!);
}

const ID_LIST = /^`[a-z0-9-]+`(, `[a-z0-9-]+`)*$/;
/** The rows of the tables whose last column is "shown by": the tests' ids are in the last cell. */
const rows = page
  .split(/\n{2,}/)
  .filter((block) => /^\| .*\| shown by \|\n/.test(block))
  .flatMap((table) => table.trim().split('\n').slice(2))
  .map((row) => ({ row, testIds: row.slice(0, -1).split('|').at(-1)!.trim() }));
const namedIds = [
  ...rows.flatMap(({ testIds }) => [...testIds.matchAll(/`([^`]+)`/g)].map(([, id]) => id!)),
  ...listMentionedIds(page),
];

describe('docs/threats.md', () => {
  it('refers to tests that exist and run', () => {
    expect(namedIds.length).toBeGreaterThan(40);
    for (const id of namedIds) expect(ids).toContain(id);
  });

  it('refers to every test in test/threats', () => {
    for (const file of testFiles.filter((one) => one.startsWith('test/threats/'))) {
      const tests = parseTests(file);
      expect(tests.length).toBeGreaterThan(0);
      expect(
        tests.filter(({ id }) => id === undefined || !namedIds.includes(id)),
        file,
      ).toEqual([]);
    }
  });

  it('names a test for each attempt and each guarantee', () => {
    expect(rows.length).toBeGreaterThan(35);
    expect(rows.filter(({ testIds }) => !ID_LIST.test(testIds))).toEqual([]);
  });
});

describe('test ids', () => {
  it('that any page mentions exist', () => {
    const mentioned = pages.flatMap(listMentionedIds);
    expect(mentioned.length).toBeGreaterThan(2);
    for (const id of mentioned) expect(ids).toContain(id);
  });

  it('are unique, and each belongs to a test that runs', () => {
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    const comments = testFiles.flatMap((file) => read(file).match(/^ *\/\/ id: .*$/gm) ?? []);
    expect(comments.map((line) => line.trim().slice('// id: '.length)).sort()).toEqual([...ids].sort());
  });

  it('are referred to by a page of the docs', () => {
    expect(ids.filter((id) => !pages.some((text) => text.includes(`\`${id}\``)))).toEqual([]);
  });
});
